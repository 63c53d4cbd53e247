"""The phantom's anatomy: shapes with distance functions, in mm, RAS, from the middle of the mandible.

Positions and sizes follow medians measured on clinical head-and-neck CTs (centre and extent of each organ
from the centre of the mandible); HU are textbook values. +x is the patient's right, +y front, +z up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Distance = Callable[[Array, Array, Array], Array]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    """One shape: signed distance in mm (negative inside, approximate), its HU, its label and its bounding box.

    `label` None leaves labels alone; 0 clears them.
    """

    distance: Distance
    hu: float
    label: int | None
    bounds_mm: tuple[Point, Point]


@dataclass(frozen=True)
class Pose:
    """How a person lies in the scanner: world = rotation @ (scale * (anatomy - aim))."""

    rotation: NDArray[np.float64]
    scale: NDArray[np.float64]

    def to_anatomy(
        self, x: Array, y: Array, z: Array, aim: NDArray[np.float64]
    ) -> tuple[Array, Array, Array]:
        """Anatomical coordinates of world coordinates (broadcastable arrays, mm)."""
        m = (np.diag(1 / self.scale) @ self.rotation.T).astype(np.float32)
        a = aim.astype(np.float32)
        out = [m[i, 0] * x + m[i, 1] * y + m[i, 2] * z + a[i] for i in range(3)]
        return out[0], out[1], out[2]

    def to_world(self, points: NDArray[np.float64], aim: NDArray[np.float64]) -> NDArray[np.float64]:
        """World coordinates of anatomical `points` (n, 3), mm."""
        world: NDArray[np.float64] = ((points - aim) * self.scale) @ self.rotation.T
        return world


def anatomy(rng: np.random.Generator, variation: float) -> tuple[Pose, list[Part]]:
    """Pose and parts of one person, in painting order (later covers earlier)."""
    pitch, roll, yaw = np.deg2rad(rng.normal(0, 3, 3) * variation)
    pose = Pose(_rotation(pitch, roll, yaw), 1 + 0.05 * variation * rng.uniform(-1, 1, 3))
    person = _Person(rng, variation)
    parts = [*_body(person), *_head(person), *_neck(person), *_organs(person)]
    return pose, parts


class _Person:
    """Draws the small differences between persons."""

    def __init__(self, rng: np.random.Generator, variation: float) -> None:
        self._rng, self._variation = rng, variation
        self.lean = float(self.size(67.0))

    def size(self, mm: float) -> float:
        """`mm` varied by up to 8 %."""
        return mm * (1 + 0.08 * self._variation * float(self._rng.uniform(-1, 1)))

    def place(self, mm: float) -> float:
        """`mm` shifted by up to 2 mm."""
        return mm + 2 * self._variation * float(self._rng.uniform(-1, 1))

    def hu(self, hu: float, spread: float) -> float:
        """`hu` varied by up to `spread`."""
        return hu + spread * self._variation * float(self._rng.uniform(-1, 1))

    def cord_y(self, z: Array) -> Array:
        """Front-back position of the spinal canal at height z: the neck leans back going down."""
        down = np.clip((20.0 - z) / 191.0, 0.0, 1.3).astype(np.float32)
        y: Array = np.float32(-66.0) - np.float32(self.lean) * down ** np.float32(1.4)
        return y


def _ellipsoid(centre: Point, radii: Point, hu: float, label: int | None = None, power: float = 2.0) -> Part:
    """Solid ellipsoid; a `power` above 2 makes it boxier."""
    r = min(radii)

    def distance(x: Array, y: Array, z: Array) -> Array:
        terms = [
            np.abs((v - np.float32(c)) / np.float32(s)) ** np.float32(power)
            for v, c, s in zip((x, y, z), centre, radii, strict=True)
        ]
        d: Array = ((terms[0] + terms[1] + terms[2]) ** np.float32(1 / power) - 1) * np.float32(r)
        return d

    low = (centre[0] - radii[0], centre[1] - radii[1], centre[2] - radii[2])
    high = (centre[0] + radii[0], centre[1] + radii[1], centre[2] + radii[2])
    return Part(distance, hu, label, (low, high))


def _tube(
    person: _Person,
    x0: float,
    forward: float,
    radii: tuple[float, float],
    z_range: tuple[float, float],
    hu: float,
    label: int | None = None,
) -> Part:
    """Vertical tube that follows the spine, `forward` mm in front of the canal's centre."""
    r = np.float32(min(radii))

    def distance(x: Array, y: Array, z: Array) -> Array:
        across = np.hypot(
            (x - np.float32(x0)) / radii[0], (y - person.cord_y(z) - np.float32(forward)) / radii[1]
        )
        side = (across.astype(np.float32) - 1) * r
        return np.maximum(side, np.maximum(np.float32(z_range[0]) - z, z - np.float32(z_range[1])))

    ends = person.cord_y(np.array(z_range, dtype=np.float32)) + forward
    low = (x0 - radii[0], float(ends.min()) - radii[1], z_range[0])
    high = (x0 + radii[0], float(ends.max()) + radii[1], z_range[1])
    return Part(distance, hu, label, (low, high))


