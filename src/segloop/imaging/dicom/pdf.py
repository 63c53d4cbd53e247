"""A report on a mask as Encapsulated PDF (PS3.3 A.45.1): what any PACS can show, whatever it knows of segmentations."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.uid import EncapsulatedPDFStorage

from segloop.imaging.dicom.instance import finish, new_instance, reference
from segloop.imaging.dicom.measures import measure
from segloop.imaging.dicom.page import make_page
from segloop.imaging.dicom.picture import AXIAL, CORONAL, NAMES, SAGITTAL, fullest, picture, scene
from segloop.imaging.dicom.result import Form, Origin
from segloop.imaging.dicom.segments import coded
from segloop.imaging.dicom.series import Series
from segloop.imaging.labels import Label

_BOX = (480, 480)


def make_pdf(
    series: Series,
    hu: NDArray[Any],
    mask: NDArray[np.integer[Any]],
    labels: Sequence[Label],
    origin: Origin,
) -> pydicom.Dataset:
    """Return a report on a mask (x, y, z) on a series' grid; also of one without any label, which then says so.

    `hu` is the CT on the same grid. The same input gives the same object, byte for byte.
    """
    source = series.headers[0]
    found = new_instance(series, origin, Form.PDF, sop_class=EncapsulatedPDFStorage, modality="DOC")
    finish(found, series, origin, Form.PDF)
    measures, missing = measure(hu, mask, labels, series.geometry)
    shown = scene(hu, mask, series.geometry, labels)
    pictures = [
        (NAMES[plane], picture(shown, plane, fullest(shown, plane), box=_BOX))
        for plane in (AXIAL, CORONAL, SAGITTAL)
    ]
    body = make_page(source, origin, measures, missing, pictures, series_line=_series_line(series))
    found.ConversionType, found.AcquisitionDateTime, found.BurnedInAnnotation = "WSD", "", "YES"
    found.DocumentTitle = "Segmentation report"
    found.ConceptNameCodeSequence = [coded(codes.DCM.ImagingMeasurementReport)]
    found.VerificationFlag = "UNVERIFIED"
    found.SourceInstanceSequence = [reference(header) for header in series.headers]
    found.MIMETypeOfEncapsulatedDocument = "application/pdf"
    found.EncapsulatedDocument = body + b"\0" * (len(body) % 2)
    found.EncapsulatedDocumentLength = len(body)
    return found


def _series_line(series: Series) -> str:
    source = series.headers[0]
    said = [str(source.get("SeriesNumber") or ""), str(source.get("SeriesDescription") or "")]
    size = f"{len(series.headers)} slices of {series.geometry.spacing_mm[2]:.3g} mm"
    return ", ".join(filter(None, [*said, size]))
