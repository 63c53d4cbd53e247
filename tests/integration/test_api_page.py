"""The examples of docs/api.md do what the page says, on a real server with a worker."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from segloop.nnunet.tiny import expected_labels
from segloop.settings import Settings
from tests.api_server import serve
from tests.conftest import ROOT
from tests.training_runs import NAMES
from tests.worker import working

PAGE = (ROOT / "docs/api.md").read_text()


def examples(language: str) -> str:
    """Return the page's examples in a language, as one program."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert blocks
    return "\n".join(blocks)


def test_the_examples_of_the_page_work(settings: Settings, tmp_path: Path) -> None:
    missing = [name for name in ("curl", "jq") if shutil.which(name) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"NOT RUN: install {' and '.join(missing)}")
    assert not missing, "these are needed in CI"
    folder = tmp_path / "integrator"
    folder.mkdir()
    blocks = np.random.default_rng(5).choice(np.array([-1000, -100, 170, 700], np.int16), (7, 6, 5))
    ct = blocks.repeat(4, 0).repeat(4, 1).repeat(4, 2)
    affine = np.array([[0, -3.0, 0, 5], [3.0, 0, 0, 7], [0, 0, 3.0, -9], [0, 0, 0, 1]])
    nib.Nifti1Image(ct, affine).to_filename(folder / "CT.nii.gz")
    with serve(settings) as url, working(settings, tmp_path):
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "src"),
            "SEGLOOP_API_URL": url,
            "SEGLOOP_TOKEN": settings.token,
        }
        for command in (
            ["bash", "-euo", "pipefail", "-c", examples("sh")],
            [sys.executable, "-W", "error", "-c", examples("python")],
        ):
            ran = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                check=False,
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert ran.returncode == 0, ran.stdout + ran.stderr
            assert not ran.stderr, ran.stderr
    assert "Research use only" in ran.stdout
    for name in ("mask.nii.gz", "mask-again.nii.gz"):
        mask = nib.load(folder / name)
        assert np.allclose(mask.affine, affine)
        assert np.array_equal(np.asarray(mask.dataobj), expected_labels(ct, len(NAMES)))
