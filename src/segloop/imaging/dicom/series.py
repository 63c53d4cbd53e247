"""Is a DICOM series one CT volume? Judged by its headers alone, before a pixel is read; nothing is squashed into a wrong grid.

The reasons for refusal are those that make other converters answer with wrong geometry: missing slices, a spacing that
changes, a tilted gantry, a localizer among the slices, two phases in one series (DICOM PS3.3 C.7.6.2 and C.8.2.1).
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import UID

from segloop.errors import InvalidInput
from segloop.imaging.dicom.archive import Header
from segloop.imaging.geometry import Geometry
from segloop.imaging.nifti_header import MAX_VOXELS

CT = "1.2.840.10008.5.1.4.1.1.2"
MULTI_FRAME = {"1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"}
SYNTAXES = {
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.5",
    *(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202)),
}
"""Uncompressed, deflated, RLE, and JPEG, JPEG-LS, JPEG 2000 and HTJ2K; lossy ones are taken with a warning."""
FEWEST, MOST_SIDE = 3, 32767
"""Slices at least; rows, columns and slices at most: more a NIfTI header can't count."""
_GREY = {"MONOCHROME1", "MONOCHROME2"}
_UIDS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
_UID = re.compile(r"[0-9.]{1,64}")
GAP, TILT_DEG, SAME_MM, ASIDE_MM, ANGLE = 0.01, 0.1, 1e-3, 0.1, 1e-4
"""How far slices may stray: share of the spacing, degrees, mm along and mm beside, and components of the direction cosines."""


@dataclass(frozen=True)
class Series:
    """The slices of one volume in the order of the third axis, its grid and what a person should know.

    The first axis runs along the image's rows (column index), the second along its columns (row index), the third along the
    slices' normal. `warnings` have stable codes.
    """

    headers: list[Header]
    geometry: Geometry
    warnings: list[str] = field(default_factory=list)


def require_volume(headers: Sequence[Header]) -> Series:
    """Return the volume that a series is.

    Raises:
        InvalidInput: `dicom_...`, with what is wrong and what to do.
    """
    warnings: list[str] = []
    slices = _of_ct(headers, warnings)
    _require_alike(slices, warnings)
    axes = _axes(slices)
    positions = np.array([_numbers(header, "ImagePositionPatient", 3) for header in slices])
    along = positions @ axes[2]
    order = np.argsort(along, kind="stable")
    slices, positions, along = [slices[i] for i in order], positions[order], along[order]
    if len(slices) < FEWEST:
        raise _refusal("too_few_slices", f"it has {len(slices)} slices. Send the whole series")
    spacing = _require_even(slices, along)
    _require_straight(positions, along, axes[2])
    rows, columns = _numbers(slices[0], "PixelSpacing", 2)
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([axes[0] * columns, axes[1] * rows, axes[2] * spacing])
    affine[:3, 3] = positions[0]
    affine[:2] *= -1  # DICOM's world is LPS+, ours RAS+
    if abs(axes[2][2]) < 0.9:
        warnings.append("not_axial")
    if abs(_thickness(slices[0], spacing) - spacing) > 0.05 * spacing:
        warnings.append("thickness_differs")
    shape = (int(slices[0].Columns), int(slices[0].Rows), len(slices))
    return Series(slices, Geometry(shape, affine), warnings)


def choose(found: Sequence[Sequence[Header]]) -> tuple[Series, list[str]]:
    """Return the series of a study to segment, and in words why others were left: original axial CT, thin, and long.

    Raises:
        InvalidInput: that of the only series, or `dicom_no_ct` with every series' reason.
    """
    usable: list[Series] = []
    errors: list[InvalidInput] = []
    for headers in found:
        try:
            usable.append(require_volume(headers))
        except InvalidInput as error:
            errors.append(error)
        except Exception:  # values of other kinds than DICOM allows; another series may be sound
            errors.append(_refusal("no_geometry", "a header holds values that are none. Export it again"))
    reasons = [error.message for error in errors]
    if not usable:
        if len(errors) == 1:
            raise errors[0]
        raise InvalidInput(
            "dicom_no_ct",
            "No series here can be read as one CT volume. " + " ".join(reasons[:5])
            if reasons
            else "There is no DICOM file here.",
            codes=[error.code for error in errors],
        )
    best = max(usable, key=_rank)
    reasons += [f"A series of {len(one.headers)} slices was left out." for one in usable if one is not best]
    return best, reasons


