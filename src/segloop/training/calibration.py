"""Do probabilities mean what they say? The expected calibration error near a label's surface."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BAND_MM = 5.0
N_BINS = 15


class Reliability:
    """Counts over many cases, per label and bin of probability, of voxels within 5 mm of the label's surface.

    Farther away nearly every voxel is certain and right, which would hide any error.
    """

    def __init__(self) -> None:
        self._sums: dict[str, NDArray[np.float64]] = {}

    def add(
        self,
        label: str,
        probability: NDArray[np.floating[Any]],
        truth: NDArray[np.bool_],
        spacing_mm: Sequence[float],
        known: NDArray[np.bool_] | None = None,
    ) -> None:
        """Count one case: the label's probability and its truth on one grid with voxels of `spacing_mm`.

        A label that is absent adds nothing, because it has no surface. `known` says where the truth was reviewed.
        """
        band = near_surface(truth, spacing_mm)
        if known is not None:
            band &= known
        p, hit = probability[band].astype(np.float64), truth[band]
        bins = np.minimum((p * N_BINS).astype(np.int64), N_BINS - 1)
        counts = [
            np.bincount(bins, weights, N_BINS) for weights in (np.ones_like(p), p, hit.astype(np.float64))
        ]
        self._sums[label] = self._sums.get(label, np.zeros((3, N_BINS))) + np.stack(counts)

    def errors(self) -> Mapping[str, float]:
        """Return the expected calibration error per label, 0 to 1, of the labels that were seen.

        The mean over bins, weighted by voxels, of |share of hits - mean probability| (Guo et al., On Calibration of Modern Neural
        Networks, ICML 2017), of the label's own probability and not of the winning class's.
        """
        return {
            label: float(np.abs(hits - p).sum() / n.sum())
            for label, (n, p, hits) in self._sums.items()
            if n.sum() > 0
        }


def near_surface(
    truth: NDArray[np.bool_], spacing_mm: Sequence[float], band_mm: float = BAND_MM
) -> NDArray[np.bool_]:
    """Return the voxels whose centre lies within `band_mm` of the nearest voxel on the other side of the surface.

    Where voxels are larger than that, the voxels next to it.
    """
    band_mm = max(band_mm, *spacing_mm)
    band = np.zeros(truth.shape, dtype=bool)
    boxes = ndimage.find_objects(truth.astype(np.uint8))
    if not boxes:
        return band
    pad = [int(np.ceil(band_mm / mm)) + 1 for mm in spacing_mm]
    box = tuple(slice(max(0, s.start - n), s.stop + n) for s, n in zip(boxes[0], pad, strict=True))
    inside = truth[box]
    to_inside = ndimage.distance_transform_edt(~inside, spacing_mm)
    band[box] = np.where(inside, False, to_inside <= band_mm)
    if not inside.all():
        to_outside = ndimage.distance_transform_edt(inside, spacing_mm)
        band[box] |= inside & (to_outside <= band_mm)
    return band
