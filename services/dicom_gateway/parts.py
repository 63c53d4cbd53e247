"""The parts of a `multipart/related` body, each written to a file as it comes: memory does not grow with them (PS3.18 8.6.1)."""

from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from segloop.errors import InvalidInput, TooLarge


@dataclass(frozen=True)
class Limits:
    """How much one body may bring; of a part that is longer only the beginning is kept."""

    part_bytes: int = 1 << 30
    parts: int = 20_000


@dataclass(frozen=True)
class Part:
    """A part whose bytes lie at `path`, all of them unless it `is_too_large`."""

    path: Path
    is_too_large: bool


def boundary_of(content_type: str) -> bytes:
    """Return the boundary of a `multipart/related; type="application/dicom"` body.

    Raises:
        InvalidInput: `media_type` for another.
    """
    header = Message()
    header["content-type"] = content_type
    boundary, kind = header.get_param("boundary"), header.get_param("type", "application/dicom")
    if header.get_content_type() != "multipart/related" or kind != "application/dicom" or not boundary:
        raise InvalidInput("media_type", 'The body must be multipart/related; type="application/dicom".')
    return str(boundary).encode()


class PartWriter:
    """Cuts a body into files whose names `new_path` gives. Whoever takes a `Part` owns its file; `close` removes what is unfinished.

    Raises:
        InvalidInput: `multipart_broken` for a boundary that can't be one.
    """

    def __init__(self, boundary: bytes, new_path: Callable[[], Path], limits: Limits) -> None:
        self._new_path, self._limits = new_path, limits
        self._done: list[Part] = []
        self._file: BinaryIO | None = None
        self._n_begun = self._n_bytes = 0
        self._is_over = False
        callbacks: Any = {
            "on_part_begin": self._begin,
            "on_part_data": self._write,
            "on_part_end": self._end,
            "on_end": self._finish,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:  # a boundary longer than any
            raise _broken() from error

    def feed(self, data: bytes) -> list[Part]:
        """Take the next bytes and return the parts that they complete.

        Raises:
            InvalidInput: `multipart_broken`.
            TooLarge: `too_many_parts`.
            OSError: they can't be written.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _broken() from error
        done, self._done = self._done, []
        return done

    def finish(self) -> None:
        """Check that the body ended where it said it would.

        Raises:
            InvalidInput: `multipart_broken`.
        """
        if not self._is_over:
            raise _broken()

    def close(self) -> None:
        """Remove what nobody took."""
        if self._file is not None:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)
            self._file = None
        for part in self._done:
            part.path.unlink(missing_ok=True)

    def _begin(self) -> None:
        self._n_begun += 1
        if self._n_begun > self._limits.parts:
            raise TooLarge(
                "too_many_parts", f"A body may have {self._limits.parts:,} parts at most; send several."
            )
        self._file, self._n_bytes = self._new_path().open("xb"), 0

    def _write(self, data: bytes, start: int, end: int) -> None:
        assert self._file is not None
        room = self._limits.part_bytes - self._n_bytes
        self._n_bytes += end - start
        if room > 0:
            self._file.write(memoryview(data)[start : min(end, start + room)])

    def _end(self) -> None:
        assert self._file is not None
        self._file.close()
        self._done.append(Part(Path(self._file.name), self._n_bytes > self._limits.part_bytes))
        self._file = None

    def _finish(self) -> None:
        self._is_over = True


def _broken() -> InvalidInput:
    return InvalidInput(
        "multipart_broken", "The body is no multipart message, or it broke off. Send it again."
    )
