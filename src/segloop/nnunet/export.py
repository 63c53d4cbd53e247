"""From the network's outputs on its own grid to labels on the full one, without ever holding classes x full grid.

nnU-Net interpolates every class to the full grid and takes the largest. Between eight neighbours that agree on the class the
interpolation can't change it, so only where they disagree are the classes interpolated, one plane and a few classes at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from segloop.nnunet.resample import Shape, Way, nearest

MIXED = -1
VALUES_AT_ONCE = 1 << 21
"""How many interpolated logits of one plane are held at once, unless those of one class are more."""


@dataclass(frozen=True)
class _Axis:
    """Where each voxel of the full grid lies on a low axis: `first`, the neighbour after it, and that one's weight.

    Without `second` each voxel is one of the low axis. `cell` is which pair of neighbours (or voxel) each lies in.
    """

    first: torch.Tensor
    cell: torch.Tensor
    second: torch.Tensor | None = None
    weight: torch.Tensor | None = None


def write_labels(
    logits: torch.Tensor,
    out: NDArray[Any],
    way: Way,
    *,
    step: Callable[[float], None] = lambda fraction: None,
) -> None:
    """Write the class of each voxel of the full grid, which is `out`'s, from logits (classes, three axes) in half precision.

    All but the labels stays on the logits' device. Where the two largest interpolated logits are the same half-precision
    number, the first class wins, as with nnU-Net; `way` must be of order 1. `step` is told the share that is done and may raise.
    """
    low = logits.argmax(0).to(torch.int32)
    shape: Shape = out.shape
    if tuple(low.shape) == shape:
        out[:] = low.cpu().numpy()
        return
    axes = [
        _axis(n, m, logits.device, is_linear=axis != way.apart and n != m)
        for axis, (n, m) in enumerate(zip(low.shape, shape, strict=True))
    ]
    cells = _cells(low, axes)
    del low
    for z, cell in enumerate(axes[0].cell.tolist()):
        step(z / shape[0])
        plane = cells[cell].index_select(0, axes[1].cell).index_select(1, axes[2].cell)
        mixed = (plane == MIXED).view(-1).nonzero()[:, 0]
        if len(mixed):
            plane.view(-1)[mixed] = _interpolated(logits, axes, z, mixed)
        out[z] = plane.cpu().numpy()


def working_bytes(n_classes: int, low: Shape, full: Shape) -> int:
    """Return what `write_labels` holds at most beside logits and labels: the cells, then one plane's interpolation."""
    plane, row = full[1] * full[2], full[1] * low[2]
    at_once = min(n_classes, max(1, VALUES_AT_ONCE // max(row, 1)))
    return 24 * low[0] * low[1] * low[2] + at_once * (16 * row + 16 * plane) + 48 * plane


def _axis(n: int, m: int, device: torch.device, *, is_linear: bool) -> _Axis:
    """Return an axis as `scipy.ndimage.zoom` of order 1 with `grid_mode` and nearest borders sees it, or nearest voxels."""
    if not is_linear:
        picked = torch.from_numpy(nearest(n, m)).to(device)
        return _Axis(picked, picked)
    centres = (n / m * (torch.arange(m, dtype=torch.float64) + 0.5) - 0.5).clamp_(0, n - 1)
    first = centres.floor().long()
    weight = (centres - first).float()
    cell = first.clamp(max=max(n - 2, 0))
    second = (first + 1).clamp(max=n - 1)
    return _Axis(first.to(device), cell.to(device), second.to(device), weight.to(device))


def _cells(low: torch.Tensor, axes: list[_Axis]) -> torch.Tensor:
    """Return the class of each cell whose corners agree, `MIXED` elsewhere."""
    least = most = low
    for dimension, axis in enumerate(axes):
        n = low.shape[dimension]
        if axis.second is not None and n > 1:
            pairs = [
                (array.narrow(dimension, 0, n - 1), array.narrow(dimension, 1, n - 1))
                for array in (least, most)
            ]
            least, most = torch.minimum(*pairs[0]), torch.maximum(*pairs[1])
    return torch.where(least == most, least, MIXED)


def _interpolated(logits: torch.Tensor, axes: list[_Axis], z: int, voxels: torch.Tensor) -> torch.Tensor:
    """Return the class of some voxels, by flat index, of one plane of the full grid."""
    n_columns = len(axes[2].first)
    rows, columns = voxels // n_columns, voxels % n_columns
    width = logits.shape[3]
    left = rows * width + axes[2].first[columns]
    right = None if axes[2].second is None else rows * width + axes[2].second[columns]
    share = None if axes[2].weight is None else axes[2].weight[columns]
    best = torch.full((len(voxels),), -torch.inf, dtype=torch.half, device=logits.device)
    labels = torch.zeros(len(voxels), dtype=torch.int32, device=logits.device)
    at_once = max(1, VALUES_AT_ONCE // (len(axes[1].first) * width))
    for start in range(0, len(logits), at_once):
        some = logits[start : start + at_once]
        place = slice(z, z + 1)
        values = _between(
            some.index_select(1, axes[0].first[place]).float(),
            None if axes[0].second is None else some.index_select(1, axes[0].second[place]).float(),
            None if axes[0].weight is None else axes[0].weight[place],
        )[:, 0]
        values = _along(values, axes[1]).flatten(1)
        found = _between(
            values.index_select(1, left), None if right is None else values.index_select(1, right), share
        )
        # nnU-Net keeps what it interpolated in half precision, too; of equal ones the first is taken.
        top, index = found.half().max(0)
        is_better = top > best
        best = torch.where(is_better, top, best)
        labels = torch.where(is_better, index.to(torch.int32) + start, labels)
    return labels


def _along(values: torch.Tensor, axis: _Axis) -> torch.Tensor:
    """Interpolate the second of three axes."""
    before = values.index_select(1, axis.first)
    if axis.second is None or axis.weight is None:
        return before
    return _between(before, values.index_select(1, axis.second), axis.weight[:, None])


def _between(before: torch.Tensor, after: torch.Tensor | None, weight: torch.Tensor | None) -> torch.Tensor:
    if after is None or weight is None:
        return before
    return before.mul_(1 - weight).addcmul_(after, weight)
