"""A stored mask and the packed headers of its CT as one of the forms that a PACS takes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydicom

from segloop.imaging import nifti
from segloop.imaging.dicom import archive
from segloop.imaging.dicom.capture import make_capture
from segloop.imaging.dicom.mend import mended, restore
from segloop.imaging.dicom.pdf import make_pdf
from segloop.imaging.dicom.result import Form, Origin
from segloop.imaging.dicom.rtstruct import make_rtstruct
from segloop.imaging.dicom.seg import make_seg
from segloop.imaging.dicom.series import require_volume
from segloop.imaging.dicom.sr import make_sr
from segloop.imaging.labels import LabelSet


def write_result(
    target: Path,
    *,
    form: Form,
    mask: Path,
    headers: Path,
    labels: list[dict[str, Any]],
    origin: Mapping[str, Any],
    deflated: bool,
    ct: Path,
) -> None:
    """Write a mask's file as a DICOM object. `origin` holds the fields of `Origin`, its time as text.

    `ct` is the volume's NIfTI, read for the forms that need it alone.

    Raises:
        InvalidInput: `mask_grid`, `mask_empty`.
    """
    array, _ = nifti.load_mask(mask)
    source = require_volume(archive.unpack_headers(headers))
    series = mended(source)
    known = LabelSet.from_dicts(labels).labels
    made = Origin.from_dict(origin)
    found: pydicom.Dataset
    if form in (Form.SEG, Form.LABELMAP):
        found = make_seg(series, array, known, made, form=form, deflated=deflated)
    elif form is Form.RTSTRUCT:
        found = make_rtstruct(series, array, known, made)
    else:
        hu, _ = nifti.load(ct)
        make = {Form.PDF: make_pdf, Form.SR: make_sr, Form.CAPTURE: make_capture}[form]
        found = make(series, hu, array, known, made)
    restore(found, source.headers[0])
    found.save_as(target)
