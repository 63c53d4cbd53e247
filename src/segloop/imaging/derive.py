"""What is made of a file before it is stored: facts about it and files beside it; runs in a process of its own."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging import nifti
from segloop.imaging.geometry import Geometry
from segloop.imaging.labels import LabelSet
from segloop.imaging.pyramid import LEVELS, slabs, viewer_level

MASK_FILE = "mask.nii.gz"


def derive_volume(path: Path, folder: Path) -> dict[str, Any]:
    """Check an uploaded CT, write its viewer levels into `folder`, and return its grid and HU range.

    Raises:
        InvalidInput: whatever `nifti.inspect` finds wrong.
    """
    inspection = nifti.inspect(path)
    array, geometry = nifti.load(path)
    for level in LEVELS:
        write_level(folder, array, geometry, level=level)
    return {
        "shape": list(geometry.shape),
        "affine": [float(value) for value in geometry.affine.ravel()],
        "spacing_mm": list(geometry.spacing_mm),
        "hu_min": inspection.hu_min,
        "hu_max": inspection.hu_max,
        "hu_like": inspection.hu_like,
    }


def derive_mask(
    path: Path, folder: Path, *, shape: list[int], affine: list[float], labels: list[dict[str, Any]]
) -> dict[str, Any]:
    """Check an uploaded mask against its volume's grid and label set, and do as `write_mask_files`.

    Raises:
        InvalidInput: `mask_grid`, `mask_labels`, or whatever `nifti.load_mask` finds.
    """
    geometry = Geometry.from_flat(shape, affine)
    theirs = nifti.read_header(path, max_ratio=np.inf).geometry
    if not theirs.same_grid(geometry):
        raise InvalidInput(
            "mask_grid",
            f"The mask's grid {theirs.shape} {theirs.orientation} is not the volume's {geometry.shape} "
            f"{geometry.orientation}. Export it on the CT's own grid; Segloop never resamples a mask.",
        )
    array, _ = nifti.load_mask(path)
    return write_mask_files(folder, array, geometry, LabelSet.from_dicts(labels))


def write_mask_files(
    folder: Path, array: NDArray[np.unsignedinteger[Any]], geometry: Geometry, labels: LabelSet
) -> dict[str, Any]:
    """Write a mask (x, y, z) as NIfTI and as viewer copy into `folder`; return {"counts": voxels of each index}.

    Raises:
        InvalidInput: `mask_labels`; `grid_mismatch` for another shape.
    """
    counts = labels.require_known_values(array)
    nifti.write_mask(folder / MASK_FILE, array, geometry)
    write_level(folder, array, geometry, level=0)
    return {"counts": counts[: max(labels.indices, default=0) + 1].tolist()}


def write_level(folder: Path, array: NDArray[Any], geometry: Geometry, *, level: int) -> None:
    """Write one viewer level of an array as `level-<n>` with its grid beside it as JSON."""
    view, grid = viewer_level(array, geometry, level=level)
    n_bytes = 0
    with (folder / f"level-{level}").open("wb") as file:
        for data in slabs(view):
            n_bytes += file.write(data)
    meta = {
        "shape": list(grid.shape),
        "affine": grid.affine.tolist(),
        "bytes": n_bytes,
        "dtype": str(array.dtype if array.dtype.kind in "iu" else "int16"),
    }
    (folder / f"level-{level}.json").write_text(json.dumps(meta))


def run(task: str, folder: Path, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do the named task on `folder`/input with `folder`/output as its place to write.

    Raises:
        KeyError: an unknown task.
    """
    tasks: dict[str, Callable[..., dict[str, Any]]] = {"volume": derive_volume, "mask": derive_mask}
    return tasks[task](folder / "input", folder / "output", **arguments)