def _rank(series: Series) -> tuple[bool, bool, int]:
    return ("not_axial" not in series.warnings, "derived" not in series.warnings, len(series.headers))


def _kinds(header: Header) -> list[str]:
    """Return the values of Image Type, of which there may be one or several."""
    value = header.get("ImageType") or []
    return [str(kind).upper() for kind in ([value] if isinstance(value, str) else value)]


def _of_ct(headers: Sequence[Header], warnings: list[str]) -> list[Header]:
    """Return the CT slices: whole identities, one series, no localizer."""
    for keyword in _UIDS:
        n = sum(not header.get(keyword) for header in headers)
        if n:
            raise _refusal(
                "missing_uid",
                f"{n} of its files have no {keyword}. It was anonymised too far: export it again",
            )
    if any(header.SOPClassUID in MULTI_FRAME for header in headers):
        raise _refusal("multi_frame", "it is an enhanced (multi-frame) CT. Export it as single slices")
    others = Counter(UID(header.SOPClassUID).name for header in headers if header.SOPClassUID != CT)
    if others:
        raise _refusal("not_ct", f"it holds {', '.join(sorted(others))}. Send a CT series")
    if not all(_UID.fullmatch(str(header.get(keyword))) for header in headers for keyword in _UIDS):
        raise _refusal("invalid_uid", "a UID holds more than digits and dots, or too many. Export it again")
    if len({str(header.get("PatientID") or "") for header in headers}) > 1:
        raise _refusal(
            "mixed_patients", "its files name several patients. Export each patient's series alone"
        )
    if len({header.SOPInstanceUID for header in headers}) < len(headers):
        raise _refusal("duplicate_instance", "an instance is there twice. Export the series again")
    slices = [header for header in headers if "LOCALIZER" not in _kinds(header)]
    if not slices:
        raise _refusal("localizer", "it is a localizer. Send the CT series itself")
    if len(slices) < len(headers):
        warnings.append("localizer_dropped")
    return slices


def _require_alike(slices: Sequence[Header], warnings: list[str]) -> None:
    """Check that all slices have one matrix, pixel spacing, direction and frame of reference, in a form that is read."""
    syntaxes = {str(header.file_meta.get("TransferSyntaxUID", "")) for header in slices} - SYNTAXES
    if syntaxes:
        names = ", ".join(
            sorted(UID(syntax).name or "a form that its header doesn't name" for syntax in syntaxes)
        )
        raise _refusal(
            "transfer_syntax", f"it is stored as {names}, which is not read. Export it uncompressed"
        )
    for keyword in (
        "RescaleSlope",
        "RescaleIntercept",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
    ):
        if any(header.get(keyword) in (None, "") for header in slices):
            raise _refusal(
                "no_rescale" if keyword.startswith("Rescale") else "no_geometry",
                f"{keyword} is missing. Export it from the scanner or PACS again",
            )
    if len({(header.Rows, header.Columns) for header in slices}) > 1:
        raise _refusal("mixed_matrix", "its slices differ in size. Send one reconstruction")
    sides = (int(slices[0].Columns), int(slices[0].Rows), len(slices))
    if min(sides) < 1:
        raise _refusal("no_geometry", "its slices have no pixels. Export it from the scanner or PACS again")
    if max(sides) > MOST_SIDE or sides[0] * sides[1] * sides[2] > MAX_VOXELS:
        raise _refusal("too_large", "it has more voxels than any CT. Export it again")
    kinds = {
        (header.get("SamplesPerPixel"), header.get("PhotometricInterpretation", "MONOCHROME2"))
        for header in slices
    }
    if any(samples not in (None, 1) or meaning not in _GREY for samples, meaning in kinds):
        raise _refusal("not_grey", "its pixels are colours, which have no HU. Send the CT itself")
    spacings = np.array([_numbers(header, "PixelSpacing", 2) for header in slices])
    if np.abs(spacings - spacings[0]).max() > 1e-5 * spacings[0].max():
        raise _refusal("mixed_pixel_spacing", "its slices differ in pixel spacing. Send one reconstruction")
    directions = np.array([_numbers(header, "ImageOrientationPatient", 6) for header in slices])
    if np.abs(directions - directions[0]).max() > ANGLE:
        raise _refusal(
            "mixed_orientation", "its slices look in different directions. Send one reconstruction"
        )
    frames = {str(header.get("FrameOfReferenceUID") or "") for header in slices}
    if len(frames) > 1 or "" in frames:
        raise _refusal(
            "frame_of_reference", "its slices do not share one frame of reference. Export the series again"
        )
    rescales = {(float(header.RescaleSlope), float(header.RescaleIntercept)) for header in slices}
    derived = any(_kinds(header)[:1] == ["DERIVED"] for header in slices)
    lossy = any(header.get("LossyImageCompression") == "01" for header in slices)
    for code, is_so in (("rescale_varies", len(rescales) > 1), ("derived", derived), ("lossy", lossy)):
        if is_so:
            warnings.append(code)


