"""A zip of files made while it is sent: nothing of it is ever on disk."""

import zipfile
from collections.abc import Iterator, Sequence
from io import RawIOBase
from pathlib import Path
from typing import Any


class _Sink(RawIOBase):
    """Keeps what is written until it is taken; it can't seek, so sizes follow each file's bytes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def zip_stream(files: Sequence[Path]) -> Iterator[bytes]:
    """Yield the bytes of a zip with the files, not packed, under their names; a piece for each file.

    Raises:
        OSError: one can't be read.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[arg-type]
        for file in files:
            with archive.open(zipfile.ZipInfo(file.name), "w") as entry:
                entry.write(file.read_bytes())
            yield sink.take()
    yield sink.take()
