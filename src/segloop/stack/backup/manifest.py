"""What a backup holds, file by file; it is written last, so a folder with one is whole."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from segloop.errors import InvalidInput, NotFound
from segloop.storage import checked_key

FORMAT = 1
FILE, DUMP, KEYS, OBJECTS = "manifest.json", "database.dump", "keys.sealed", "objects"


@dataclass(frozen=True)
class Entry:
    """One file of a backup: SHA-256 in hex, and bytes."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Manifest:
    """One backup; `files` are those beside the objects, `objects` are by key in the store.

    `referenced` are the keys that rows of the database name. `gone` are those among them that were deleted between the
    database's snapshot and the copy, because no row named them any more.
    """

    created_at: str
    version: str
    revision: str
    files: dict[str, Entry]
    objects: dict[str, Entry]
    referenced: list[str]
    gone: list[str] = field(default_factory=list)
    format: int = FORMAT

    def paths(self) -> Iterator[tuple[str, Entry]]:
        """Yield every file with its path within the backup."""
        yield from self.files.items()
        for key, entry in self.objects.items():
            yield f"{OBJECTS}/{checked_key(key)}", entry

    def size_bytes(self) -> int:
        """Return the size of everything."""
        return sum(entry.size_bytes for _, entry in self.paths())


def write(folder: Path, manifest: Manifest) -> str:
    """Write the manifest durably, in one step, and return its own SHA-256."""
    body = json.dumps(asdict(manifest), indent=1, sort_keys=True).encode()
    draft = folder / f"{FILE}.new"
    with draft.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / FILE)
    return hashlib.sha256(body).hexdigest()


def read(folder: Path) -> Manifest:
    """Return the manifest of a backup.

    Raises:
        NotFound: `no_backup`.
        InvalidInput: `backup_unreadable`; `backup_newer` where a later version of Segloop made it.
    """
    try:
        body = json.loads((folder / FILE).read_text())
    except FileNotFoundError:
        raise NotFound("no_backup", f"{folder} holds no complete backup: there is no {FILE}.") from None
    except ValueError:
        raise InvalidInput("backup_unreadable", f"{folder / FILE} is damaged; take another backup.") from None
    if body.get("format") != FORMAT:
        raise InvalidInput(
            "backup_newer", "Another version of Segloop made this backup; restore it with that one."
        )
    entries = {name: {k: Entry(**e) for k, e in body[name].items()} for name in ("files", "objects")}
    return Manifest(**(body | entries))


def describe(path: Path) -> Entry:
    """Return SHA-256 and size of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Entry(digest.hexdigest(), file.tell())


def verify(folder: Path, manifest: Manifest) -> None:
    """Read every file of the backup and compare it with the manifest.

    Raises:
        InvalidInput: `backup_damaged`, which names the first files that are absent or differ.
    """
    bad = [name for name, entry in manifest.paths() if not _is_as_noted(folder / name, entry)]
    if bad:
        raise InvalidInput(
            "backup_damaged",
            f"{len(bad)} files of this backup are missing or changed, such as {', '.join(bad[:3])}. Use another backup.",
        )


def _is_as_noted(path: Path, entry: Entry) -> bool:
    try:
        return path.stat().st_size == entry.size_bytes and describe(path) == entry
    except OSError:
        return False


def sync(path: Path) -> None:
    """Make sure that a file's bytes are on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
