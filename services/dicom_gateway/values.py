"""Checks of single entries of the configuration; what is wrong is a `ValueError` or `TypeError` that says so."""

import re
from collections.abc import Mapping
from typing import Any

_AET = re.compile(r"[\x21-\x5b\x5d-\x7e]([\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?")


def only(given: Any, known: set[str] | None) -> Mapping[str, Any]:
    """Return names and values, of which all must be known; None takes any name."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{given!r} is no list of names and values")
    unknown = set() if known is None else set(given) - known
    if unknown:
        raise ValueError(f"{sorted(unknown)} is not known here; known are {sorted(known or ())}")
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
