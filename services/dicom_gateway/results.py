"""Objects that were made of masks and are not delivered everywhere yet, each with the API's tag of what it says."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from services.dicom_gateway.entry import Entry
from services.dicom_gateway.spool import Spool
from services.dicom_gateway.state_file import kept, sync

_END = ".dcm"


@dataclass(frozen=True)
class Made:
    """An object's file, and the tag by which the API tells whether it would still be made so; "" where it gave none."""

    tag: str
    body: bytes


@dataclass(frozen=True)
class Results:
    """The objects of a spool's series by their names; the tag is in the file's name, so one never stands with the other's."""

    spool: Spool

    def kept(self, entry: Entry, name: str) -> Made | None:
        """Return what was kept under a name, None where nothing was, or another loop has just replaced it."""
        try:
            for file in (self._folder(entry) / name).glob(f"*{_END}"):
                return Made(file.name.removesuffix(_END), file.read_bytes())
        except FileNotFoundError:
            pass
        return None

    def keep(self, entry: Entry, name: str, made: Made) -> None:
        """Keep an object in place of what was under its name.

        Raises:
            Unavailable: `spool_full`.
        """
        folder = self._folder(entry) / name
        draft, file = self.spool.draft(), folder / f"{made.tag}{_END}"
        with kept():
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                draft.write_bytes(made.body)
                sync(draft)
                draft.rename(file)
            finally:
                draft.unlink(missing_ok=True)
            for other in folder.glob(f"*{_END}"):
                if other != file:
                    other.unlink(missing_ok=True)

    def drop(self, entry: Entry) -> None:
        """Remove all of a series."""
        shutil.rmtree(self._folder(entry), ignore_errors=True)

    def _folder(self, entry: Entry) -> Path:
        return self.spool.files(entry).parent / "results"
