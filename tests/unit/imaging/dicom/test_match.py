"""Structures become labels by what the caller says, by name or by code; nothing is guessed."""

import pytest
from pydicom.sr.coding import Code

from segloop.errors import InvalidInput
from segloop.imaging.dicom.codes import SIDES
from segloop.imaging.dicom.match import LabelMap, match
from segloop.imaging.dicom.structure import Structure, named
from segloop.imaging.labels import Label, LabelSet

LABELS = LabelSet(
    (
        Label(1, "parotid_left"),
        Label(2, "parotid_right"),
        Label(3, "spinal_cord"),
        Label(4, "our own", snomed_code="12345"),
    )
)
PAROTID = Code("45289007", "SCT", "Parotid gland")


def structures(*names: str) -> list[Structure]:
    return [Structure(number, number, name) for number, name in enumerate(names, 1)]


def found(given: list[Structure], label_map: LabelMap | None = None) -> dict[int, int]:
    return match(given, LABELS, label_map or {}).labels


def why(given: list[Structure], label_map: LabelMap | None = None) -> tuple[str, list[str]]:
    with pytest.raises(InvalidInput) as error:
        match(given, LABELS, label_map or {})
    return error.value.code, [row["why"] for row in error.value.details.get("structures", [])]  # type: ignore[attr-defined]


def test_case_spaces_underscores_and_hyphens_do_not_count() -> None:
    assert found(structures("Parotid Left", "PAROTID-right", "SpinalCord")) == {1: 1, 2: 2, 3: 3}
    assert why(structures("parotid_left+5"))[0] == "mask_names"


@pytest.mark.parametrize(("side", "index"), [("left", 1), ("right", 2)])
def test_a_code_counts_with_its_side(side: str, index: int) -> None:
    assert found([Structure(1, 1, "Ohrspeichel", PAROTID, SIDES[side])]) == {1: index}
    assert why([Structure(1, 1, "Ohrspeichel", PAROTID)]) == (
        "mask_names",
        ["no label has this name or code"],
    )
    # An older code of the same, as older files have it (SNOMED RT).
    older = Code("T-61100", "SRT", "Parotid gland")
    assert found([Structure(1, 1, "Ohrspeichel", older, Code(*OLDER_SIDES[side]))]) == {1: index}


OLDER_SIDES = {"left": ("G-A101", "SRT", "Left"), "right": ("G-A100", "SRT", "Right")}


def test_a_labels_own_code_counts_and_tissue_says_nothing() -> None:
    assert found([Structure(1, 1, "x", Code("12345", "SCT", "y"))]) == {1: 4}
    assert why([Structure(1, 1, "x", Code("85756007", "SCT", "Tissue"))])[0] == "mask_names"


def test_two_structures_become_one_label_only_where_somebody_says_so() -> None:
    code, reasons = why(structures("parotid_left", "Parotid left"))
    assert (code, reasons) == ("mask_names", ["several structures of this file match one label"] * 2)
    said = {"parotid_left": "parotid_left", "Parotid left": "parotid_left"}
    assert found(structures("parotid_left", "Parotid left"), said) == {1: 1, 2: 1}


def test_the_very_name_is_heard_before_one_that_is_alike() -> None:
    given = structures("Cord", "c-o-r-d", "CORD")
    assert found(given, {"Cord": "spinal_cord", "c-o-r-d": None, "cord": "our own"}) == {1: 3, 3: 4}


def test_what_the_caller_names_must_be_there() -> None:
    assert why(structures("a"), {"b": None})[0] == "mask_label_map"
    assert why(structures("a"), {"a": "no such label"})[0] == "mask_label_map"


def test_empty_structures_need_no_name_and_nothing_left_is_refused() -> None:
    empty = Structure(2, 2, "whatever", is_empty=True)
    matched = match([*structures("spinal cord"), empty], LABELS, {})
    assert (matched.labels, matched.notes) == ({1: 3}, ["1 structure empty in the file"])
    assert why([empty])[0] == "mask_empty"
    assert why(structures("a", "b"), {"a": None, "b": None})[0] == "mask_empty"


def test_a_name_is_one_line_that_can_be_shown() -> None:
    assert named("a\nb\x00\u202ec  " + "d" * 99) == ("a b c " + "d" * 99)[:64]
