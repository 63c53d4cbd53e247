"""A CT as it is stored: a NIfTI as it came, or one made of a DICOM study, and what is known of it."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from segloop.imaging import hounsfield, nifti
from segloop.imaging.dicom.signature import is_zip
from segloop.imaging.geometry import Geometry

if TYPE_CHECKING:
    from segloop.imaging.dicom.series import Series

# Below: only the API has the libraries for DICOM, and a worker writes masks with the module that runs this one.

ORIGINAL, HEADERS = "original", "headers.zip"


def derive_volume(path: Path, folder: Path) -> dict[str, Any]:
    """Check an uploaded CT, write `original` into `folder`, and return its grid and HU range.

    A zip is taken for a DICOM study: its CT becomes a gzipped NIfTI in HU, and its headers a zip beside `folder`.

    Raises:
        InvalidInput: whatever `nifti.inspect` finds wrong, or `dicom.series` in a study.
    """
    if is_zip(path):
        return _derive_study(path, folder)
    found = nifti.inspect(path)
    nifti.load(path)  # what needs more memory than it may have would never be seen
    path.rename(folder / ORIGINAL)
    return _grid(found.geometry) | _range(found.hu_min, found.hu_max, is_hu_like=found.hu_like)


def derive_series(stream: BinaryIO, folder: Path) -> dict[str, Any]:
    """Do as `derive_volume` with a tar of a DICOM study, while it is still coming.

    Raises:
        InvalidInput: as `archive.unpack_stream` and `dicom.series`.
    """
    from segloop.imaging.dicom.archive import unpack_stream
    from segloop.imaging.dicom.incoming import Incoming

    unpacked = _unpacked(folder)
    incoming = Incoming()
    for file in unpack_stream(stream, unpacked):
        incoming.add(file)
    series, left_out, content, hu = incoming.write_volume(folder / ORIGINAL)
    return _of_series(series, left_out, content, folder, hu)


def _derive_study(path: Path, folder: Path) -> dict[str, Any]:
    from segloop.imaging.dicom import archive
    from segloop.imaging.dicom.convert import write_nifti
    from segloop.imaging.dicom.series import choose

    files = archive.unpack(path, _unpacked(folder))
    path.unlink()  # what is gone before it is written back never costs the disk anything
    series, left_out = choose(archive.series_in(files))
    content = write_nifti(folder / ORIGINAL, series)
    return _of_series(series, left_out, content, folder, None)


def _unpacked(folder: Path) -> Path:
    unpacked = folder.parent / "dicom"
    unpacked.mkdir()
    return unpacked


def _of_series(
    series: "Series",
    left_out: Iterable[str],
    content: str,
    folder: Path,
    hu: hounsfield.Distribution | None,
) -> dict[str, Any]:
    """Pack the headers of a series that was written; return whose it is, and what a person should know of it."""
    from segloop.imaging.dicom.archive import pack_headers
    from segloop.imaging.dicom.identity import identify

    pack_headers(series.headers, folder.parent / HEADERS)
    shutil.rmtree(folder.parent / "dicom")
    header = series.headers[0]
    instances = sorted(str(one.SOPInstanceUID) for one in series.headers)
    if hu is None:
        found = nifti.inspect(folder / ORIGINAL)
        measured = _range(found.hu_min, found.hu_max, is_hu_like=found.hu_like)
    else:
        low, high = hu.extremes()
        measured = _range(low, high, is_hu_like=not hounsfield.why_not_hu(*hu.in_hu()))
    return {
        **_grid(nifti.read_header(folder / ORIGINAL).geometry),
        **measured,
        "content": content,
        "identity": identify(header).to_dict(),
        "series": "/".join([header.StudyInstanceUID, header.SeriesInstanceUID, *instances]),
        "notes": [*series.warnings, *left_out],
    }


def _grid(geometry: Geometry) -> dict[str, Any]:
    return {
        "shape": list(geometry.shape),
        "affine": [float(value) for value in geometry.affine.ravel()],
        "spacing_mm": list(geometry.spacing_mm),
    }


def _range(low: float, high: float, *, is_hu_like: bool) -> dict[str, Any]:
    return {"hu_min": low, "hu_max": high, "hu_like": is_hu_like}
