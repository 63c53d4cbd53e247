"""Phantom CTs with known truth: a head and neck with seven organs, and an asymmetric block for geometry tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segloop.imaging.geometry import Geometry, reorient
from segloop.imaging.phantom_anatomy import Part, Pose, anatomy

_AIR_HU = -1000.0
_AIM_MM = np.array([0.0, -35.0, -25.0])  # the point of the anatomy that lies at the centre of the volume


def head_and_neck(
    *,
    shape: tuple[int, int, int] = (120, 80, 126),
    spacing_mm: tuple[float, float, float] = (4.0, 4.0, 3.0),
    orientation: str = "RAS",
    seed: int = 0,
    noise_hu: float = 12.0,
    blur_mm: float = 1.5,
    variation: float = 1.0,
) -> tuple[NDArray[np.int16], NDArray[np.uint8], Geometry]:
    """CT in HU, labels and geometry of a synthetic head and neck; same arguments, same voxels.

    The anatomy has a fixed size in millimetres, about 360 mm of it along the body: a larger field of view shows
    air around it, a smaller one its middle. Edges are blurred by `blur_mm` and the voxel size (partial volume).

    Args:
        shape: Voxels (x, y, z) in the axis order of `orientation`, as is `spacing_mm`.
        spacing_mm: Voxel size along the same axes.
        orientation: Axis codes of the result, for example "LPS"; any of the 48.
        seed: Another person: pose, proportions, HU and noise.
        noise_hu: Standard deviation of the noise, correlated between neighbours as in a reconstructed CT.
        blur_mm: Width of an edge in an infinitely fine grid.
        variation: Scales how much persons differ; 0 gives the same upright person with other noise.

    Returns:
        CT int16, labels uint8 (1 brainstem, 2 spinal_cord, 3 parotid_right, 4 parotid_left, 5 mandible, 6 larynx,
        7 esophagus) and the Geometry of both.
    """
    order = _axes_of(orientation)
    ras_shape = tuple(int(shape[axis]) for axis in order)
    ras_spacing = np.array([float(spacing_mm[axis]) for axis in order])
    geometry = _centred(ras_shape, ras_spacing)
    rng = np.random.default_rng(seed)
    pose, parts = anatomy(rng, variation)
    hu = np.full(ras_shape, _AIR_HU, dtype=np.float32)
    labels = np.zeros(ras_shape, dtype=np.uint8)
    edge_mm = float(np.hypot(blur_mm, ras_spacing.mean()))
    for part in parts:
        _paint(hu, labels, part, pose, geometry, edge_mm)
    hu += _noise(rng, ras_shape, noise_hu)
    ct = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    turned, turned_geometry = reorient(ct, geometry, orientation)
    return turned, reorient(labels, geometry, orientation)[0], turned_geometry


def asymmetric(
    *,
    shape: tuple[int, int, int] = (30, 26, 22),
    spacing_mm: tuple[float, float, float] = (3.0, 3.0, 3.0),
    orientation: str = "RAS",
    oblique_deg: float = 0.0,
) -> tuple[NDArray[np.int16], NDArray[np.uint8], Geometry]:
    """Blocks that look different after any flip or permutation: CT in HU, labels 1-7 and geometry.

    From a cube (1) at the centre one arm goes to the right (2), one to the front (3) and one up (4), each of
    its own length; 5, 6 and 7 are single marks at the arms' ends. HU is constant in a class, `linspace(-100, 1500, 7)`
    over the labels and -1000 outside, so a classifier by HU must reproduce the labels. Sizes are in voxels of
    the RAS grid. `oblique_deg` turns the affine about z and x, leaving the voxels as they are.
    """
    order = _axes_of(orientation)
    ras_shape = tuple(int(shape[axis]) for axis in order)
    geometry = _centred(ras_shape, np.array([float(spacing_mm[axis]) for axis in order]), oblique_deg)
    labels = np.zeros(ras_shape, dtype=np.uint8)
    c = [n // 2 for n in ras_shape]
    reach = [max(4, n * part // 20) for n, part in zip(ras_shape, (9, 7, 5), strict=True)]
    labels[c[0] - 1 : c[0] + 2, c[1] - 1 : c[1] + 2, c[2] - 1 : c[2] + 2] = 1
    for axis in range(3):
        arm = [slice(v, v + 1) for v in c]
        arm[axis] = slice(c[axis] + 2, c[axis] + reach[axis])
        labels[tuple(arm)] = 2 + axis
        arm[axis] = slice(c[axis] + reach[axis] - 1, c[axis] + reach[axis])
        labels[tuple(arm)] = 5 + axis
    hu_of = np.concatenate(([_AIR_HU], np.linspace(-100.0, 1500.0, 7)))
    ct = np.rint(hu_of[labels]).astype(np.int16)
    turned, turned_geometry = reorient(ct, geometry, orientation)
    return turned, reorient(labels, geometry, orientation)[0], turned_geometry


def _axes_of(orientation: str) -> list[int]:
    """Which axis of `orientation` runs right-left, posterior-anterior and inferior-superior."""
    letters = [next(i for i, pair in enumerate(("RL", "AP", "SI")) if code in pair) for code in orientation]
    return [letters.index(axis) for axis in range(3)]


def _centred(shape: tuple[int, ...], spacing_mm: NDArray[np.float64], oblique_deg: float = 0.0) -> Geometry:
    """RAS geometry whose central voxel is at the world's origin."""
    angle = np.deg2rad(oblique_deg)
    about_z = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    half = angle / 2
    about_x = np.array([[1, 0, 0], [0, np.cos(half), -np.sin(half)], [0, np.sin(half), np.cos(half)]])
    affine = np.eye(4)
    affine[:3, :3] = about_x @ about_z @ np.diag(spacing_mm)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Geometry(shape=(shape[0], shape[1], shape[2]), affine=affine)


