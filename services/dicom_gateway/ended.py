"""Series whose files are gone: what it takes to send their results again, and nothing of a patient."""

import re
import time
from pathlib import Path

from services.dicom_gateway.entry import Entry
from services.dicom_gateway.state_file import read_state, write_state

REMEMBERED_S = 90 * 24 * 3600.0
_KEY = re.compile(r"[0-9a-f]+-[0-9]+")


class Ended:
    """A folder with one small file a series."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True, mode=0o700)

    def keep(self, entry: Entry) -> None:
        """Keep how a series ended, where it has a result."""
        if entry.mask_id:
            write_state(self._folder, entry, self._file(entry.key).name)

    def get(self, key: str) -> Entry | None:
        """Return a series by its key."""
        if not _KEY.fullmatch(key) or not self._file(key).exists():
            return None
        entry = read_state(self._file(key))
        return entry if entry.mask_id else None

    def drop(self, key: str) -> None:
        """Forget a series."""
        self._file(key).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Forget what ended longer ago than is remembered."""
        for file in self._folder.glob("*.json"):
            if time.time() - file.stat().st_mtime > REMEMBERED_S:
                file.unlink()

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.json"
