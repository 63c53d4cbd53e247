"""Which label of a project each structure of an imported object is: by what the caller says, by name, else by its code."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.sr.coding import Code

from segloop.errors import InvalidInput
from segloop.imaging.dicom.codes import SIDES, TISSUE, describe
from segloop.imaging.dicom.structure import Structure
from segloop.imaging.labels import MOST_NAMED, Label, LabelSet

LabelMap = Mapping[str, str | None]
"""A structure's name in the file -> a label's name, or None to leave it out."""


@dataclass(frozen=True)
class Match:
    """The label index of each structure that is taken, by its number; how many were left out, and how many are empty.

    `table` is what a person needs to decide otherwise: the file's structures and the project's labels.
    """

    labels: dict[int, int]
    n_left_out: int
    n_empty: int
    table: dict[str, list[Any]]

    @property
    def notes(self) -> list[str]:
        """What a person should know of it."""
        counted = ((self.n_left_out, "left out as asked"), (self.n_empty, "empty in the file"))
        return [f"{n} structure{'s' if n > 1 else ''} {what}" for n, what in counted if n]


def fold(name: str) -> str:
    """Return a name without case, spaces, underscores and hyphens: what two names must share to be the same."""
    return "".join(
        c for c in unicodedata.normalize("NFKC", name).casefold() if c not in "_-" and not c.isspace()
    )


def match(structures: Sequence[Structure], labels: LabelSet, label_map: LabelMap) -> Match:
    """Return what each structure is; empty ones need be nothing.

    Two structures become one label only where the caller says so.

    Raises:
        InvalidInput: `mask_names` where one can't be told, with all structures and labels; `mask_label_map` where the caller
            names what is not there; `mask_empty` where nothing is left.
    """
    said = _said(structures, labels, label_map)
    found: dict[int, int | None] = {}
    why: dict[int, str] = {}
    for one in structures:
        if one.number in said:
            found[one.number] = said[one.number]
        elif not one.is_empty:
            index, reason = _find(one, labels)
            found[one.number], why[one.number] = index, reason
    twice = [index for index, n in Counter(found[number] for number in why).items() if n > 1]
    for number in why:
        if found[number] is not None and found[number] in twice:
            found[number], why[number] = None, "several structures of this file match one label"
    table = _table(structures, labels, found, why)
    unknown = [one.name for one in structures if why.get(one.number)]
    if unknown:
        raise InvalidInput(
            "mask_names",
            f"It can't be told which labels these structures are: {_some(unknown)}. Say it of each, or leave it out "
            f"(label_map). The project's labels are {_some(table['labels'])}.",
            **table,
        )
    taken = {number: index for number, index in found.items() if index is not None}
    if not taken:
        raise InvalidInput(
            "mask_empty",
            "Nothing is left of this file: every structure is empty or was left out. Choose at least one.",
            **table,
        )
    left_out = sum(index is None for index in found.values())
    return Match(taken, left_out, len(structures) - len(found), table)


def _said(structures: Sequence[Structure], labels: LabelSet, label_map: LabelMap) -> dict[int, int | None]:
    """Return what the caller says of each structure, by its number: of its very name, else of one that is the same folded."""
    by_name = {fold(label.name): label.index for label in labels.labels}
    names = {one.name for one in structures}
    folded = {fold(name): name for name in label_map if name not in names}
    said: dict[int, int | None] = {}
    heard: set[str] = set()
    for one in structures:
        name = one.name if one.name in label_map else folded.get(fold(one.name))
        if name is not None:
            heard.add(name)
            ours = label_map[name]
            said[one.number] = None if ours is None else by_name.get(fold(ours))
    strange = [name for name in label_map if name not in heard]
    strange += [name for name in label_map.values() if name is not None and fold(name) not in by_name]
    if strange:
        raise InvalidInput(
            "mask_label_map",
            f"The label map names what is neither in the file nor a label of this project: {_some(strange)}. Name a structure "
            "of the file and a label of the project's newest label set, or null to leave it out.",
            names=strange,
        )
    return said


def _find(one: Structure, labels: LabelSet) -> tuple[int | None, str]:
    """Return a structure's label, or None and why it is not known."""
    alike = [label for label in labels.labels if fold(label.name) == fold(one.name)]
    if not alike:
        alike = [label for label in labels.labels if _same_code(one, label)]
    if len(alike) != 1:
        return None, "several labels fit" if alike else "no label has this name or code"
    side, stated = describe(alike[0]).modifier, one.side
    sides = set(SIDES.values())
    if side in sides and stated in sides and side != stated:
        return None, "its name says one side and its code the other"
    return alike[0].index, ""


def _same_code(one: Structure, label: Label) -> bool:
    what = describe(label)
    if one.type is None or what.type == TISSUE:
        return False
    of_type = _same(one.type, what.type) and _same(one.side, what.modifier)
    of_region = (
        what.region is not None and _same(one.type, what.region) and _same(one.side, what.region_modifier)
    )
    return of_type or of_region


def _same(one: Code | None, other: Code | None) -> bool:
    # pydicom knows that older codes (SRT) mean the same as SNOMED CT's, but not that there may be none.
    return one == other if one is not None and other is not None else one is other


def _table(
    structures: Sequence[Structure], labels: LabelSet, found: Mapping[int, int | None], why: Mapping[int, str]
) -> dict[str, list[Any]]:
    """Return as plain values what each structure was taken for, and the labels that there are."""
    names = {label.index: label.name for label in labels.labels}
    rows = [
        {
            "name": one.name,
            "meaning": "" if one.type is None else " ".join(c.meaning for c in (one.side, one.type) if c),
            "label": names.get(found[one.number] or 0),
            "why": why.get(one.number, ""),
        }
        for one in structures
        if one.number in found
    ]
    return {"structures": rows, "labels": list(names.values())}


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:MOST_NAMED], "..."] if len(names) > MOST_NAMED else names)
