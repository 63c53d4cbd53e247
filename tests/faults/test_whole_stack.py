"""Everything at once, as `./segloop demo` starts it: a CT goes in, a mask comes out, Flower has seen it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import nibabel
import numpy as np
import pytest

from segloop.imaging import phantom
from segloop.nnunet.tiny import expected_labels, write_tiny_model
from segloop.settings import Settings
from segloop.stack import state
from segloop.stack.home import open_home
from tests.conftest import ROOT

ORGANS = ("brainstem", "spinal_cord", "parotid_right", "parotid_left", "mandible", "larynx", "esophagus")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A data folder with a running stack; the pages have browser tests of their own."""
    folder = Path(tempfile.mkdtemp(prefix="segloop-test-"))
    open_home(folder)
    started = _segloop(folder, "up")
    assert started.returncode == 0, started.stderr
    yield folder
    assert _segloop(folder, "down").returncode == 0
    shutil.rmtree(folder)


def _segloop(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEGLOOP_")}
    environment |= {"SEGLOOP_HOME": str(home), "SEGLOOP_WITHOUT": "ui", "SEGLOOP_INFERENCE_THREADS": "1"}
    command = [sys.executable, "-m", "segloop.cli", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=180
    )


def test_the_demo_segments_a_ct_and_flower_shows_it_behind_its_password(home: Path, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model", label_names=ORGANS)
    imported = _segloop(home, "models", "import", str(model), "--promote", "the only model of this test")
    assert imported.returncode == 0, imported.stderr
    again = _segloop(home, "models", "import", str(model))
    assert "registered already" in again.stdout

    # The model's own spacing and orientation: each voxel's label then follows from its own HU alone.
    ct, _, geometry = phantom.head_and_neck(shape=(64, 56, 48), spacing_mm=(3.0, 3.0, 3.0))
    path = tmp_path / "ct.nii.gz"
    image = nibabel.Nifti1Image(ct, geometry.affine)  # type: ignore[no-untyped-call]
    nibabel.save(image, path)
    shown = _segloop(home, "demo", str(path))
    assert shown.returncode == 0, shown.stderr
    assert "Research use only" in shown.stdout
    assert "mandible" in shown.stdout
    mask = nibabel.load(home / "demo/ct-mask.nii.gz")
    agreement = np.mean(np.asarray(mask.dataobj) == expected_labels(ct))  # type: ignore[attr-defined]
    assert agreement > 0.999

    settings = Settings.from_env(state.environment(home))
    flower = f"http://127.0.0.1:{state.ports(home)['flower']}"
    assert httpx.get(f"{flower}/api/workers").status_code == 401
    assert httpx.get(f"{flower}/api/workers", auth=("segloop", "wrong")).status_code == 401
    with httpx.Client(base_url=flower, auth=("segloop", settings.token), timeout=30) as operator:
        workers = operator.get("/api/workers", params={"refresh": "1"}).json()
        assert {name.split("@")[0] for name in workers} == {"segmentation", "training"}
        queues = operator.get("/api/queues/length").json()["active_queues"]
        assert {queue["name"] for queue in queues} == {"segmentation", "training"}
        tasks = operator.get("/api/tasks").json().values()
        assert ("segloop.segment", "SUCCESS") in {(task["name"], task["state"]) for task in tasks}


def test_a_file_that_is_no_ct_is_refused_with_the_apis_own_words(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.nii.gz"
    path.write_bytes(b"these are notes, not a CT")
    refused = _segloop(home, "demo", str(path))
    assert refused.returncode == 1
    assert refused.stderr.startswith("segloop: ")
    assert "Traceback" not in refused.stderr
