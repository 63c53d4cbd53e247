"""Print the part of requirements.lock that some extras of pyproject.toml need, with its hashes.

`python scripts/select_requirements.py --extra api --package flower > requirements.txt`

There is one lock file; an image installs its own part of it. The lock says beside each package what asked for it
("via"), so the part is what can be reached from the roots: no index and no installed package is asked.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Installed on its own before everything else, from the index that fits the machine; so it is no part of the lock.
APART = {"torch"}


def normalized(name: str) -> str:
    """Return a package name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def project_name(requirement: str) -> str:
    """Return the bare, normalized name of a requirement such as `celery[redis]==5.7.0`."""
    return normalized(re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0])


def read_lock(text: str) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Return each package's lines, and for each package what asked for it."""
    blocks: dict[str, str] = {}
    askers: dict[str, set[str]] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if not line.startswith((" ", "#")) and "==" in line:
            name = project_name(line)
            blocks[name], askers[name] = "", set()
        if line.lstrip().startswith("#"):
            asker = line.strip("# \n").removeprefix("via").strip()
            if name and asker and line.startswith(" "):
                askers[name].add(normalized(asker.split(" ")[0]))
        elif name and line.strip():
            blocks[name] += line
    return blocks, askers


def select(extras: list[str], packages: list[str]) -> tuple[dict[str, str], set[str]]:
    """Return the lock's blocks for the project, its extras and single packages, and what has to be installed apart.

    Raises:
        KeyError: an extra or a package that is not there.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    blocks, askers = read_lock((ROOT / "requirements.lock").read_text())
    wanted = list(project["dependencies"]) if extras else []
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    waiting = [project_name(requirement) for requirement in wanted] + [normalized(name) for name in packages]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in blocks and name not in APART:
            raise KeyError(f"{name} is not in requirements.lock")
        found.add(name)
        waiting += [other for other, by in askers.items() if name in by]
    return {name: blocks[name] for name in sorted(found - APART)}, found & APART


def main() -> None:
    """Print the chosen part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extra", action="append", default=[])
    parser.add_argument("--package", action="append", default=[])
    options = parser.parse_args()
    blocks, _ = select(options.extra, options.package)
    sys.stdout.write("".join(blocks.values()))


if __name__ == "__main__":
    main()
