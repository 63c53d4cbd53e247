"""Whose series it is, from its header."""

from segloop.imaging.dicom.identity import Identity, identify


def test_the_same_patient_with_the_default_issuer_and_without_one_is_one() -> None:
    bare, ours, theirs = (Identity(patient_id="4711", issuer=issuer) for issuer in ("", "HOSP", "OTHER"))
    assert bare.patient_reference(default_issuer="HOSP") == ours.patient_reference(default_issuer="HOSP")
    assert theirs.patient_reference(default_issuer="HOSP") == "OTHER|4711"
    assert ours.patient_reference() != bare.patient_reference()


def test_an_issuer_alone_names_nobody() -> None:
    assert Identity(issuer="HOSP").patient_reference() is None


def test_a_broken_value_counts_as_none() -> None:
    class Broken(dict[str, str]):
        def get(self, key: str, default: object = None) -> str:  # type: ignore[override]
            if key == "PatientName":
                raise ValueError("bad character set")
            return " x "

    found = identify(Broken())
    assert (found.patient_name, found.patient_id) == ("", "x")
