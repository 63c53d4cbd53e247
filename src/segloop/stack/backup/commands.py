"""The commands `backup` and `restore` for a person, and where a passphrase comes from."""

import argparse
import getpass
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from segloop.errors import InvalidInput
from segloop.stack import control
from segloop.stack.backup import create, keys, manifest
from segloop.stack.backup import restore as restoring


def add(commands: Any) -> None:
    """Add both commands to the front door's parser."""
    backup = commands.add_parser("backup", help="copy database, objects and keys into a new folder")
    backup.add_argument("folder", type=Path)
    kept = backup.add_mutually_exclusive_group()
    kept.add_argument(
        "--passphrase-file", type=Path, help="its first line seals the keys (asked for when left out)"
    )
    kept.add_argument(
        "--keys-apart", action="store_true", help="leave the keys out: you keep credentials.json elsewhere"
    )
    backup.set_defaults(run=_backup)
    restore = commands.add_parser(
        "restore", help="make a new data folder (SEGLOOP_HOME) from a backup and start it"
    )
    restore.add_argument("folder", type=Path)
    kept = restore.add_mutually_exclusive_group()
    kept.add_argument(
        "--passphrase-file", type=Path, help="its first line opens the keys (asked for when left out)"
    )
    kept.add_argument("--keys", type=Path, metavar="CREDENTIALS_JSON", help="the keys that were kept apart")
    restore.add_argument(
        "--no-start", action="store_true", help="leave it stopped, for a drill beside the original"
    )
    restore.set_defaults(run=_restore)


def _backup(root: Path, options: argparse.Namespace) -> None:
    began = time.monotonic()
    passphrase = None if options.keys_apart else _passphrase(options.passphrase_file, again=True)
    made = create.create(root, options.folder, passphrase, _say)
    _say(
        f"Backed up {made.size_bytes() / 1e6:.1f} MB in {time.monotonic() - began:.1f} s into {options.folder}"
    )
    if options.keys_apart:
        _say(
            f"THE KEYS ARE NOT IN IT. Keep {root / 'credentials.json'} where only few can read it, apart from the backup:"
            " without it nobody can tell whose results are whose."
        )
    else:
        _say("The keys are in it, sealed. Without the passphrase nobody can tell whose results are whose.")


def _restore(root: Path, options: argparse.Namespace) -> None:
    began = time.monotonic()
    made = manifest.read(options.folder)
    restoring.restore(root, options.folder, _secrets(options, made), os.environ, _say)
    if not options.no_start:
        control.up(root, _say)
    _say(f"Restored into {root} in {time.monotonic() - began:.1f} s, as of {made.created_at}")


def _secrets(options: argparse.Namespace, made: manifest.Manifest) -> dict[str, str]:
    if options.keys is not None:
        kept: dict[str, str] = json.loads(options.keys.read_text())
        return kept
    if manifest.KEYS not in made.files:
        raise InvalidInput(
            "keys_apart",
            "The keys are not in this backup. Name the file that was kept: --keys CREDENTIALS_JSON",
        )
    passphrase = _passphrase(options.passphrase_file, again=False)
    return keys.unseal((options.folder / manifest.KEYS).read_bytes(), passphrase)


def _passphrase(file: Path | None, *, again: bool) -> str:
    if file is not None:
        return file.read_text().partition("\n")[0]
    if not sys.stdin.isatty():
        raise InvalidInput(
            "passphrase_missing",
            "There is nobody to ask for a passphrase. Name a file with it: --passphrase-file FILE",
        )
    given = getpass.getpass("Passphrase for the keys: ")
    if again and getpass.getpass("Once more: ") != given:
        raise InvalidInput("passphrase_wrong", "These were two passphrases; nothing was backed up.")
    return given


def _say(text: str) -> None:
    print(text, flush=True)
