"""Is an imported object about this very CT? Asked of the CT's own headers, before a voxel is placed."""

from collections.abc import Iterator

from pydicom import Dataset

from segloop.errors import InvalidInput
from segloop.imaging.dicom.archive import Header
from segloop.imaging.dicom.structure import RTSTRUCT


def require_same(found: Dataset, ct: Header) -> list[str]:
    """Check patient, study, frame of reference and series; return what a person should know.

    Raises:
        InvalidInput: `mask_other_patient`, `mask_other_study`, `mask_frame_of_reference`, `mask_other_series`.
    """
    theirs, ours = (str(one.get("PatientID") or "").strip() for one in (found, ct))
    if theirs and ours and theirs != ours:
        raise _other("patient", "is of another patient than this CT. Choose the CT of that patient")
    if str(found.get("StudyInstanceUID") or "") != str(ct.StudyInstanceUID):
        raise _other("study", "belongs to another study than this CT. Add it to the CT that it was made on")
    frames, series = (set(part) for part in _references(found))
    if frames != {str(ct.FrameOfReferenceUID)}:
        raise InvalidInput(
            "mask_frame_of_reference",
            "This file's coordinates are not those of this CT (another frame of reference). Add it to the CT that it was made "
            "on, or resample it onto this one.",
        )
    if series and str(ct.SeriesInstanceUID) not in series:
        raise _other("series", "was made on another series of this study. Add it to that CT")
    return [] if series else ["the file names no series; it was placed by its coordinates"]


def _references(found: Dataset) -> tuple[Iterator[str], Iterator[str]]:
    """Return the frames of reference and the series that an object says it is about."""
    if found.SOPClassUID != RTSTRUCT:
        own = found.get("FrameOfReferenceUID")
        listed = found.get("ReferencedSeriesSequence") or []
        return iter([str(own)] if own else []), (str(item.SeriesInstanceUID) for item in listed)
    frames = found.get("ReferencedFrameOfReferenceSequence") or []
    named = [str(item.ReferencedFrameOfReferenceUID) for item in found.get("StructureSetROISequence") or []]
    studies = (study for frame in frames for study in frame.get("RTReferencedStudySequence") or [])
    series = (
        str(item.SeriesInstanceUID)
        for study in studies
        for item in study.get("RTReferencedSeriesSequence") or []
    )
    return iter(named), series


def _other(what: str, why: str) -> InvalidInput:
    return InvalidInput(f"mask_other_{what}", f"This file {why}.")
