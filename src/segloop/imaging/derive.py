"""What is made of a file before it is stored: facts about it and files beside it; runs in a process of its own."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging import derive_ct as ct
from segloop.imaging import nifti
from segloop.imaging.derive_ct import HEADERS
from segloop.imaging.geometry import Geometry
from segloop.imaging.labels import LabelSet
from segloop.imaging.pyramid import LEVELS, slabs, viewer_level

MASK_FILE, CT, RESULT_FILE, EXPORT_FILE = "mask.nii.gz", "ct", "result.dcm", "export.zip"


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


def derive_dicom_mask(
    path: Path,
    folder: Path,
    *,
    shape: list[int],
    affine: list[float],
    labels: list[dict[str, Any]],
    label_map: dict[str, str | None],
    ask_if_doubtful: bool,
) -> dict[str, Any]:
    """Place a DICOM SEG or RTSTRUCT, or the one in a zip, on the CT whose packed headers lie beside `folder`.

    Does as `write_mask_files`, and returns the indices of the labels found and notes, too.

    Raises:
        InvalidInput: whatever `import_mask` finds; `mask_grid` where the headers are not this volume's.
    """
    from segloop.imaging.dicom.import_mask import import_mask

    unpacked = folder.parent / "dicom"
    unpacked.mkdir()
    known = LabelSet.from_dicts(labels)
    found = import_mask(
        path,
        folder.parent / HEADERS,
        unpacked,
        labels=known,
        label_map=label_map,
        ask_if_doubtful=ask_if_doubtful,
    )
    geometry = Geometry.from_flat(shape, affine)
    if not found.geometry.same_grid(geometry):
        raise InvalidInput(
            "mask_grid", "The CT's kept headers are of another grid than its voxels. Upload the CT again."
        )
    return write_mask_files(folder, found.mask, geometry, known) | {
        "labels": found.labels,
        "notes": found.notes,
    }


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


def derive_levels(path: Path, folder: Path) -> dict[str, Any]:
    """Write the viewer levels of a stored CT into `folder`; return nothing more."""
    array, geometry = nifti.load(path)
    for level in LEVELS:
        write_level(folder, array, geometry, level=level)
    return {}


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


def derive_result(
    path: Path,
    folder: Path,
    *,
    form: str,
    labels: list[dict[str, Any]],
    origin: dict[str, Any],
    deflated: bool,
) -> dict[str, Any]:
    """Write a mask, with the headers and, if the form needs it, the CT beside it, as `folder`/result.dcm; return its size.

    Raises:
        InvalidInput: as `write_result`.
    """
    from segloop.imaging.dicom.result import Form
    from segloop.imaging.dicom.write import write_result

    target = folder / RESULT_FILE
    write_result(
        target,
        form=Form(form),
        mask=path,
        headers=path.parent / HEADERS,
        ct=path.parent / CT,
        labels=labels,
        origin=origin,
        deflated=deflated,
    )
    return {"size_bytes": target.stat().st_size}


def derive_deidentified(
    path: Path,
    folder: Path,
    *,
    pseudonym: str,
    uid_key: str,
    labels: list[dict[str, Any]],
    origin: dict[str, Any],
) -> dict[str, Any]:
    """Write a CT, with the headers and the mask that lie beside it, without whose it is as `folder`/export.zip.

    Raises:
        InvalidInput: as `write_zip`.
    """
    from segloop.imaging.deidentified import write_zip

    headers, mask = path.parent / HEADERS, path.parent / MASK_FILE
    n_files = write_zip(
        folder / EXPORT_FILE,
        volume=path,
        headers=headers if headers.exists() else None,
        mask=mask if mask.exists() else None,
        pseudonym=pseudonym,
        uid_key=bytes.fromhex(uid_key),
        labels=labels,
        origin=origin,
    )
    return {"n_files": n_files}


def run(task: str, folder: Path, arguments: Mapping[str, Any], stream: BinaryIO) -> dict[str, Any]:
    """Do the named task on `folder`/input, or on the stream, with `folder`/output as its place to write.

    Raises:
        KeyError: an unknown task.
    """
    if task == "series":
        return ct.derive_series(stream, folder / "output")
    tasks: dict[str, Callable[..., dict[str, Any]]] = {
        "volume": ct.derive_volume,
        "levels": derive_levels,
        "mask": derive_mask,
        "dicom_mask": derive_dicom_mask,
        "result": derive_result,
        "deidentified": derive_deidentified,
    }
    return tasks[task](folder / "input", folder / "output", **arguments)


def load_libraries() -> None:
    """Import beforehand what tasks on DICOM need, which takes longer than many a task."""
    from segloop.imaging.dicom import incoming  # noqa: F401
