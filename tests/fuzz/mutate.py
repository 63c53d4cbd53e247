"""Bytes that were once a good file: changed at random, but with an eye for what parsers read as numbers."""

import gzip
import io
import random
import struct
import zipfile

_INTERESTING = (
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63,
    2**64 - 1,
)
_FLOATS = (0.0, -1.0, 1e-45, 1e38, 1e300, float("nan"), float("inf"), -float("inf"), 0.1)
_WORDS = (
    *(b"nan", b"inf", b"-1", b"1e400", b"", b"\0", b"../../x", b"%s%n", b"\xff\xff\xff\xff", b"\xc3\x28"),
    *(b"null", b"[]", b"{}", b"[" * 200, b'"', b"0x10", b".inf", b"!!python/object:os.system", b"&a [*a]"),
    *(b"PK\x03\x04", b"PK\x01\x02", b"\x1f\x8b", b"DICM", b"n+1\0", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"),
)


def mutated(body: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Return a body after one to six changes; parts of other files may come into it."""
    found = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        at = chance.randrange(len(found) + 1)
        if chance.random() < 0.5:  # most of what is read as a number lies at the beginning
            at = min(at, chance.randrange(1, 700))
        match chance.randrange(10):
            case 0 | 1 if at < len(found):
                found[at] ^= 1 << chance.randrange(8)
            case 2:
                found[at : at + 1] = bytes([chance.randrange(256)])
            case 3 | 4:
                number = chance.choice(_INTERESTING)
                kind = chance.choice(("<H", ">H", "<I", ">I", "<Q"))
                size = struct.calcsize(kind)
                found[at : at + size] = struct.pack(kind, number % (1 << 8 * size))
            case 5:
                found[at : at + 4] = struct.pack(chance.choice(("<f", ">f")), _narrow(chance.choice(_FLOATS)))
            case 6:
                word = chance.choice(_WORDS)
                found[at : at + chance.choice((0, len(word)))] = word
            case 7:
                del found[at : at + chance.choice((1, 2, 8, 100, len(found)))]
            case 8:
                found[at:at] = found[at : at + chance.choice((1, 16, 200))] * chance.choice((1, 1, 2, 20))
            case 9:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                found[at : at + chance.choice((0, 64))] = other[start : start + chance.choice((4, 64, 1000))]
    return bytes(found)


def in_gzip(body: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Return a changed body packed, or a packed one changed."""
    if chance.random() < 0.7:
        return gzip.compress(mutated(body, chance, others), 1)
    return mutated(gzip.compress(body, 1), chance, others)


def in_zip(body: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Return a zip with some of its files changed, left out or doubled; seldom, its own bytes changed."""
    if chance.random() < 0.2:
        return mutated(body, chance, others)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    names = list(files)
    for name in chance.sample(names, chance.choice((1, 1, 1, min(3, len(names))))):
        files[name] = mutated(files[name], chance, list(files.values()))
    if chance.random() < 0.1:
        files.pop(chance.choice(names))
    if chance.random() < 0.05:
        files["again/" + names[0]] = files.get(names[-1], b"")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def _narrow(value: float) -> float:
    """Return what fits a float of 32 bits."""
    return value if abs(value) < 3e38 or value != value else float("inf")
