"""A gzip file (RFC 1952) of pieces that were packed apart from each other, so that each can be packed as soon as it is there."""

import struct
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO

try:  # three times as fast, and optional
    from isal import isal_zlib

    _deflate: Any = isal_zlib
except ImportError:
    _deflate = zlib

Buffer = bytes | memoryview
_HEAD = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"
"""Deflate, no name, no time, of no particular system: the same bytes each time."""
_LAST = b"\x03\x00"
"""An empty block that is marked as the last."""


def pack(data: Buffer) -> bytes:
    """Return data as deflate blocks that end at a whole byte, none of them the last, and that look back at nothing before."""
    packer = _deflate.compressobj(level=1, wbits=-15)
    return bytes(packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH))


def write_gzip(file: BinaryIO, pieces: Iterable[tuple[Buffer, bytes]]) -> None:
    """Write pieces (data, what `pack` made of it), one after the other, as one gzip member."""
    checksum, size = 0, 0
    file.write(_HEAD)
    for data, packed in pieces:
        checksum = _deflate.crc32(data, checksum)
        size += memoryview(data).nbytes
        file.write(packed)
    file.write(_LAST + struct.pack("<II", checksum, size & 0xFFFFFFFF))
