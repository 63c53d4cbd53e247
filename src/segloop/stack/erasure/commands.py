"""The command `erase` for a person. A patient ID is asked for, not an argument: arguments stay in a shell's history."""

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

from segloop.settings import Settings
from segloop.stack import state
from segloop.stack.erasure.erase import Erasure


def add(commands: Any) -> None:
    """Add the command to the front door's parser."""
    erase = commands.add_parser(
        "erase", help="find one patient everywhere and remove them; without --yes it only says what there is"
    )
    erase.add_argument(
        "--volume", metavar="ID", help="one of their volumes; left out, their patient ID is asked for"
    )
    erase.add_argument("--issuer", default="", help="who gave the patient ID, where it is not the usual one")
    erase.add_argument("--yes", action="store_true", help="do it")
    erase.set_defaults(run=_erase)


def _erase(root: Path, options: argparse.Namespace) -> None:
    patient_id = None if options.volume else _ask()
    settings = Settings.from_env(state.environment(root))
    one = Erasure(settings, volume_id=options.volume, patient_id=patient_id, issuer=options.issuer)
    one.run(_say, dry_run=not options.yes)
    if not options.yes:
        _say("Nothing was changed. The same command with --yes erases it.")


def _ask() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Patient ID (not shown): ")
    return sys.stdin.readline().strip()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