def _horseshoe(
    radii: tuple[float, float], thick: float, z_range: tuple[float, float], hu: float, label: int | None
) -> Part:
    """Front half of an elliptic ring about (0, -15): the body of the mandible, or a row of teeth."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        ring = np.hypot(x / radii[0], (y + 15) / radii[1]).astype(np.float32) - 1
        wall = np.abs(ring) * np.float32(min(radii)) - np.float32(thick / 2)
        ends = np.maximum(np.float32(z_range[0]) - z, z - np.float32(z_range[1]))
        return np.maximum(np.maximum(wall, -20 - y), ends)

    reach = thick / 2
    low = (-radii[0] - reach, -20.0, z_range[0])
    high = (radii[0] + reach, radii[1] - 15 + reach, z_range[1])
    return Part(distance, hu, label, (low, high))


def _body(p: _Person) -> list[Part]:
    """Skin and fat, then the muscle inside, then lungs."""
    fat = p.size(6.0)
    outline = [
        ((0.0, -32.0, 72.0), (p.size(78.0), p.size(100.0), 92.0), 2.0),
        ((0.0, -2.0, 6.0), (p.size(68.0), p.size(66.0), 66.0), 2.6),
        ((0.0, -45.0, 14.0), (p.size(82.0), p.size(60.0), 62.0), 2.2),
        ((0.0, 70.0, 34.0), (13.0, 22.0, 16.0), 2.0),
        ((0.0, -100.0, -215.0), (p.size(205.0), p.size(95.0), 100.0), 2.4),
    ]
    skin, muscle = [], []
    neck = p.size(58.0)
    for centre, radii, power in outline:
        skin.append(_ellipsoid(centre, radii, p.hu(-95, 8), None, power))
        inner = (radii[0] - fat, radii[1] - fat, radii[2] - fat)
        muscle.append(_ellipsoid(centre, inner, p.hu(45, 8), None, power))
    skin.append(_tube(p, 0, 16, (neck, neck * 1.05), (-170, 25), p.hu(-95, 8)))
    muscle.append(_tube(p, 0, 16, (neck - fat, neck * 1.05 - fat), (-170, 25), p.hu(45, 8)))
    lungs = [_ellipsoid((s * 78.0, -95.0, -225.0), (48.0, 62.0, 75.0), p.hu(-820, 40)) for s in (1, -1)]
    return skin + muscle + lungs


def _head(p: _Person) -> list[Part]:
    """Skull with brain, orbits, sinuses, nasal cavity, tongue's surroundings."""
    bone, rx, ry = p.hu(950, 120), p.size(69.0), p.size(88.0)
    parts = [
        _ellipsoid((0, -34, 84), (rx, ry, 78), bone),
        _ellipsoid((0, -34, 84), (rx - 7, ry - 7, 71), p.hu(34, 4)),
        _ellipsoid((0, 28, 42), (44, 32, 30), p.hu(650, 80), None, 3.0),  # facial skeleton, hollowed below
        _ellipsoid((0, 22, 16), (30, 38, 14), p.hu(50, 6)),  # palate and tongue
    ]
    for side in (1, -1):
        parts += [
            _ellipsoid((side * 33.0, 48, 66), (17, 24, 16), -80),
            _ellipsoid((side * 33.0, 54, 66), (12, 12, 12), 12),
            _ellipsoid((side * 27.0, 30, 42), (12, 16, 15), -980),
            _ellipsoid((side * 60.0, -62, 40), (9, 10, 14), -500),  # mastoid cells
        ]
    parts.append(_ellipsoid((0, 32, 42), (10, 36, 20), -950))
    return parts


