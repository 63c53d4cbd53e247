"""Which licence a package has, in SPDX's words, and which are let in."""

import re
from importlib.metadata import PackageNotFoundError, metadata

ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
        "BlueOak-1.0.0",
    }
)
ALLOWED_FOR = {
    # Used as libraries that anybody can replace, unchanged, which is what these licences ask for.
    "psycopg2-binary": "LGPL-3.0-or-later",
    "connected-components-3d": "LGPL-3.0-or-later",
}
"""Packages with another licence that were decided on one by one; never GPL or AGPL."""
_BY_ITS_FILE = {"atheris": "Apache-2.0"}
"""Packages whose metadata says nothing, read in the licence file they bring."""
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-3.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
_SPDX = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*")
_WORDS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "MIT License": "MIT",
}


def of_installed(name: str) -> str | None:
    """Return the licence of an installed package as an SPDX expression; None when it says nothing that is known."""
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return None
    if expression := told.get_all("License-Expression"):
        return str(expression[0])
    classifiers = [
        line.rpartition("::")[2].strip()
        for line in told.get_all("Classifier") or []
        if line.startswith("License ::")
    ]
    named = [_CLASSIFIERS[one] for one in classifiers if one in _CLASSIFIERS]
    unknown = [
        one
        for one in classifiers
        if one not in _CLASSIFIERS and "Approved" not in one and "approved" not in one
    ]
    if named and not unknown:
        return " AND ".join(named)
    first = "".join(told.get_all("License") or []).strip().partition("\n")[0]
    return _WORDS.get(first, first if _SPDX.fullmatch(first) else _BY_ITS_FILE.get(name))


def refused(name: str, expression: str | None) -> str | None:
    """Say why a package may not be shipped, or None where it may: one of each OR, all of each AND must be let in."""
    if expression is None:
        return "its licence is not known"
    if ALLOWED_FOR.get(name) == expression:
        return None
    choices = [choice.strip("() ") for choice in re.split(r"\bOR\b", expression)]
    for choice in choices:
        if all(part.strip("() ") in ALLOWED for part in re.split(r"\bAND\b", choice)):
            return None
    return f"{expression} is not on the list"
