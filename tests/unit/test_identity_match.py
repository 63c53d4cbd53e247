"""Whom a search for a patient finds."""

import pytest

from segloop.identities.match import matches
from segloop.imaging.dicom.identity import Identity

MUELLER = Identity(patient_name="Müller^Anna Sofie", patient_id="PID-47", accession="A.9")


@pytest.mark.parametrize(
    "text", ["PID-47", " pid-47 ", "a.9", "mül", "MUL", "Anna", "müller, a", "sofie müller", "an so"]
)
def test_found(text: str) -> None:
    assert matches(MUELLER, text)


@pytest.mark.parametrize("text", ["PID-4", "47", "ller", "müller b", "m", "", "  ", ",", "^=", "A"])
def test_not_found(text: str) -> None:
    assert not matches(MUELLER, text)


def test_every_spelling_of_a_name_is_searched() -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    assert all(matches(Identity(patient_name=name), text) for text in ("yamada t", "山田", "やまだ たろう"))


def test_nobody_is_found_by_what_is_not_known() -> None:
    assert not matches(Identity(), "") and not matches(Identity(), " ")
