"""What a label is in SNOMED CT, with its side: codes that every receiver knows, instead of a name that only we do.

`snomed.csv` holds facts of the table that TotalSegmentator publishes (Apache-2.0), with a wrong code of the subclavian
arteries put right by DICOM's own dictionary (PS3.16), and some organs of head and neck added.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydicom.sr.coding import Code

from segloop.imaging.labels import Label

STRUCTURE = Code("123037004", "SCT", "Anatomical Structure")
TISSUE = Code("85756007", "SCT", "Tissue")
_SHORT = {"l": "left", "lt": "left", "r": "right", "rt": "right"}
SIDES = {"left": Code("7771000", "SCT", "Left"), "right": Code("24028007", "SCT", "Right")}


@dataclass(frozen=True)
class Property:
    """What a segment shows: category, type and its modifier (such as a side), and where it lies if that says more."""

    category: Code
    type: Code
    modifier: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None


def describe(label: Label) -> Property:
    """Return a label's codes: by its name, else by its own SNOMED code, else "tissue"; the side comes from the name."""
    name = label.name.lower().replace("-", "_").replace(" ", "_")
    known = _table().get(name)
    if known is not None:
        return known
    side = _side(name.split("_"))
    if label.snomed_code:
        return Property(STRUCTURE, Code(label.snomed_code, "SCT", label.name[:64]), side)
    return Property(TISSUE, TISSUE, side)


def _side(words: Sequence[str]) -> Code | None:
    """Return the one side that a name's words state: in full anywhere, or as radiotherapy has it (AAPM TG-263), first or last."""
    ends = {words[0], words[-1]} if len(words) > 1 else set()
    stated = {word for word in words if word in SIDES} | {_SHORT[word] for word in ends & _SHORT.keys()}
    return SIDES[stated.pop()] if len(stated) == 1 else None


@cache
def _table() -> dict[str, Property]:
    with Path(__file__).with_name("snomed.csv").open(newline="") as file:
        return {row["name"]: _property(row) for row in csv.DictReader(file)}


def _property(row: dict[str, str]) -> Property:
    def code(name: str) -> Code | None:
        return Code(row[name], "SCT", row[f"{name}_meaning"]) if row[name] else None

    category, kind = code("category"), code("type")
    assert category is not None and kind is not None, row["name"]
    return Property(category, kind, code("modifier"), code("region"), code("region_modifier"))
