"""Checks of single entries of the configuration; what is wrong is a `ValueError` or `TypeError` that says so."""

import re
from collections.abc import Collection, Mapping
from typing import Any

_AET = re.compile(r"[\x21-\x5b\x5d-\x7e]([\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?")


def only(given: Any, known: Collection[str] | None) -> Mapping[str, Any]:
    """Return names and values, of which all must be known; None takes any name."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{given!r} is no list of names and values")
    unknown = set() if known is None else set(given) - set(known)
    if unknown:
        raise ValueError(f"{sorted(map(str, unknown))} is not known here; known are {sorted(known or ())}")
    return given


def one_of(text: Any, known: Collection[str], what: str) -> str:
    """Return a word that is among those known."""
    if text not in known:
        raise ValueError(f"{text!r} is no {what}; known are {', '.join(sorted(known))}")
    return str(text)


def words(given: Any, known: Collection[str], what: str) -> tuple[str, ...]:
    """Return a list of known words, each once."""
    if not isinstance(given, list):
        raise TypeError(f"{given!r} is no list of {what}s")
    return tuple(dict.fromkeys(one_of(word, known, what) for word in given))


def boolean(given: Any, what: str) -> bool:
    """Return a yes or no that is written as one."""
    if not isinstance(given, bool):
        raise TypeError(f"{what} is true or false, not {given!r}")
    return given


def aet(text: str) -> str:
    """Return an AE title (PS3.5 6.2)."""
    if not _AET.fullmatch(str(text)):
        raise ValueError(f"{text!r} is no AE title: 1 to 16 characters, no backslash")
    return str(text)


def port(number: Any) -> int:
    """Return the number of a port."""
    if not isinstance(number, int) or not 0 < number < 65536:
        raise ValueError(f"{number!r} is no port")
    return number
