"""Pictures of a CT with a mask on it, as a radiologist expects them: the patient's right on the left, the head at the top."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from segloop.imaging.geometry import Geometry, reorient
from segloop.imaging.labels import Label

SAGITTAL, CORONAL, AXIAL = 0, 1, 2
"""A plane by the axis that it is at right angles to."""
NAMES = ("sagittal", "coronal", "axial")
_EDGES = (("A", "P", "S", "I"), ("R", "L", "S", "I"), ("R", "L", "A", "P"))
"""By plane, the directions at the left, right, upper and lower edge."""
_LOW_HU, _HIGH_HU = -160, 240
_FILL = 0.35
_INK = (255, 230, 120)


@dataclass(frozen=True)
class Scene:
    """A CT in HU and its mask, (x, y, z) growing to the patient's left, back and feet, with voxel sizes in mm.

    `colors` has a row of red, green and blue for each value of the mask.
    """

    hu: NDArray[Any]
    mask: NDArray[np.integer[Any]]
    spacing_mm: tuple[float, float, float]
    colors: NDArray[np.uint8]


def scene(
    hu: NDArray[Any], mask: NDArray[np.integer[Any]], geometry: Geometry, labels: Sequence[Label]
) -> Scene:
    """Return a CT and mask (x, y, z) on a grid, turned for showing; of an oblique grid the nearest directions count."""
    turned, grid = reorient(hu, geometry, "LPI")
    colors = np.full((int(mask.max()) + 1, 3), 204, np.uint8)
    for label in labels:
        if label.index < len(colors):
            colors[label.index] = label.rgb
    return Scene(turned, reorient(mask, geometry, "LPI")[0], grid.spacing_mm, colors)


def fullest(shown: Scene, plane: int) -> int:
    """Return the slice of a plane that holds most of the mask; the middle one where there is none."""
    others = tuple(axis for axis in range(3) if axis != plane)
    counts = np.count_nonzero(shown.mask, axis=others)
    return int(counts.argmax()) if counts.any() else shown.mask.shape[plane] // 2


def spread(shown: Scene, plane: int, n: int) -> list[int]:
    """Return up to `n` slices of a plane, evenly through the part that the mask lies in, in their order."""
    others = tuple(axis for axis in range(3) if axis != plane)
    there = np.flatnonzero(shown.mask.any(axis=others))
    low, high = (there[0], there[-1]) if len(there) else (0, shown.mask.shape[plane] - 1)
    shares = (np.arange(n) + 0.5) / n
    return sorted({round(low + share * (high - low)) for share in shares})


def picture(shown: Scene, plane: int, at: int, *, box: tuple[int, int]) -> Image.Image:
    """Return a slice in true proportions on a black ground of `box` pixels, each label tinted and outlined in its colour."""
    gray, labels = (np.take(array, at, plane).T for array in (shown.hu, shown.mask))
    x_mm, y_mm = (size for axis, size in enumerate(shown.spacing_mm) if axis != plane)
    height_mm, width_mm = gray.shape[0] * y_mm, gray.shape[1] * x_mm
    scale = min(box[0] / width_mm, box[1] / height_mm)
    size = (max(1, int(width_mm * scale)), max(1, int(height_mm * scale)))
    light = np.clip((gray.astype(np.float32) - _LOW_HU) / (_HIGH_HU - _LOW_HU), 0, 1) * 255
    base = Image.fromarray(np.rint(light).astype(np.uint8), "L").resize(size, Image.Resampling.BILINEAR)
    painted = _painted(np.asarray(base), _resized(labels, size), shown.colors)
    found = Image.new("RGB", box)
    corner = ((box[0] - size[0]) // 2, (box[1] - size[1]) // 2)
    found.paste(Image.fromarray(painted, "RGB"), corner)
    _letter(found, _EDGES[plane])
    return found


def caption(found: Image.Image, words: str, *, size: int = 12) -> None:
    """Write into the lower left corner of a picture."""
    write(found, (4, found.height - size - 6), words, size=size)


def write(
    found: Image.Image,
    at: tuple[float, float],
    words: str,
    *,
    size: int,
    anchor: str = "la",
    color: tuple[int, int, int] = _INK,
) -> float:
    """Write with a dark rim, so that it can be read on any ground, in Pillow's own font; return where it ends, in pixels."""
    pen, font = ImageDraw.Draw(found), ImageFont.load_default(size)
    pen.text(at, words, fill=color, font=font, anchor=anchor, stroke_width=1, stroke_fill=(0, 0, 0))
    return float(pen.textbbox(at, words, font=font, anchor=anchor)[2])


def _resized(labels: NDArray[np.integer[Any]], size: tuple[int, int]) -> NDArray[np.integer[Any]]:
    """Return a slice of a mask on the picture's pixels: each takes the voxel that its centre lies in."""
    rows = ((np.arange(size[1]) + 0.5) * labels.shape[0] / size[1]).astype(int)
    columns = ((np.arange(size[0]) + 0.5) * labels.shape[1] / size[0]).astype(int)
    found: NDArray[np.integer[Any]] = labels[np.ix_(rows, columns)]
    return found


def _painted(
    gray: NDArray[np.uint8], labels: NDArray[np.integer[Any]], colors: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    found = np.repeat(gray[:, :, None], 3, 2).astype(np.float32)
    there = labels > 0
    found[there] = found[there] * (1 - _FILL) + colors[labels[there]] * _FILL
    padded = np.pad(labels, 1)
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    rim = there & np.logical_or.reduce([other != labels for other in neighbours])
    found[rim] = colors[labels[rim]]
    return np.rint(found).astype(np.uint8)


def _letter(found: Image.Image, edges: tuple[str, str, str, str]) -> None:
    """Write the directions at the four edges."""
    width, height = found.size
    places = (
        (4, height / 2, "lm"),
        (width - 4, height / 2, "rm"),
        (width / 2, 3, "ma"),
        (width / 2, height - 3, "md"),
    )
    for letter, (x, y, anchor) in zip(edges, places, strict=True):
        write(found, (x, y), letter, size=24, anchor=anchor)
