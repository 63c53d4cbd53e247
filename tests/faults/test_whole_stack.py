"""Everything at once, as `./segloop demo` starts it: a CT goes in, a mask comes out, Flower has seen it."""

import contextlib
import gzip
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import nibabel
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

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
    environment |= {"SEGLOOP_LEASE_S": "5", "SEGLOOP_HEARTBEAT_S": "1", "SEGLOOP_REAPER_INTERVAL_S": "1"}
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


def test_a_ct_that_is_not_in_hu_is_segmented_only_with_a_stated_offset(home: Path, tmp_path: Path) -> None:
    ct, _, geometry = phantom.head_and_neck(shape=(64, 56, 48), spacing_mm=(3.0, 3.0, 3.0), seed=4)
    path = tmp_path / "shifted.nii.gz"
    image = nibabel.Nifti1Image(ct + 1024, geometry.affine)  # type: ignore[no-untyped-call]
    nibabel.save(image, path)
    refused = _segloop(home, "demo", str(path))
    assert refused.returncode == 1 and "don't look like HU" in refused.stderr
    shown = _segloop(home, "demo", str(path), "--hu-offset", "-1024")
    assert shown.returncode == 0, shown.stderr
    mask = nibabel.load(home / "demo/shifted-mask.nii.gz")
    assert np.mean(np.asarray(mask.dataobj) == expected_labels(ct)) > 0.999  # type: ignore[attr-defined]


def test_a_file_that_is_no_ct_is_refused_with_the_apis_own_words(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.nii.gz"
    path.write_bytes(b"these are notes, not a CT")
    refused = _segloop(home, "demo", str(path))
    assert refused.returncode == 1
    assert refused.stderr.startswith("segloop: ")
    assert "Traceback" not in refused.stderr


def _connect(home: Path) -> httpx.Client:
    settings = Settings.from_env(state.environment(home))
    headers = {"Authorization": f"Bearer {settings.token}"}
    return httpx.Client(base_url=settings.api_url, headers=headers, timeout=30)


def _submit(api: httpx.Client, ct: NDArray[np.int16], affine: NDArray[np.float64]) -> str:
    image = nibabel.Nifti1Image(ct, affine)  # type: ignore[no-untyped-call]
    body = gzip.compress(image.to_bytes(), 1)
    upload = api.post("/v1/projects/default/uploads", json={"size_bytes": len(body)}).json()
    api.put(f"/v1/uploads/{upload['id']}/parts/1", content=body).raise_for_status()
    volume = api.post(f"/v1/uploads/{upload['id']}/complete").raise_for_status().json()
    job = api.post("/v1/jobs", json={"kind": "segment", "input": {"volume_id": volume["id"]}})
    return str(job.raise_for_status().json()["id"])


def _wait(done: Callable[[], bool], limit_s: float) -> None:
    limit = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < limit
        time.sleep(0.05)


def _kill_everything(home: Path) -> None:
    """End the supervisor first, as a power cut would find it, and each service with all that it started."""
    noted = state.read(home)
    assert noted.supervisor is not None
    services = [psutil.Process(row["pid"]) for row in noted.services if row["pid"]]
    processes = [child for service in services for child in [service, *service.children(recursive=True)]]
    os.kill(noted.supervisor, signal.SIGKILL)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive


@pytest.mark.slow
@pytest.mark.parametrize("broker_is_lost", [False, True], ids=["broker kept", "broker lost"])
def test_the_whole_stack_killed_in_mid_inference_ends_every_accepted_job_exactly_once(
    home: Path, tmp_path: Path, broker_is_lost: bool
) -> None:
    model = write_tiny_model(tmp_path / "model", label_names=ORGANS)
    _segloop(home, "models", "import", str(model), "--promote", "the only model of this test")
    grid = np.diag([3.0, 3.0, 3.0, 1.0])
    rng = np.random.default_rng(int(broker_is_lost))
    large = rng.choice(np.array([-1000, 170, 700], np.int16), (256, 256, 160))  # one part when packed
    small = [rng.integers(-1000, 1000, (16, 16, 16)).astype(np.int16) for _ in range(3)]
    with _connect(home) as api:
        jobs = [_submit(api, ct, grid) for ct in [large, *small]]
        _wait(lambda: api.get(f"/v1/jobs/{jobs[0]}").json()["stage"] == "predicting", 60)
    _kill_everything(home)
    if broker_is_lost:
        shutil.rmtree(home / "valkey")
    started = _segloop(home, "up")
    assert started.returncode == 0, started.stderr
    with _connect(home) as api:
        ended = []
        for job_id in jobs:
            _wait(lambda job_id=job_id: api.get(f"/v1/jobs/{job_id}").json()["state"] == "succeeded", 90)
            ended.append(api.get(f"/v1/jobs/{job_id}").json())
        assert [job["attempt"] for job in ended] == [2, 1, 1, 1]
        assert (ended[0]["interruptions"], ended[0]["failures"]) == (1, 0)
        for job in ended:
            masks = api.get(f"/v1/volumes/{job['volume_id']}/masks").json()["items"]
            assert [mask["id"] for mask in masks] == [job["mask_id"]]
            assert api.get(f"/v1/masks/{job['mask_id']}/content").status_code == 200
            states = [event["state"] for event in api.get(f"/v1/jobs/{job['id']}/history").json()["items"]]
            assert states.count("succeeded") == 1
