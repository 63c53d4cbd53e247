"""Will it fit: how much memory a prediction takes at its peak, and how much there is."""

from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.preprocessing.resampling.default_resampling import (
    compute_new_shape,
    determine_do_sep_z_and_axis,
)
from numpy.typing import NDArray

from segloop.errors import InvalidInput
from segloop.imaging.geometry import Geometry, reorient
from segloop.model_versions.profiles import Profile
from segloop.nnunet.bundle import BundleInfo
from segloop.nnunet.export import working_bytes
from segloop.nnunet.plans import resolved
from segloop.nnunet.preprocess import content_box
from segloop.nnunet.resample import find_way, peak_bytes

GIB = 2**30
UNKNOWN = 2**63 - 1
OUTPUT_BYTES: dict[Profile, int] = {"exact": 12, "exact+mirroring": 16, "fast": 20}
"""Bytes for each class and voxel of one patch, as measured with 60 classes (11.4, 15 and 19)."""
FIXED_BYTES = 2**28
"""What the interpreter keeps for itself while it works, whatever the volume's size."""


@dataclass(frozen=True)
class Grids:
    """The two grids of a prediction in nnU-Net's axis order, after its transpose.

    `full` is the volume's own, `resampled` the network's; `separate_z` says whether nnU-Net treats one axis apart.
    """

    full: tuple[int, ...]
    full_spacing_mm: tuple[float, ...]
    resampled: tuple[int, ...]
    separate_z: bool


def grids(geometry: Geometry, info: BundleInfo) -> Grids:
    """Return the grids between which nnU-Net resamples a volume of this geometry, before it crops empty borders."""
    unit = np.broadcast_to(np.int8(0), geometry.shape)  # one byte: only its shape is turned
    turned = reorient(unit, geometry, info.orientation)[1]
    order = info.plans["transpose_forward"]
    shape = tuple(turned.shape[::-1][axis] for axis in order)
    spacing = tuple(turned.spacing_mm[::-1][axis] for axis in order)
    settings = resolved(info.plans, info.configuration)
    target = settings["spacing"]
    target = [*spacing[: 3 - len(target)], *target]  # a 2D model keeps the slices' distance
    forced = settings["resampling_fn_probabilities_kwargs"].get("force_separate_z")
    separate, _ = determine_do_sep_z_and_axis(forced, target, spacing)
    return Grids(shape, spacing, tuple(int(n) for n in compute_new_shape(shape, spacing, target)), separate)


def needed_bytes(geometry: Geometry, info: BundleInfo, profile: Profile = "exact") -> int:
    """Return the estimated peak of main memory that a prediction takes, the volume itself included.

    Of Segloop's own resampling and export the bytes are those of their arrays: single-precision images on the way from grid to
    grid; half-precision logits on the network's grid only, and labels on the full one. Where nnU-Net's own code must do a
    part, bytes per voxel are as measured on nnU-Net 2.8.1 (resident memory of a process, 8 and 30 classes, both resampling
    directions): preprocessing makes float64 copies of the image; the half-precision logits become float64 on the
    network's grid and half precision on the full one, and choosing the class copies the latter once more.
    """
    places = grids(geometry, info)
    settings = resolved(info.plans, info.configuration)
    patch = settings["patch_size"]
    padded = [max(n, p) for n, p in zip(places.resampled[-len(patch) :], patch, strict=True)]
    full, low = prod(places.full), prod(places.resampled[: 3 - len(patch)]) * prod(padded)
    classes = info.n_outputs

    # Of one patch at a time: the first stage's activations, or what comes out of the network, whichever is more.
    features = settings["architecture"]["arch_kwargs"]["features_per_stage"][0]
    activations = max(24 * features, OUTPUT_BYTES[profile] * classes) * prod(patch)
    predicting = (2 * classes * min(len(info.folds), 2) + 12) * low + activations
    # nnU-Net's torch resampling keeps single precision throughout, and no coordinates.
    torch_resampling = settings["resampling_fn_probabilities"] == "resample_torch_fornnunet"
    wide = 2 if torch_resampling else 1
    apart = 100 if places.separate_z and not torch_resampling else 0
    if _is_ours(settings, "data") and not any(settings["use_mask_for_norm"]):
        preprocessing = full + peak_bytes(places.full, places.resampled)
    else:
        preprocessing = 36 * full + (24 + apart) * low
    if _is_ours(settings, "probabilities"):
        # Logits and what works on them; labels, and their copy in the volume's order.
        labels = 2 * (1 if classes <= 255 else 2) * full
        exporting = 2 * classes * low + working_bytes(classes, places.resampled, places.full) + labels
        return int(4 * full + max(preprocessing, predicting, exporting) + FIXED_BYTES)
    changed = places.full != places.resampled
    resampling = changed * ((10 * classes + 12) * low + (2 * classes * wide + 24 + apart) * full)
    choosing = (2 * classes + 4) * low + (2 * classes * wide * (1 + changed) + 12) * full
    return int(4 * full + max(preprocessing, predicting, resampling, choosing) + FIXED_BYTES)


