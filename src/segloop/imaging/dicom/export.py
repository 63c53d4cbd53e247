"""A CT, as it is kept here, as de-identified DICOM files: new instances of the stored voxels and the allowed attributes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging import nifti
from segloop.imaging.dicom import archive
from segloop.imaging.dicom.deidentify import deidentify, mark
from segloop.imaging.dicom.mend import mended
from segloop.imaging.dicom.result import Origin
from segloop.imaging.dicom.seg import make_seg
from segloop.imaging.dicom.series import Series, require_volume
from segloop.imaging.labels import LabelSet

NO_DATE = datetime(1900, 1, 1, tzinfo=UTC)
"""What a Segmentation says of when it was made, for it must say something: within days of the mask was the CT."""


def files(
    volume: Path,
    headers: Path,
    *,
    pseudonym: str,
    uid_key: bytes,
    mask: Path | None,
    labels: list[dict[str, Any]],
    origin: Mapping[str, Any],
) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file: the slices in their order, then the mask as Segmentation of them.

    `volume` is the NIfTI in HU that was made of the series whose packed `headers` these are. `origin` holds the fields of `Origin`.

    Raises:
        InvalidInput: `burned_in_annotation`; `mask_empty`; `export_mismatch` where voxels and headers are not of one series.
    """
    series = require_volume(archive.unpack_headers(headers))
    array, _ = nifti.load(volume)
    if array.shape != series.geometry.shape:
        raise InvalidInput(
            "export_mismatch", "The CT's voxels are not those of its headers; upload the series again."
        )
    bare = replace(series, headers=deidentify(series.headers, pseudonym=pseudonym, uid_key=uid_key))
    for z, header in enumerate(bare.headers):
        yield f"ct/{z + 1:05d}.dcm", _written(_with_pixels(header, array[:, :, z].T))
    if mask is not None:
        yield "mask/seg.dcm", _written(_segmentation(bare, mask, labels, origin))


def _with_pixels(header: archive.Header, hu: NDArray[Any]) -> pydicom.Dataset:
    """Return a slice with HU (rows, columns) as its stored values: exactly those that its rescale made the HU of."""
    found = pydicom.Dataset()
    found.update(header)
    found.file_meta = header.file_meta
    stored = np.rint((hu.astype(np.float64) - float(header.RescaleIntercept)) / float(header.RescaleSlope))
    signed = int(header.PixelRepresentation) == 1
    low, high = _range(int(header.BitsStored), signed)
    if stored.min() < low or stored.max() > high:  # values beyond what the header says, which are kept, too
        del found.BitsStored, found.HighBit  # of the header's own elements, which stay as they are
        found.BitsStored, found.HighBit = header.BitsAllocated, int(header.BitsAllocated) - 1
    low, high = _range(int(header.BitsAllocated), signed)
    if stored.min() < low or stored.max() > high:
        raise InvalidInput(
            "export_mismatch", "The CT's voxels don't fit its headers; upload the series again."
        )
    n_bytes = int(header.BitsAllocated) // 8
    found.PixelData = stored.astype(f"<{'i' if signed else 'u'}{n_bytes}").tobytes()
    found["PixelData"].VR = "OB" if n_bytes == 1 else "OW"
    return found


def _range(bits: int, signed: bool) -> tuple[int, int]:
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def _segmentation(
    series: Series, mask: Path, labels: list[dict[str, Any]], origin: Mapping[str, Any]
) -> pydicom.Dataset:
    """Return the mask as Segmentation, by nobody's name and of no date."""
    array, _ = nifti.load_mask(mask)
    said = Origin.from_dict(origin)
    reviewer = replace(said.review, by="reviewer" if said.review.by else "", at="")
    bare = replace(
        said, made_by="annotator" if said.made_by else "", made_at=NO_DATE, review=reviewer, earlier=()
    )
    found = make_seg(
        mended(series),
        array,
        LabelSet.from_dicts(labels).labels,
        bare,
    )
    mark(found)
    return found


def _written(found: pydicom.Dataset) -> bytes:
    file = BytesIO()
    found.save_as(file, enforce_file_format=True)
    return file.getvalue()
