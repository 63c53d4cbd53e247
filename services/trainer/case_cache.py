"""Preprocessed cases kept between runs on this machine, so that only what is new is preprocessed."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

ENDINGS = (".pkl", "_seg.b2nd", ".b2nd")
"""The files of one case; the last one names it, so a case that has it is complete."""


@dataclass(frozen=True)
class CaseCache:
    """Cases by a hash of all that they depend on, within `max_bytes`; those used longest ago leave first.

    A cache and nothing more: whatever is missing is made again. The files are ours alone and never come from elsewhere,
    because nnU-Net keeps a case's properties as a pickle.
    """

    folder: Path
    max_bytes: int

    def take(self, key: str, case_id: str, into: Path) -> bool:
        """Link a kept case into a workspace's folder and return whether there was one."""
        kept = self.folder / key
        # A file may be empty after a power cut.
        if not all((kept / end).exists() and (kept / end).stat().st_size for end in ENDINGS):
            return False
        into.mkdir(parents=True, exist_ok=True)
        try:
            for ending in ENDINGS:
                target = into / f"{case_id}{ending}"
                target.unlink(missing_ok=True)
                _link(kept / ending, target)
        except FileNotFoundError:  # another process made room
            return False
        os.utime(kept)
        return True

    def keep(self, key: str, case_id: str, made: Path) -> None:
        """Keep a case that a workspace made; a full disk or another process at the same is no reason to fail."""
        kept = self.folder / key
        with contextlib.suppress(OSError):
            kept.mkdir(parents=True, exist_ok=True, mode=0o700)
            for ending in ENDINGS:
                partial = kept / f"{ending}.partial-{os.getpid()}"
                _link(made / f"{case_id}{ending}", partial)
                partial.replace(kept / ending)
        self._make_room(kept)

    def _make_room(self, newest: Path) -> None:
        folders = sorted(
            (path for path in self.folder.glob("*") if path.is_dir()), key=lambda p: p.stat().st_mtime
        )
        used = {path: sum(file.stat().st_size for file in path.iterdir()) for path in folders}
        for path in folders:
            if sum(used.values()) <= self.max_bytes:
                return
            if path != newest:
                shutil.rmtree(path, ignore_errors=True)
                used.pop(path)


def _link(source: Path, target: Path) -> None:
    """Link a file, or copy it where links can't be made; both sides only read it."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except PermissionError:
        shutil.copyfile(source, target)
