"""How far a series has come, as a file in its folder: whole or not at all, and one that can't be read costs that series only."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from segloop.errors import Unavailable
from services.dicom_gateway.entry import Entry

NAME = "state.json"
Piece = bytes | memoryview
_TEXT = "What the gateway kept about this series can't be read. Segment it again, or send it again."


def read_state(file: Path) -> Entry:
    """Return what a file says of a series; one that makes no sense is a failed series (`state_unreadable`)."""
    try:
        return Entry.from_dict(json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError, AttributeError, KeyError):  # a broken disk, or another version's
        at = file.stat().st_mtime
        return Entry(
            file.parent.name,
            caller="",
            stage="failed",
            code="state_unreadable",
            message=_TEXT,
            received=at,
            touched=at,
        )


def write_state(folder: Path, entry: Entry, name: str = NAME) -> None:
    """Write a series' state into a folder; it is on disk when this returns, and where it can't be what was there stays."""
    draft = folder / f"{name.removesuffix('.json')}.new"
    try:
        with draft.open("w") as file:
            json.dump(entry.to_dict(), file)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    draft.rename(folder / name)
    sync(folder)


@contextmanager
def kept() -> Iterator[None]:
    """Say of what can't be written in the block that it may be tried later.

    Raises:
        Unavailable: `spool_full`.
    """
    try:
        yield
    except OSError as error:
        raise Unavailable(
            "spool_full", "The gateway's disk is full or can't be written. Make room."
        ) from error


def write(path: Path, pieces: Iterable[Piece]) -> None:
    """Write a file of pieces, one after the other; `sync` is for whoever needs it on disk."""
    with path.open("wb") as file:
        file.writelines(pieces)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
