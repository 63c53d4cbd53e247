"""Is an imported object about this very CT? Asked of the CT's own headers, before a voxel is placed."""

from collections.abc import Iterable

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
    studies, frames, series = _about(found)
    if str(ct.StudyInstanceUID) not in studies:
        raise _other("study", "belongs to another study than this CT. Add it to the CT that it was made on")
    if frames != {str(ct.FrameOfReferenceUID)}:
        raise InvalidInput(
            "mask_frame_of_reference",
            "This file's coordinates are not those of this CT (another frame of reference). Add it to the CT that it was made "
            "on, or resample it onto this one.",
        )
    if series and str(ct.SeriesInstanceUID) not in series:
        raise _other("series", "was made on another series of this study. Add it to that CT")
    return [] if series else ["the file names no series; it was placed by its coordinates"]


def _about(found: Dataset) -> tuple[set[str], set[str], set[str]]:
    """Return the studies, frames of reference and series that an object says it is about."""
    own = {str(found.get("StudyInstanceUID") or "")}
    if found.SOPClassUID != RTSTRUCT:
        listed = found.get("ReferencedSeriesSequence") or []
        return own, _uids([found], "FrameOfReferenceUID"), _uids(listed, "SeriesInstanceUID")
    # Some planning systems put their contours into a study of their own, and name the CT's beside.
    frames = found.get("ReferencedFrameOfReferenceSequence") or []
    studies = [study for frame in frames for study in frame.get("RTReferencedStudySequence") or []]
    series = [one for study in studies for one in study.get("RTReferencedSeriesSequence") or []]
    stated = _uids(found.get("StructureSetROISequence") or [], "ReferencedFrameOfReferenceUID")
    return (
        own | _uids(studies, "ReferencedSOPInstanceUID"),
        stated or _uids(frames, "FrameOfReferenceUID"),
        _uids(series, "SeriesInstanceUID"),
    )


def _uids(items: Iterable[Dataset], keyword: str) -> set[str]:
    return {str(item.get(keyword)) for item in items if item.get(keyword)}


def _other(what: str, why: str) -> InvalidInput:
    return InvalidInput(f"mask_other_{what}", f"This file {why}.")
