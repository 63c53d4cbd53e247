"""From the network's outputs on its own grid to labels on the full one, without ever holding classes x full grid.

nnU-Net interpolates every output to the full grid and decides there. Between eight neighbours that agree on the label the
interpolation can't change it, so only where they disagree the outputs are interpolated, some rows of one plane at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from typing import Any

import torch
from numpy.typing import NDArray

from segloop.nnunet.resample import Shape, Way, nearest

MIXED = -1
VALUES_AT_ONCE = {"cpu": 1 << 18, "cuda": 1 << 24}
"""How many interpolated outputs are held at once, unless those of one row are more: what a core's cache, or a GPU, holds."""


@dataclass(frozen=True)
class _Axis:
    """Where each voxel of the full grid lies on a low axis: `first`, the neighbour after it, and that one's weight.

    Without `second` each voxel is one of the low axis. `cell` is which pair of neighbours (or voxel) each lies in.
    """

    first: torch.Tensor
    cell: torch.Tensor
    second: torch.Tensor | None = None
    weight: torch.Tensor | None = None


@dataclass(frozen=True)
class _Part:
    """Voxels to interpolate in some rows of a plane: where in those rows their neighbours lie, and the weight of the right one."""

    rows: slice
    left: torch.Tensor
    right: torch.Tensor | None
    share: torch.Tensor | None


def write_labels(
    logits: torch.Tensor,
    out: NDArray[Any],
    way: Way,
    *,
    regions: Sequence[int] = (),
    step: Callable[[float], None] = lambda fraction: None,
) -> None:
    """Write the label of each voxel of the full grid, which is `out`'s, from outputs (n, three axes) in half precision.

    The label is the index of the largest output, the first of those that are equal in half precision, as with nnU-Net. Where
    outputs stand for overlapping `regions` it is the label, given there for each output, of the last one whose probability is above
    one half, else 0. All but the labels stays on the outputs' device; `way` must be of order 1. `step` is told the share
    that is done and may raise.
    """
    shape: Shape = out.shape
    low = _low_labels(logits, regions, is_same_grid=tuple(logits.shape[1:]) == shape)
    if tuple(low.shape) == shape:
        out[:] = low.cpu().numpy()
        return
    axes = [
        _axis(n, m, logits.device, is_linear=axis != way.apart and n != m)
        for axis, (n, m) in enumerate(zip(low.shape, shape, strict=True))
    ]
    cells = _cells(low, axes)
    del low
    # Those of the low grid between which we are, with the outputs of a voxel side by side.
    planes: dict[int, torch.Tensor] = {}
    for cell, group in groupby(range(shape[0]), key=axes[0].cell.tolist().__getitem__):
        plane = cells[cell].index_select(0, axes[1].cell).index_select(1, axes[2].cell)
        mixed = (plane == MIXED).view(-1).nonzero()[:, 0]
        parts = list(_parts(mixed, axes, logits.shape[3], len(logits)))
        is_new = True
        for z in group:
            step(z / shape[0])
            if len(mixed) and (is_new or axes[0].second is not None):
                values = _at_height(logits, axes[0], z, planes)
                plane.view(-1)[mixed] = torch.cat(
                    [_decided(values, axes[1], part, regions) for part in parts]
                )
            is_new = False
            out[z] = plane.cpu().numpy()


def working_bytes(n_outputs: int, low: Shape, full: Shape) -> int:
    """Return what `write_labels` holds at most beside outputs and labels: the cells, then one plane's interpolation."""
    at_once = max(VALUES_AT_ONCE["cpu"] * full[2] / low[2], n_outputs * full[2])
    return int(24 * prod(low) + 12 * n_outputs * low[1] * low[2] + 24 * at_once + 64 * full[1] * full[2])


