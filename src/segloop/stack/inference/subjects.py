"""What is predicted in the benchmark: phantoms as NIfTI files, and models in nnU-Net's and in our own form."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import nibabel

from segloop.imaging import phantom
from segloop.nnunet import bundle
from segloop.nnunet.tiny import write_tiny_model

DATASET, TRAINER = "Dataset999_Bench", "nnUNetTrainer"


@dataclass(frozen=True)
class Model:
    """One model: `results` is what `nnUNet_results` must be for nnU-Net's command, `bundle` is ours."""

    name: str
    results: Path
    bundle: Path
    configuration: str


def light(folder: Path, *, labels: int = 7, spacing_mm: float = 3.0) -> Model:
    """Return a small network of plain convolutions (16, 32, 32 channels, patch 48) whose answer follows the HU."""
    return _model(folder, "light", labels, (16, 32, 32), (48, 48, 48), spacing_mm)


def standard(folder: Path, *, labels: int = 7, spacing_mm: float = 1.5) -> Model:
    """Return a network of the size that nnU-Net plans for a GPU (32 to 320 channels, patch 128), answering by HU."""
    return _model(folder, "standard", labels, (32, 64, 128, 256, 320, 320), (128, 128, 128), spacing_mm)


def of_bundle(folder: Path, source: Path) -> Model:
    """Return a model from a bundle of ours, written for nnU-Net, too."""
    info = bundle.read_bundle(source)
    root = folder / "results" / DATASET / f"{TRAINER}__nnUNetPlans__{info.configuration}"
    bundle.write_nnunet_folder(source, root)
    return Model("starter", folder / "results", source, info.configuration)


def write_phantom(
    path: Path, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], *, seed: int = 1
) -> Path:
    """Write a phantom of a shape (x, y, z) as int16 gzip NIfTI, as a scanner's converter would; kept if it is there."""
    if not path.exists():
        ct, _, geometry = phantom.head_and_neck(shape=shape, spacing_mm=spacing_mm, seed=seed)
        image = nibabel.Nifti1Image(ct, geometry.affine)  # type: ignore[no-untyped-call]
        draft = path.with_suffix(".new")
        draft.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))
        draft.replace(path)
    return path


def _model(
    folder: Path,
    name: str,
    labels: int,
    features: tuple[int, ...],
    patch: tuple[int, int, int],
    spacing_mm: float,
) -> Model:
    root = folder / "results" / DATASET / f"{TRAINER}__nnUNetPlans__3d_fullres"
    write_tiny_model(
        root,
        labels=labels,
        patch=patch,
        spacing_mm=(spacing_mm,) * 3,
        features=features,
        convolutions=2,
    )
    bundle.import_model(root, folder / "bundle")
    return Model(f"{name}, {labels} classes", folder / "results", folder / "bundle", "3d_fullres")
