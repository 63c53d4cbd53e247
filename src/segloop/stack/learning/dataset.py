"""An nnU-Net raw dataset as patients: their CTs, true masks and label names, read one at a time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging import nifti
from segloop.imaging.geometry import Geometry
from segloop.imaging.labels import Label, LabelSet
from segloop.imaging.phantom import head_and_neck

ORGANS = ("brainstem", "spinal_cord", "parotid_right", "parotid_left", "mandible", "larynx", "esophagus")
ENDING = ".nii.gz"


@dataclass(frozen=True)
class Patient:
    """One CT in HU and its true mask, both (x, y, z) on `geometry`."""

    patient_id: str
    volume: NDArray[Any]
    mask: NDArray[np.unsignedinteger[Any]]
    geometry: Geometry


@dataclass(frozen=True)
class RawDataset:
    """A folder with imagesTr, labelsTr and dataset.json; every file of labelsTr is one patient, by name."""

    folder: Path
    labels: LabelSet
    patients: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path) -> "RawDataset":
        """Return the dataset of a folder; no image is read yet.

        Raises:
            InvalidInput: `dataset_unreadable`, with what is missing.
        """
        try:
            names = json.loads((folder / "dataset.json").read_text())["labels"]
            labels = LabelSet(tuple(Label(index, name) for name, index in names.items() if index))
        except (OSError, ValueError, LookupError, AttributeError) as error:
            raise _unreadable(f"{folder} has no dataset.json with labels") from error
        patients = sorted(file.name.removesuffix(ENDING) for file in (folder / "labelsTr").glob(f"*{ENDING}"))
        missing = [patient for patient in patients if not _image(folder, patient).exists()]
        if missing or not patients:
            raise _unreadable(f"{folder} lacks {missing[0] if missing else 'labelsTr'}{ENDING}")
        return cls(folder, labels, tuple(patients))

    @property
    def names(self) -> list[str]:
        """The labels' names in order of index."""
        return [label.name for label in self.labels.labels]

    def load(self, patient_id: str) -> Patient:
        """Return one patient.

        Raises:
            InvalidInput: as `imaging.nifti`, or `dataset_unreadable` when mask and CT differ in grid.
        """
        volume, geometry = nifti.load(_image(self.folder, patient_id))
        mask, grid = nifti.load_mask(self.folder / "labelsTr" / f"{patient_id}{ENDING}")
        if not grid.same_grid(geometry):
            raise _unreadable(f"mask and CT of {patient_id} lie on different grids")
        self.labels.require_known_values(mask)
        return Patient(patient_id, volume, mask, geometry)

    def link(self, folder: Path, patients: Sequence[str]) -> dict[str, Any]:
        """Make `folder` a raw dataset of these patients alone, by links, and return its dataset.json."""
        for sub, suffix in (("imagesTr", "_0000"), ("labelsTr", "")):
            (folder / sub).mkdir(parents=True, exist_ok=True)
            for patient in patients:
                link = folder / sub / f"{patient}{suffix}{ENDING}"
                link.unlink(missing_ok=True)
                link.symlink_to((self.folder / sub / link.name).resolve())
        dataset = {
            "name": folder.name,
            "channel_names": {"0": "CT"},
            "labels": {"background": 0} | {label.name: label.index for label in self.labels.labels},
            "file_ending": ENDING,
            "numTraining": len(patients),
        }
        (folder / "dataset.json").write_text(json.dumps(dataset, indent=1))
        return dataset


def write_phantoms(folder: Path, n_patients: int) -> RawDataset:
    """Write a raw dataset of small phantoms, where there is none yet, and return it."""
    for sub in ("imagesTr", "labelsTr"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    for seed in range(n_patients):
        ct, mask, geometry = head_and_neck(shape=(36, 32, 34), spacing_mm=(8.0, 8.0, 8.0), seed=seed)
        patient = f"phantom_{seed:02d}"
        for path, array in (
            (_image(folder, patient), ct),
            (folder / "labelsTr" / f"{patient}{ENDING}", mask),
        ):
            nibabel.save(nibabel.Nifti1Image(np.asarray(array), geometry.affine), path)  # type: ignore[no-untyped-call]
    labels = {"background": 0} | {name: index for index, name in enumerate(ORGANS, 1)}
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return RawDataset.open(folder)


def _image(folder: Path, patient_id: str) -> Path:
    return folder / "imagesTr" / f"{patient_id}_0000{ENDING}"


def _unreadable(what: str) -> InvalidInput:
    return InvalidInput(
        "dataset_unreadable", f"{what}. Name an nnU-Net raw dataset: imagesTr, labelsTr, dataset.json."
    )
