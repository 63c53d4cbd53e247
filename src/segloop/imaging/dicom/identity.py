"""Whose series it is, as its header says: for the identity store and for those who may see it, and for nobody else."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

_KEYWORDS = {
    "patient_name": "PatientName",
    "patient_id": "PatientID",
    "issuer": "IssuerOfPatientID",
    "birth_date": "PatientBirthDate",
    "sex": "PatientSex",
    "study_date": "StudyDate",
    "study_time": "StudyTime",
    "accession": "AccessionNumber",
    "study_description": "StudyDescription",
    "series_description": "SeriesDescription",
    "series_number": "SeriesNumber",
    "body_part": "BodyPartExamined",
    "modality": "Modality",
    "study_uid": "StudyInstanceUID",
    "series_uid": "SeriesInstanceUID",
}
_MOST = 200


@dataclass(frozen=True)
class Identity:
    """Texts of a header, "" where it says nothing. Dates are DICOM's (YYYYMMDD), a name its PN with carets."""

    patient_name: str = ""
    patient_id: str = ""
    issuer: str = ""
    birth_date: str = ""
    sex: str = ""
    study_date: str = ""
    study_time: str = ""
    accession: str = ""
    study_description: str = ""
    series_description: str = ""
    series_number: str = ""
    body_part: str = ""
    modality: str = ""
    study_uid: str = ""
    series_uid: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Identity":
        """Return what `to_dict` gave; what is unknown is left out."""
        return cls(**{field.name: str(values.get(field.name, "")) for field in fields(cls)})

    def patient_reference(self, *, default_issuer: str = "") -> str | None:
        """Return who the patient is among all issuers' patients, or None where no ID says so.

        The default issuer counts as none: so a patient is one, whether or not a scanner states who gave the ID.
        """
        issuer = "" if self.issuer == default_issuer else self.issuer
        return "|".join(filter(None, [issuer, self.patient_id])) if self.patient_id else None

    def to_dict(self) -> dict[str, str]:
        """Return plain texts for JSON."""
        return asdict(self)


def identify(header: Mapping[str, Any] | Any) -> Identity:
    """Return whose a data set is; a value that can't be read counts as none."""
    return Identity(**{name: _text(header, keyword) for name, keyword in _KEYWORDS.items()})


def _text(header: Any, keyword: str) -> str:
    try:
        value = header.get(keyword)
        return "" if value is None else str(value).strip()[:_MOST]
    except Exception:  # whatever a broken value makes of its reader
        return ""
