"""The memory that a prediction takes is what the estimate says, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from segloop.nnunet import memory
from segloop.nnunet.bundle import import_model
from segloop.nnunet.tiny import write_tiny_model

MEASURE = """
import sys, numpy as np
from pathlib import Path
from segloop.imaging.geometry import Geometry
from segloop.nnunet.memory import FIXED_BYTES, needed_bytes
from segloop.nnunet.predict import Predictor

def status(name):
    return int(Path("/proc/self/status").read_text().split(name + ":")[1].split()[0]) * 1024

predictor = Predictor.load(Path(sys.argv[1]), device="cpu", threads=1)
predictor.predict(np.zeros((32, 32, 32), np.int16), Geometry((32, 32, 32), np.diag([3.0, 3.0, 3.0, 1.0])))
geometry = Geometry((320, 320, 160), np.diag([1.0, 1.0, 2.0, 1.0]))
before = status("VmRSS")
volume = np.full(geometry.shape, 100, np.float32, order="F")
predictor.predict(volume, geometry)
print(status("VmHWM") - before, needed_bytes(geometry, predictor.info) - FIXED_BYTES)
"""


def test_the_estimate_holds_for_a_real_process(tmp_path: Path) -> None:
    import_model(write_tiny_model(tmp_path / "model", labels=15, weights="random"), tmp_path / "bundle")
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "bundle")]

    def measure(**environment: str) -> tuple[int, int]:
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=os.environ | environment
        )
        taken, estimated = map(int, done.stdout.split())
        return taken, estimated

    # As a worker runs, the C library keeps some freed memory or not, as the moment will have it.
    taken, estimated = measure()
    assert taken < estimated + memory.FIXED_BYTES / 2 and estimated < 1.6 * taken, (taken, estimated)
    # Where it gives everything back, what is left is what the arrays take.
    taken, estimated = measure(MALLOC_MMAP_THRESHOLD_="65536", MALLOC_TRIM_THRESHOLD_="65536")
    assert 0.75 < estimated / taken < 1.6, (taken, estimated)