def _axes(slices: Sequence[Header]) -> NDArray[np.float64]:
    """Return three unit vectors (rows of the result) in DICOM's world: along a row, along a column, along the normal."""
    cosines = _numbers(slices[0], "ImageOrientationPatient", 6)
    along_row, along_column = cosines[:3], cosines[3:]
    lengths = np.linalg.norm(along_row), np.linalg.norm(along_column)
    if np.abs(np.array(lengths) - 1).max() > 1e-3 or abs(along_row @ along_column) > 1e-3:
        raise _refusal(
            "no_geometry",
            "ImageOrientationPatient is no pair of unit vectors at right angles. Export it again",
        )
    along_row, along_column = along_row / lengths[0], along_column / lengths[1]
    normal = np.cross(along_row, along_column)
    return np.array([along_row, along_column, normal / np.linalg.norm(normal)])


def _require_even(slices: Sequence[Header], along: NDArray[np.float64]) -> float:
    """Return the distance of the slices in mm, which must be the same everywhere."""
    gaps = np.diff(along)
    if gaps.min() < SAME_MM:
        split = [
            keyword
            for keyword in ("AcquisitionNumber", "TemporalPositionIdentifier", "ContentTime")
            if len({str(header.get(keyword)) for header in slices}) > 1
        ]
        hint = f" They differ in {', '.join(split)}." if split else ""
        raise _refusal(
            "duplicate_positions",
            f"{int((gaps < SAME_MM).sum())} slices lie where another lies, as in a series of several phases.{hint} Send one phase",
        )
    typical = float(np.median(gaps))
    steps = gaps / typical
    if np.abs(gaps - typical).max() <= GAP * typical + 1e-6:
        return float((along[-1] - along[0]) / (len(along) - 1))
    if np.abs(steps - np.rint(steps)).max() < 0.02 and steps.min() > 0.98:
        missing, hole = int((np.rint(steps) - 1).sum()), int(np.argmax(np.rint(steps) > 1))
        between = " and ".join(str(one.get("InstanceNumber", "?")) for one in slices[hole : hole + 2])
        what = "1 slice is missing" if missing == 1 else f"{missing} slices are missing"
        raise _refusal("missing_slices", f"{what}, the first between images {between}. Send the whole series")
    raise _refusal(
        "variable_spacing",
        f"its slices are {gaps.min():.3g} to {gaps.max():.3g} mm apart. Send a reconstruction with even slices",
    )


def _require_straight(
    positions: NDArray[np.float64], along: NDArray[np.float64], normal: NDArray[np.float64]
) -> None:
    run = positions[-1] - positions[0]
    angle = float(np.degrees(np.arccos(np.clip(run @ normal / np.linalg.norm(run), -1, 1))))
    if angle > TILT_DEG:
        raise _refusal(
            "gantry_tilt",
            f"its slices are sheared by {angle:.1f} degrees (a tilted gantry). Send a reconstruction at right angles",
        )
    shares = (along - along[0]) / (along[-1] - along[0])
    aside = positions - positions[0] - shares[:, None] * run
    if np.linalg.norm(aside, axis=1).max() > ASIDE_MM:
        raise _refusal("displaced_slices", "some slices lie beside the others. Send one reconstruction")


def _thickness(header: Header, otherwise: float) -> float:
    try:
        return float(header.SliceThickness)
    except (AttributeError, TypeError, ValueError):  # it says nothing, or "1,25"
        return otherwise


def _numbers(header: Header, keyword: str, n: int) -> NDArray[np.float64]:
    try:
        values = np.array([float(value) for value in header[keyword].value], np.float64)
    except (TypeError, ValueError, KeyError):
        values = np.empty(0)
    if len(values) != n or not np.isfinite(values).all() or (keyword == "PixelSpacing" and values.min() <= 0):
        raise _refusal("no_geometry", f"{keyword} can't be read. Export it from the scanner or PACS again")
    return values


def _refusal(code: str, what: str, **details: Any) -> InvalidInput:
    return InvalidInput(f"dicom_{code}", f"This series can't be read as one CT volume: {what}.", **details)