def _paint(
    hu: NDArray[np.float32],
    labels: NDArray[np.uint8],
    part: Part,
    pose: Pose,
    geometry: Geometry,
    edge_mm: float,
) -> None:
    """Blend one part into `hu` where it covers a voxel, and set or clear `labels` inside it."""
    box = _box(part, pose, geometry, edge_mm)
    if box is None:
        return
    spacing = np.diag(geometry.affine)[:3]
    axes = [
        (np.arange(s.start, s.stop) * spacing[a] + geometry.affine[a, 3]).astype(np.float32)
        for a, s in enumerate(box)
    ]
    x, y, z = pose.to_anatomy(axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :], _AIM_MM)
    distance_mm = np.broadcast_to(part.distance(x, y, z), tuple(s.stop - s.start for s in box))
    cover = np.clip(0.5 - distance_mm / edge_mm, 0.0, 1.0)
    hu[box] += (part.hu - hu[box]) * cover
    if part.label is not None:
        labels[box][distance_mm < 0] = part.label


def _box(part: Part, pose: Pose, geometry: Geometry, edge_mm: float) -> tuple[slice, slice, slice] | None:
    """Voxels that a part can touch; None when it lies outside the volume."""
    low, high = np.array(part.bounds_mm)
    corners = np.array([[(low, high)[(i >> a) & 1][a] for a in range(3)] for i in range(8)])
    world = pose.to_world(corners, _AIM_MM)
    voxel = (world - geometry.affine[:3, 3]) / np.diag(geometry.affine)[:3]
    margin = edge_mm / np.diag(geometry.affine)[:3] + 1
    start = np.maximum(np.floor(voxel.min(0) - margin), 0).astype(int)
    stop = np.minimum(np.ceil(voxel.max(0) + margin) + 1, geometry.shape).astype(int)
    if (stop <= start).any():
        return None
    return slice(start[0], stop[0]), slice(start[1], stop[1]), slice(start[2], stop[2])


def _noise(rng: np.random.Generator, shape: tuple[int, ...], sd_hu: float) -> NDArray[np.float32]:
    """Noise of standard deviation `sd_hu`, correlated with its in-plane neighbours."""
    white = rng.standard_normal(shape, dtype=np.float32)
    soft: NDArray[np.float32] = white + 0.5 * (np.roll(white, 1, 0) + np.roll(white, 1, 1))
    return soft * np.float32(sd_hu / np.sqrt(1.5))
