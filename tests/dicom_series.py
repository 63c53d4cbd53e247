"""CT series as a scanner would write them, and the ways in which they come broken."""

import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
DIRECTIONS = {
    "axial": AXIAL,
    "rows and columns reversed": (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
    "columns reversed": (1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
    "coronal": (1.0, 0.0, 0.0, 0.0, 0.0, -1.0),
    "sagittal": (0.0, 1.0, 0.0, 0.0, 0.0, -1.0),
    "oblique": (0.98006658, 0.19866933, 0.0, -0.18979606, 0.93629336, 0.29552021),
}


def voxels(shape: tuple[int, int, int] = (14, 12, 8), *, seed: int = 1) -> NDArray[np.int16]:
    """HU (x, y, z) in which no flip or exchange of axes goes unseen."""
    x, y, z = np.indices(shape)
    noise = np.random.default_rng(seed).integers(-20, 20, shape)
    return (-900 + 70 * x + 30 * y + 110 * z + noise).astype(np.int16)


def slices(
    volume: NDArray[np.int16],
    *,
    direction: Sequence[float] = AXIAL,
    pixel_spacing: tuple[float, float] = (0.8, 0.7),
    spacing: float = 2.5,
    patient: str = "Doe^Jane",
    seed: str = "a",
) -> list[Dataset]:
    """Return the slices of a volume (x, y, z): x along the rows, y along the columns, z along their normal.

    `pixel_spacing` is DICOM's: between rows, then between columns.
    """
    normal = np.cross(direction[:3], direction[3:])
    study, series, frame = (generate_uid(entropy_srcs=[seed, kind]) for kind in ("study", "series", "frame"))
    found = []
    for z in range(volume.shape[2]):
        header = Dataset()
        header.SOPClassUID = CTImageStorage
        header.SOPInstanceUID = generate_uid(entropy_srcs=[seed, str(z)])
        header.StudyInstanceUID, header.SeriesInstanceUID, header.FrameOfReferenceUID = study, series, frame
        header.PatientName, header.PatientID, header.IssuerOfPatientID = patient, "PID-4711-Q", "Hospital"
        header.PatientBirthDate, header.PatientSex = "19600102", "F"
        header.StudyDate, header.StudyTime, header.AccessionNumber = "20261101", "101112", "ACC-9"
        header.StudyID, header.SeriesNumber, header.InstanceNumber = "1", 3, volume.shape[2] - z
        header.ReferringPhysicianName, header.Manufacturer = "", "Scanner"
        header.Modality, header.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
        header.ImagePositionPatient = [
            float(v) for v in np.array([-90.5, 41.25, -300.0]) + normal * spacing * z
        ]
        header.ImageOrientationPatient = list(direction)
        header.PixelSpacing, header.SliceThickness = list(pixel_spacing), spacing
        header.Rows, header.Columns = volume.shape[1], volume.shape[0]
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
        header.RescaleSlope, header.RescaleIntercept, header.RescaleType = "1", "-1024", "HU"
        header.KVP, header.AcquisitionNumber, header.PositionReferenceIndicator = "120", 1, ""
        header.PixelData = (volume[:, :, z].T.astype(np.int32) + 1024).astype(np.uint16).tobytes()
        header.file_meta = FileMetaDataset()
        header.file_meta.MediaStorageSOPClassUID = CTImageStorage
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        found.append(header)
    return found


def write(folder: Path, datasets: Iterable[Dataset]) -> list[Path]:
    """Write datasets as files, in an order that says nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for index, dataset in enumerate(datasets):
        file = folder / f"{(index * 7919) % 10007:05d}.dcm"
        dataset.save_as(file, enforce_file_format=True)
        files.append(file)
    return sorted(files)


def zipped(path: Path, files: Iterable[Path], extra: dict[str, bytes] | None = None) -> Path:
    """Write files into a zip, beside others of any name and content."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, f"study/{file.parent.name}/{file.name}")
        for name, body in (extra or {}).items():
            archive.writestr(name, body)
    return path


def _without_one(found: list[Dataset]) -> list[Dataset]:
    return [*found[:4], *found[5:]]


def _wider_at_the_end(found: list[Dataset]) -> list[Dataset]:
    for z, header in enumerate(found):
        header.ImagePositionPatient[2] += 1.1 * max(0, z - 4)
    return found


def _tilted(found: list[Dataset]) -> list[Dataset]:
    for header in found:
        header.ImageOrientationPatient = [1, 0, 0, 0, 0.965926, -0.258819]
    return found


def _twice(found: list[Dataset]) -> list[Dataset]:
    again = slices(voxels(seed=2))
    for z, header in enumerate(again):
        header.AcquisitionNumber = 2
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid(
            entropy_srcs=["again", str(z)]
        )
    return [*found, *again]


def _set(**values: Any) -> Callable[[list[Dataset]], list[Dataset]]:
    def change(found: list[Dataset]) -> list[Dataset]:
        for keyword, value in values.items():
            setattr(found[3], keyword, value)
        return found

    return change


def _without(keyword: str) -> Callable[[list[Dataset]], list[Dataset]]:
    def change(found: list[Dataset]) -> list[Dataset]:
        for header in found:
            delattr(header, keyword)
        return found

    return change


def _all_localizers(found: list[Dataset]) -> list[Dataset]:
    for header in found:
        header.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    return found


def _beside(found: list[Dataset]) -> list[Dataset]:
    found[3].ImagePositionPatient[0] += 5
    return found


BROKEN: dict[str, Callable[[list[Dataset]], list[Dataset]]] = {
    "dicom_missing_slices": _without_one,
    "dicom_variable_spacing": _wider_at_the_end,
    "dicom_gantry_tilt": _tilted,
    "dicom_duplicate_positions": _twice,
    "dicom_displaced_slices": _beside,
    "dicom_localizer": _all_localizers,
    "dicom_missing_uid": _set(SeriesInstanceUID=""),
    "dicom_not_ct": _set(SOPClassUID="1.2.840.10008.5.1.4.1.1.4"),
    "dicom_multi_frame": _set(SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1"),
    "dicom_mixed_matrix": _set(Rows=99),
    "dicom_mixed_pixel_spacing": _set(PixelSpacing=[0.8, 0.9]),
    "dicom_mixed_orientation": _set(ImageOrientationPatient=[1, 0, 0, 0, 0, -1]),
    "dicom_frame_of_reference": _set(FrameOfReferenceUID="1.2.3"),
    "dicom_no_rescale": _without("RescaleSlope"),
    "dicom_no_geometry": _without("ImagePositionPatient"),
    "dicom_duplicate_instance": lambda found: [*found, found[0]],
    "dicom_too_few_slices": lambda found: found[:2],
}
"""By the code of its refusal, what is wrong with a series."""
