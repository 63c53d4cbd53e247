"""RT Structure Sets as a planning system would write them, drawn by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage

from segloop.imaging.dicom.series import Series

Pixels = Sequence[tuple[float, float]]


def item(**values: Any) -> Dataset:
    found = Dataset()
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


def contour(series: Series, z: float, points: Pixels) -> Dataset:
    """Return a closed contour through (column, row) of slice z, by DICOM's own formula (PS3.3 C.7.6.2.1.1)."""
    first, last = (
        np.array(series.headers[at].ImagePositionPatient, float) for at in (0, len(series.headers) - 1)
    )
    cosines = np.array(series.headers[0].ImageOrientationPatient, float).reshape(2, 3)
    origin = first + (last - first) * z / (len(series.headers) - 1)
    mm = origin + np.array(points, float) @ (cosines * [[0.7], [0.8]])
    text = [f"{value:.3f}" for value in mm.ravel()]
    return item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=len(points), ContourData=text)


def box(x: float, y: float, right: float, bottom: float) -> Pixels:
    """Return the outline of voxels [x, right) and [y, bottom), along their faces."""
    return [(a - 0.5, b - 0.5) for a, b in ((x, y), (right, y), (right, bottom), (x, bottom))]


def rtstruct(series: Series, structures: dict[str, list[Dataset]]) -> Dataset:
    header = series.headers[0]
    found = item(SOPClassUID=RTStructureSetStorage, SOPInstanceUID="1.2.3.4", Modality="RTSTRUCT")
    found.PatientID, found.PatientName = header.PatientID, header.PatientName
    found.StudyInstanceUID, found.SeriesInstanceUID = header.StudyInstanceUID, "1.2.3"
    about = item(SeriesInstanceUID=header.SeriesInstanceUID)
    study = item(ReferencedSOPInstanceUID=header.StudyInstanceUID, RTReferencedSeriesSequence=[about])
    frame = header.FrameOfReferenceUID
    found.ReferencedFrameOfReferenceSequence = [
        item(FrameOfReferenceUID=frame, RTReferencedStudySequence=[study])
    ]
    found.StructureSetROISequence = [
        item(ROINumber=n, ROIName=name, ReferencedFrameOfReferenceUID=frame)
        for n, name in enumerate(structures, 7)
    ]
    found.ROIContourSequence = [
        item(ReferencedROINumber=n, ContourSequence=contours)
        for n, contours in reversed(list(enumerate(structures.values(), 7)))
    ]
    found.file_meta = FileMetaDataset()
    found.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return found
