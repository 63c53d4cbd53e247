"""How far all series have come, at hand: read from their files once, when the process starts, for nobody else writes them."""

from pathlib import Path

from services.dicom_gateway.entry import Entry
from services.dicom_gateway.state_file import NAME, read_state, write_state


class States:
    """The state of each series of a folder, in memory as in its file. Not thread-safe: the spool has a lock.

    A key is a stem, which all that came of a series from one sender have in common, a dash, and a number that counts up.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_stem: dict[str, dict[str, Entry]] = {}
        for file in folder.glob(f"*/{NAME}"):
            self.add(read_state(file))

    def all(self) -> list[Entry]:
        """Return all series, the one touched longest ago first."""
        found = [entry for entries in self._by_stem.values() for entry in entries.values()]
        return sorted(found, key=lambda entry: entry.touched)

    def get(self, key: str) -> Entry | None:
        """Return a series by its key."""
        return self._by_stem.get(stem(key), {}).get(key)

    def latest(self, stem: str) -> Entry | None:
        """Return what came last of a series."""
        return max(self._by_stem.get(stem, {}).values(), key=generation, default=None)

    def add(self, entry: Entry) -> None:
        """Take a series in whose file is there already."""
        self._by_stem.setdefault(stem(entry.key), {})[entry.key] = entry

    def write(self, entry: Entry) -> None:
        """Store how far a series has come; where the disk does not take it, it stands where it stood.

        Raises:
            OSError: the disk is full, or can't be written.
        """
        write_state(self._folder / entry.key, entry)
        self.add(entry)

    def drop(self, key: str) -> None:
        """Forget a series whose folder is gone."""
        same = self._by_stem.get(stem(key), {})
        same.pop(key, None)
        if not same:
            self._by_stem.pop(stem(key), None)


def stem(key: str) -> str:
    """Return what the keys of all that came of a series begin with."""
    return key.rpartition("-")[0]


def generation(entry: Entry) -> int:
    """Return which time it was that a series began."""
    return int(entry.key.rpartition("-")[2])
