"""The bytes inside a NIfTI file, unpacked in small pieces and never trusted: gzip is checked to its end."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from segloop.errors import InvalidInput

try:  # three times as fast, and optional
    from isal import isal_zlib

    _inflate: Any = isal_zlib
except ImportError:
    _inflate = zlib

CHUNK_BYTES = 1 << 20
TAIL_BYTES = 16 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's code for "gzip, with its checksum verified"


def is_gzip(path: Path) -> bool:
    """Say whether the file is gzip by its first bytes; its name says nothing."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP_MAGIC


def unpacked(path: Path) -> Iterator[bytes]:
    """Yield the file's bytes, gunzipped if they are gzip, in pieces of at most 1 MiB.

    Members that follow each other are joined; anything that is not gzip after the last one is dropped. A reader
    that takes every piece has had every checksum verified.

    Raises:
        InvalidInput: `truncated` where gzip ends too early, `corrupt_gzip` where its data or checksum is wrong.
    """
    with path.open("rb") as file:
        if file.read(2) == _GZIP_MAGIC:
            file.seek(0)
            yield from _gunzipped(file)
        else:
            file.seek(0)
            while piece := file.read(CHUNK_BYTES):
                yield piece


def _gunzipped(file: BinaryIO) -> Iterator[bytes]:
    packed = file.read(CHUNK_BYTES)
    while packed.startswith(_GZIP_MAGIC):
        member: Any = _inflate.decompressobj(_GZIP_WINDOW)
        while not member.eof:
            if not packed and not (packed := file.read(CHUNK_BYTES)):
                raise truncated("its compressed data ends early")
            try:
                piece = member.decompress(packed, CHUNK_BYTES)
            except (zlib.error, _inflate.error) as error:
                raise _corrupt() from error
            packed = member.unconsumed_tail
            if piece:
                yield piece
        packed = member.unused_data
        if len(packed) < len(_GZIP_MAGIC):
            packed += file.read(CHUNK_BYTES)


def head(path: Path, n_bytes: int) -> bytes:
    """Return the first `n_bytes` unpacked bytes, fewer if there are no more."""
    data = b""
    for piece in unpacked(path):
        data += piece
        if len(data) >= n_bytes:
            break
    return data[:n_bytes]


def body(path: Path, start: int, size: int, slab_bytes: int) -> Iterator[memoryview]:
    """Yield `size` unpacked bytes from `start` in slabs of `slab_bytes` (the last may be shorter), then read to the end.

    Raises:
        InvalidInput: `truncated`, `corrupt_gzip`, or `decompression_bomb` where much more follows than the header says.
    """
    end, position, held = start + size, 0, bytearray()
    for piece in unpacked(path):
        held += piece[max(0, start - position) : max(0, end - position)]
        position += len(piece)
        while len(held) >= slab_bytes:
            yield memoryview(bytes(held[:slab_bytes]))
            del held[:slab_bytes]
        if position > end + TAIL_BYTES:
            raise InvalidInput(
                "decompression_bomb", "Far more data follows the image than its header announces."
            )
    if position < end:
        raise truncated(f"{end - max(position, start)} of {size} bytes of voxels are missing")
    if held:
        yield memoryview(bytes(held))


def truncated(what: str) -> InvalidInput:
    """Return the error for a file that ends too early."""
    return InvalidInput(
        "truncated", f"The file is incomplete: {what}. Export or copy it again and upload the new copy."
    )


def _corrupt() -> InvalidInput:
    return InvalidInput(
        "corrupt_gzip",
        "The compressed file is damaged (its checksum is wrong). Copy it again and upload the new copy.",
    )
