"""Whether numbers look like Hounsfield units, judged from how the voxel values are distributed."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

AIR_HU = -1000
PERCENTILES = (0.1, 1.0, 5.0, 50.0, 95.0, 99.0, 99.9)
_DARKER_THAN_AIR_HU = -1100
_BINS = 1 << 16
_ZERO_BIN = _BINS // 2


@dataclass
class Distribution:
    """Counts of voxel values, gathered slab by slab: exact for up to 16 bits, to 1 HU (and ±32768) beyond.

    Values are stored numbers; `slope` and `inter` turn them into HU when asked.
    """

    dtype: np.dtype[np.generic]
    slope: float
    inter: float
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BINS, np.int64))
    low: float = np.inf
    high: float = -np.inf

    @classmethod
    def of_int16(cls) -> "Distribution":
        """Return an empty one for HU that are stored as they are."""
        return cls(np.dtype(np.int16), 1.0, 0.0)

    @property
    def is_exact(self) -> bool:
        """Say whether each bin is one stored value."""
        return self.dtype.kind in "iu" and self.dtype.itemsize <= 2

    def add(self, raw: NDArray[np.generic]) -> None:
        """Count a slab of finite stored values, in native byte order."""
        if self.is_exact:
            # Negative values as what their bits mean without a sign: converting them would take eight times as long as counting.
            bins = raw.view(f"u{raw.dtype.itemsize}")
        else:
            hu = raw.astype(np.float64) * self.slope + self.inter
            self.low, self.high = min(self.low, float(hu.min())), max(self.high, float(hu.max()))
            bins = (np.clip(np.rint(hu), -_ZERO_BIN, _ZERO_BIN - 1) + _ZERO_BIN).astype(np.int32)
        self.counts += np.bincount(bins, minlength=_BINS)

    def in_hu(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the HU values that occur, ascending, and how often each does."""
        if not self.is_exact:
            at = np.flatnonzero(self.counts)
            return np.clip(at.astype(np.float64) - _ZERO_BIN, self.low, self.high), self.counts[at]
        n_negative = 1 << (8 * self.dtype.itemsize - 1) if self.dtype.kind == "i" else 0
        ascending = np.roll(self.counts[: 1 << (8 * self.dtype.itemsize)], n_negative)
        at = np.flatnonzero(ascending)
        counts = ascending[at]
        values = (at.astype(np.float64) - n_negative) * self.slope + self.inter
        return (values, counts) if self.slope > 0 else (values[::-1], counts[::-1])

    def extremes(self) -> tuple[float, float]:
        """Return the smallest and the largest HU, exactly."""
        values, _ = self.in_hu()
        return (float(values[0]), float(values[-1])) if self.is_exact else (self.low, self.high)


def percentile(values: NDArray[np.float64], counts: NDArray[np.int64], percent: float) -> float:
    """Return the smallest value with at least `percent` of the voxels at or below it (inverted CDF)."""
    cumulative = np.cumsum(counts)
    at = int(np.searchsorted(cumulative, cumulative[-1] * percent / 100))
    return float(values[min(at, len(values) - 1)])


def why_not_hu(
    values: NDArray[np.float64], counts: NDArray[np.int64], *, is_plain_8_bit: bool = False
) -> str:
    """Say why the values can't be HU, fit for the user, or "" where nothing speaks against it.

    A CT may be cropped to tissue, clipped at -1000 or padded with any value below -1100, so missing air is
    no evidence; values far above water with nothing below it are (an MR, or a CT stored as 0..4095).
    """
    if len(values) > 1 and values[0] < _DARKER_THAN_AIR_HU:
        values, counts = values[1:], counts[1:]  # padding outside the scanner's field of view
    low, high = float(values[0]), float(values[-1])
    span = f"the values run from {low:.6g} to {high:.6g}"
    if high - low < 20:
        return f"{span}, too narrow for a CT"
    if _share(values < _DARKER_THAN_AIR_HU, counts) > 0.05:
        return f"{span}, with many darker than air (-1000 HU)"
    if _share(values < -20, counts) < 0.005:
        if percentile(values, counts, 99) > 300:
            return f"{span}, with no air (-1000 HU) or fat (-100 HU) among them"
        if is_plain_8_bit:
            return f"{span}, stored in 8 bits, which can't hold a CT's range"
    if _share((values > -300) & (values < 350), counts) < 0.002:
        return f"{span}, with no soft tissue (about 0 to 100 HU) among them"
    return ""


def _share(chosen: NDArray[np.bool_], counts: NDArray[np.int64]) -> float:
    return float(counts[chosen].sum() / counts.sum())
