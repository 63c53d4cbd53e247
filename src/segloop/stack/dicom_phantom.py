"""A phantom as a scanner would write it: one DICOM file a slice, for benchmarks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, generate_uid

from segloop.imaging import phantom

SYNTAXES = {"uncompressed": ExplicitVRLittleEndian, "JPEG 2000": JPEG2000Lossless}
FIELD_MM, LENGTH_MM = 420.0, 360.0


def slices(shape: tuple[int, int, int]) -> list[Dataset]:
    """Return the slices of a head and neck of `shape` (x, y, z), LPS, uncompressed, without UIDs of their own yet."""
    spacing = (FIELD_MM / shape[0], FIELD_MM / shape[1], LENGTH_MM / shape[2])
    voxels, _, _ = phantom.head_and_neck(shape=shape, spacing_mm=spacing, orientation="LPS", seed=1)
    return [_slice(voxels[:, :, z].T, z, spacing) for z in range(shape[2])]


def _slice(
    pixels: np.ndarray[tuple[int, int], np.dtype[np.int16]], z: int, spacing: Sequence[float]
) -> Dataset:
    found = Dataset()
    found.SOPClassUID, found.Modality, found.ImageType = (
        CTImageStorage,
        "CT",
        ["ORIGINAL", "PRIMARY", "AXIAL"],
    )
    found.PatientName, found.PatientID, found.PatientBirthDate, found.PatientSex = (
        "Phantom",
        "PHANTOM",
        "",
        "",
    )
    found.StudyDate, found.StudyTime, found.StudyID, found.AccessionNumber = "", "", "1", ""
    found.ReferringPhysicianName, found.Manufacturer, found.SeriesNumber = "", "Segloop", 1
    found.InstanceNumber, found.AcquisitionNumber, found.PositionReferenceIndicator = z + 1, 1, ""
    found.ImagePositionPatient = [-FIELD_MM / 2, -FIELD_MM / 2, round(z * spacing[2], 6)]
    found.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    found.PixelSpacing, found.SliceThickness = [spacing[1], spacing[0]], spacing[2]
    found.Rows, found.Columns = pixels.shape
    found.SamplesPerPixel, found.PhotometricInterpretation, found.KVP = 1, "MONOCHROME2", "120"
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = 16, 12, 11, 0
    found.RescaleSlope, found.RescaleIntercept, found.RescaleType = "1", "-1024", "HU"
    found.PixelData = (pixels.astype(np.int32) + 1024).astype(np.uint16).tobytes()
    found.file_meta = FileMetaDataset()
    found.file_meta.MediaStorageSOPClassUID = CTImageStorage
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return found


def write_series(folder: Path, found: Sequence[Dataset]) -> list[Path]:
    """Write slices as a series that never was, with fresh UIDs; return the files."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    files = []
    for z, header in enumerate(found):
        header.StudyInstanceUID, header.SeriesInstanceUID, header.FrameOfReferenceUID = study, series, frame
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        file = folder / f"{z:04d}.dcm"
        header.save_as(file, enforce_file_format=True)
        files.append(file)
    return files
