"""nnU-Net's own command as a user would start it."""

import os
import shutil
import sys
from pathlib import Path

from segloop.errors import NotFound
from segloop.stack.inference.measured import Cost, run
from segloop.stack.inference.subjects import DATASET, TRAINER, Model


def predict(model: Model, cases: list[Path], folder: Path, *, device: str, mirrored: bool = False) -> Cost:
    """Predict all cases in one call; masks are `folder`/masks/NAME.nii.gz.

    One thread a process, as for the engine beside it, and nnU-Net's own number of processes before and after the network.

    Raises:
        NotFound: `no_peer`.
        Unavailable: `bench_failed`.
    """
    inputs, masks = folder / "inputs", folder / "masks"
    for fresh in (inputs, masks):
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
    for case in cases:
        (inputs / f"{case.name.removesuffix('.nii.gz')}_0000.nii.gz").symlink_to(case.absolute())
    environment = os.environ | {
        "nnUNet_results": str(model.results),
        "nnUNet_raw": str(folder),
        "nnUNet_preprocessed": str(folder),
        "OMP_NUM_THREADS": "1",
        "nnUNet_compile": "f",
    }
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which("nnUNetv2_predict", path=beside)
    if program is None:
        raise NotFound("no_peer", "There is no nnUNetv2_predict beside this Python.")
    command = [program, "-i", str(inputs), "-o", str(masks)]
    command += ["-d", DATASET, "-c", model.configuration, "-tr", TRAINER, "-f", "0", "-device", device]
    return run(command + ([] if mirrored else ["--disable_tta"]), environment, folder / "peer.log")
