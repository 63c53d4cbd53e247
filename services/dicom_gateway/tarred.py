"""A tar of files made while it is sent, and read while it comes: nothing of it is ever on disk."""

import tarfile
from collections.abc import Iterable, Iterator
from io import RawIOBase
from pathlib import Path
from typing import Any

_PIECE_BYTES = 1 << 20


class _Sink(RawIOBase):
    """Keeps what is written until it is taken."""

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


def tar_stream(files: Iterable[Path]) -> Iterator[bytes]:
    """Yield the bytes of a tar with the files under their names; a piece for some of them, as they come.

    Raises:
        OSError: one can't be read.
    """
    sink = _Sink()
    with tarfile.open(fileobj=sink, mode="w|", bufsize=_PIECE_BYTES, format=tarfile.USTAR_FORMAT) as archive:
        for file in files:
            entry = tarfile.TarInfo(file.name)
            with file.open("rb") as source:
                entry.size = file.stat().st_size
                archive.addfile(entry, source)
            if piece := sink.take():
                yield piece
    yield sink.take()