def _low_labels(logits: torch.Tensor, regions: Sequence[int], *, is_same_grid: bool) -> torch.Tensor:
    """Return the label of each voxel of the low grid, `MIXED` where half precision could make another of it in between.

    Between voxels of one label the largest output stays the largest, but where another comes within the rounding of half
    precision, the two may become equal, and then the first counts.
    """
    if regions:
        return _painted(logits, regions, 0)
    if is_same_grid or len(logits) == 1:
        return logits.argmax(0).to(torch.int32)
    labels = torch.empty(logits.shape[1:], dtype=torch.int32, device=logits.device)
    for z in range(logits.shape[1]):
        values, order = logits[:, z].float().topk(2, 0)
        is_close = values[0] - values[1] <= values[0].abs().mul_(2.0**-10).add_(2.0**-24)
        labels[z] = order[0].to(torch.int32).masked_fill_(is_close, MIXED)
    return labels


def _painted(outputs: torch.Tensor, regions: Sequence[int], dim: int) -> torch.Tensor:
    """Return the labels of outputs of regions along an axis: each is painted over those before it."""
    labels = torch.zeros_like(outputs.select(dim, 0), dtype=torch.int32)
    for index, label in enumerate(regions):
        labels.masked_fill_(torch.sigmoid(outputs.select(dim, index).float()) > 0.5, label)
    return labels


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
    """Return the label of each cell whose corners agree, `MIXED` elsewhere."""
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


def _parts(voxels: torch.Tensor, axes: list[_Axis], low_width: int, n_outputs: int) -> Iterator[_Part]:
    """Yield the parts in which some voxels of a plane of the full grid are interpolated, given by ascending flat index."""
    n_rows, n_columns = len(axes[1].first), len(axes[2].first)
    at_once = max(1, VALUES_AT_ONCE[voxels.device.type] // (low_width * n_outputs))
    starts = range(0, n_rows, at_once)
    ends = torch.tensor([start * n_columns for start in (*starts, n_rows)], device=voxels.device)
    places = torch.searchsorted(voxels, ends).tolist()
    for start, first, stop in zip(starts, places, places[1:], strict=False):
        if first == stop:
            continue
        rows, columns = voxels[first:stop] // n_columns - start, voxels[first:stop] % n_columns
        axis = axes[2]
        yield _Part(
            slice(start, start + at_once),
            rows * low_width + axis.first[columns],
            None if axis.second is None else rows * low_width + axis.second[columns],
            None if axis.weight is None else axis.weight[columns, None],
        )


def _at_height(logits: torch.Tensor, axis: _Axis, z: int, planes: dict[int, torch.Tensor]) -> torch.Tensor:
    """Return the outputs at one height of the full grid (low rows, low columns, n); `planes` keeps those around it."""
    places = [int(end[z]) for end in (axis.first, axis.second) if end is not None]
    for place in planes.keys() - set(places):
        del planes[place]
    for place in places:
        if place not in planes:
            planes[place] = logits[:, place].permute(1, 2, 0).float().contiguous()
    before, *after = (planes[place] for place in places)
    return _between(before, after[0] if after else None, None if axis.weight is None else axis.weight[z])


def _decided(values: torch.Tensor, axis: _Axis, part: _Part, regions: Sequence[int]) -> torch.Tensor:
    """Return the labels of a part's voxels from the outputs at their height, interpolated along rows, then along columns."""
    before = values.index_select(0, axis.first[part.rows])
    after = None if axis.second is None else values.index_select(0, axis.second[part.rows])
    weight = None if axis.weight is None else axis.weight[part.rows, None, None]
    lines = _between(before, after, weight).flatten(0, 1)
    found = _between(
        lines.index_select(0, part.left),
        None if part.right is None else lines.index_select(0, part.right),
        part.share,
    )
    # nnU-Net keeps what it interpolated in half precision, too; of equal ones the first is taken.
    rounded = found.half()
    return _painted(rounded, regions, 1) if regions else rounded.float().max(1)[1].to(torch.int32)


def _between(before: torch.Tensor, after: torch.Tensor | None, weight: torch.Tensor | None) -> torch.Tensor:
    if after is None or weight is None:
        return before
    return (before * (1 - weight)).addcmul_(after, weight)
