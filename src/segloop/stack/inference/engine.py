"""The engine in a process of its own, warm: `python -m segloop.stack.inference.engine REQUEST.json` prints a line per case.

It does what a worker does with a case, without queue and store: read the file, predict, write the mask's file.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from segloop.imaging import nifti
from segloop.imaging.geometry import Geometry
from segloop.model_versions.profiles import Profile
from segloop.nnunet.device import gpu_peak_bytes
from segloop.nnunet.predict import Predictor
from segloop.nnunet.window import Network
from segloop.stack.inference.measured import own_peak_bytes


class Timed(Predictor):
    """A predictor that knows what its network took; on a GPU that is only what calling it takes."""

    network_cpu_s = network_wall_s = 0.0

    def networks(self, profile: Profile) -> Iterator[Network]:
        """Yield the networks with a stopwatch around them."""
        for network in super().networks(profile):
            yield lambda patch, network=network: self._timed(network, patch)  # type: ignore[misc]

    def _timed(self, network: Network, patch: Any) -> Any:
        cpu, wall = time.process_time(), time.monotonic()
        outputs = network(patch)
        self.network_cpu_s += time.process_time() - cpu
        self.network_wall_s += time.monotonic() - wall
        return outputs


def main(request: Path) -> None:
    """Predict the cases of a request (bundle, device, profile, cases, masks) and print what each took as JSON."""
    asked = json.loads(request.read_text())
    predictor = Timed.load(Path(asked["bundle"]), device=asked["device"], threads=1)
    warm = Geometry((64, 64, 64), np.diag([3.0, 3.0, 3.0, 1.0]))
    predictor.predict(np.zeros(warm.shape, np.int16), warm, profile=asked["profile"])
    for case, mask in zip(asked["cases"], asked["masks"], strict=True):
        print(json.dumps(_one(predictor, Path(case), Path(mask), asked["profile"])), flush=True)


def _one(predictor: Predictor, case: Path, mask: Path, profile: Profile) -> dict[str, Any]:
    assert isinstance(predictor, Timed)
    predictor.network_cpu_s = predictor.network_wall_s = 0.0
    gpu_peak_bytes()
    own_peak_bytes()
    stages = _Stages()
    wall, cpu = time.monotonic(), time.process_time()
    stages.enter("reading", 0.0)
    array, geometry = nifti.load(case)
    found = predictor.predict(array, geometry, profile=profile, progress=stages.enter)
    stages.enter("writing", 1.0)
    nifti.write_mask(mask, found, geometry)
    stages.enter("done", 1.0)
    wall_s, cpu_s = time.monotonic() - wall, time.process_time() - cpu
    return {
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "network_cpu_s": predictor.network_cpu_s,
        "network_wall_s": predictor.network_wall_s,
        "stages_s": stages.seconds,
        "peak_bytes": own_peak_bytes(),
        "gpu_bytes": gpu_peak_bytes(),
    }


class _Stages:
    """Wall clock by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stage, self._since = "", time.monotonic()

    def enter(self, stage: str, _: float) -> None:
        now = time.monotonic()
        if self._stage:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = stage, now


if __name__ == "__main__":
    main(Path(sys.argv[1]))
