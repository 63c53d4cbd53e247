"""Which slices a simulated person reviewed."""

import numpy as np

from segloop.imaging.geometry import Geometry
from segloop.training.target import ReviewedRegion

WHOLE = ReviewedRegion(whole=True)
EVERY = 10


def every_nth(geometry: Geometry, n: int, *, seed: int, patient: int) -> ReviewedRegion:
    """Return every `n`th axial slice, all labels; the first of them is drawn by seed and the patient's number."""
    along = next(i for i, code in enumerate(geometry.orientation) if code in "SI")
    first = int(np.random.default_rng([seed, patient]).integers(n))
    return ReviewedRegion(ranges={"axial": [(i, i) for i in range(first, geometry.shape[along], n)]})