def _is_ours(settings: dict[str, Any], kind: str) -> bool:
    """Say whether Segloop resamples this kind of array itself ("data" or "probabilities"); the spacings don't matter."""
    nowhere = [1.0, 1.0, 1.0]
    way = find_way(
        settings[f"resampling_fn_{kind}"], settings[f"resampling_fn_{kind}_kwargs"], nowhere, nowhere
    )
    return way is not None and (kind == "data" or way.order == 1)


def require_room(geometry: Geometry, info: BundleInfo, available: int, profile: Profile = "exact") -> None:
    """Check that a prediction on this grid fits into `available` bytes of memory.

    Raises:
        InvalidInput: `volume_too_large`, or `volume_too_small` when nothing is left of it on the model's grid.
    """
    _require_extent(geometry, info)
    needed = needed_bytes(geometry, info, profile)
    if needed > available:
        raise InvalidInput(
            "volume_too_large",
            f"Segmenting this CT of {' x '.join(map(str, geometry.shape))} voxels into {len(info.labels)} classes "
            f"needs about {needed / GIB:.1f} GiB of memory, and the worker has {available / GIB:.1f} GiB free. Crop "
            "or resample the CT, use a model of fewer classes, or give the worker more memory.",
            needed_bytes=needed,
            available_bytes=available,
        )


def require_content(volume: NDArray[Any], geometry: Geometry, info: BundleInfo) -> None:
    """Check that something is left of a volume (x, y, z) when nnU-Net has cropped the zeros around it.

    Raises:
        InvalidInput: `volume_too_small`.
    """
    x, y, z = (stop - first for first, stop in content_box(volume))
    _require_extent(replace(geometry, shape=(x, y, z)), info)


def _require_extent(geometry: Geometry, info: BundleInfo) -> None:
    if 0 in grids(geometry, info).resampled:
        extent = " x ".join(
            f"{n * mm:.3g}" for n, mm in zip(geometry.shape, geometry.spacing_mm, strict=True)
        )
        raise InvalidInput(
            "volume_too_small",
            f"What this CT shows, {extent} mm, is thinner than the model can see. Check its voxel size, or upload "
            "more of it.",
        )


def available_bytes(root: Path = Path("/")) -> int:
    """Return how much memory this process may still take: the machine's, or its container's where that is less.

    Read from /proc and /sys below `root`. A machine that does not say (no Linux) counts as having plenty.
    """
    return min(_machine(root / "proc/meminfo"), *(_group(folder) for folder in _groups(root)), UNKNOWN)


def _machine(path: Path) -> int:
    try:
        lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return UNKNOWN


def _groups(root: Path) -> list[Path]:
    """Return the control groups of this process that may limit memory, of both versions, up to the outermost."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        mount = {"": root / "sys/fs/cgroup", "memory": root / "sys/fs/cgroup/memory"}.get(controllers)
        if mount is not None:
            own = mount / path.lstrip("/")
            # In a container the path may be the host's and not exist here: its own group is then the mount.
            found += [folder for folder in (own, *own.parents) if folder.is_relative_to(mount)]
    return found


def _group(folder: Path) -> int:
    """Return what a control group leaves; file cache that the kernel can drop counts as free."""
    for limit, usage, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
            statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            return max(most - used + int(statistics.get(cache, 0)), 0)
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return UNKNOWN