def _neck(p: _Person) -> list[Part]:
    """Fat planes, vessels, vertebrae with canal, airway."""
    parts = []
    for side in (1, -1):
        parts += [
            _tube(p, side * p.place(36.0), 38, (11, 11), (-140, -10), -85),
            _tube(p, side * p.place(27.0), 36, (4, 4), (-160, 20), p.hu(150, 60)),
            _tube(p, side * p.place(35.0), 33, (6, 5), (-150, 15), p.hu(120, 60)),
        ]
    parts.append(_tube(p, 0, 3, (16, 16), (-230, 20), p.hu(480, 80)))
    parts.append(_tube(p, 0, -21, (4, 10), (-230, 5), p.hu(420, 80)))
    pitch = p.size(17.0)
    for i in range(13):
        top = 18 - i * pitch
        parts.append(_tube(p, 0, 20, (14, 11), (top - pitch + 4, top), p.hu(420, 80)))
        parts.append(_tube(p, 0, 20, (11, 8.5), (top - pitch + 5.5, top - 1.5), p.hu(220, 40)))
    parts.append(_tube(p, 0, 0, (10, 9), (-230, 30), 12))
    parts.append(_tube(p, 0, 56, (10, 8), (-50, 30), -970))
    parts.append(_tube(p, 0, 56, (9, 8.5), (-230, -78), -980))
    return parts


def _organs(p: _Person) -> list[Part]:
    """The seven labelled organs with what belongs to them."""
    stem_hu, bone = p.hu(35, 4), p.hu(800, 120)
    parts = [
        _tube(p, 0, 0, (p.size(7.0), p.size(5.5)), (p.place(-170.0), 23), p.hu(36, 4), 2),
        _ellipsoid((0, -64, p.place(54.0)), (p.size(16.0), p.size(13.0), 32), stem_hu, 1),
        _tube(p, 0, 40, (p.size(8.5), p.size(6.0)), (p.place(-156.0), p.place(-86.0)), p.hu(32, 8), 7),
        _tube(p, 0, 53, (p.size(17.0), p.size(16.0)), (p.place(-82.0), p.place(-47.0)), p.hu(160, 60), 6),
        _tube(p, 0, 53, (13, 12), (-82, -46), p.hu(45, 6)),
        _tube(p, 0, 53, (7, 8.5), (-84, -44), -960),
        _horseshoe((p.size(40.0), p.size(50.0)), 6, (2, 14), p.hu(1500, 200), None),
        _horseshoe((p.size(48.0), p.size(56.0)), 12, (p.place(-28.0), p.place(0.0)), bone, 5),
    ]
    for side, label in ((1, 3), (-1, 4)):
        parts.append(_ellipsoid((side * p.place(51.0), p.place(-22.0), 10), (5, 16, 34), bone, 5, 3.0))
        centre = (side * p.place(58.0), p.place(-43.0), p.place(13.0))
        radii = (p.size(14.0), p.size(18.0), p.size(25.0))
        parts.append(_ellipsoid(centre, radii, p.hu(0, 25), label, 2.3))
    return parts


def _rotation(pitch: float, roll: float, yaw: float) -> NDArray[np.float64]:
    """Rotation about x, then y, then z (radians)."""
    cx, sx, cy, sy, cz, sz = (
        np.cos(pitch),
        np.sin(pitch),
        np.cos(roll),
        np.sin(roll),
        np.cos(yaw),
        np.sin(yaw),
    )
    x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return z @ y @ x
