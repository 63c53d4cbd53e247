"""Headers that state what DICOM does not allow, such as a birth date of four digits: results are made of them all the same."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pydicom
from highdicom.enum import PatientSexValues
from pydicom.valuerep import DA, TM

from segloop.imaging.dicom.archive import Header
from segloop.imaging.dicom.series import Series

_CHECKS: dict[str, Callable[[Any], Any]] = {
    "PatientSex": PatientSexValues,
    "PatientBirthDate": DA,
    "StudyDate": DA,
    "StudyTime": TM,
}
"""What highdicom makes of values that it copies; it raises where it can't."""


def mended(series: Series) -> Series:
    """Return a series with values left empty that can't be read, and with a slice thickness, if only the slices' distance."""
    return replace(
        series, headers=[_mended(header, series.geometry.spacing_mm[2]) for header in series.headers]
    )


def restore(found: pydicom.Dataset, source: Header) -> None:
    """Let a result state of its patient and study what the source states, as the PACS knows them."""
    for keyword, check in _CHECKS.items():
        if keyword in source and not _passes(source, keyword, check):
            found[keyword] = source[keyword]


def _mended(header: Header, spacing: float) -> Header:
    broken = [keyword for keyword, check in _CHECKS.items() if not _passes(header, keyword, check)]
    has_thickness = _passes(header, "SliceThickness", float) and header.get("SliceThickness") not in (
        None,
        "",
    )
    if not broken and has_thickness:
        return header
    found = pydicom.Dataset()
    found.update(header)
    found.file_meta = header.file_meta
    values: dict[str, Any] = dict.fromkeys(broken, "")
    if not has_thickness:
        values["SliceThickness"] = round(spacing, 6)
    for keyword, value in values.items():
        found.pop(keyword, None)  # both share their elements: a value that is set would be set in both
        setattr(found, keyword, value)
    return found


def _passes(header: Header, keyword: str, check: Callable[[Any], Any]) -> bool:
    try:
        value = header.get(keyword)
        if value not in (None, ""):
            check(value)
    except (ValueError, TypeError):
        return False
    return True
