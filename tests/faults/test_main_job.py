"""The main job with real processes: whatever is killed, every accepted job ends exactly once."""

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from fastapi.testclient import TestClient

from segloop.database import open_engine, transaction
from segloop.model_versions import promote, register
from segloop.nnunet.bundle import import_model
from segloop.nnunet.tiny import expected_labels, write_tiny_model
from segloop.projects import table as projects_table
from segloop.settings import Settings
from segloop.storage import open_store
from services.api.main import create_app

ROOT = Path(__file__).parents[2]
ORGANS = ("brainstem", "spinal_cord", "parotid_right", "parotid_left", "mandible", "larynx", "esophagus")
WORKER = [
    "celery",
    "-A",
    "services.worker_gpu.app",
    "worker",
    "-Q",
    "segmentation",
    "--pool=threads",
    "-n",
    "seg@%h",
]
STAT_WORKER = [word.replace("seg@", "stat@").replace("segmentation", "segmentation-stat") for word in WORKER]
RELAY = ["services.api.relay"]


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts a service of ours as a process; whatever still runs is killed at the end."""
    running: list[subprocess.Popen[bytes]] = []

    def start(module: list[str], **given: str) -> "subprocess.Popen[bytes]":
        own = environment | {
            "OMP_NUM_THREADS": "1",
            "SEGLOOP_INFERENCE_THREADS": "1",
            "SEGLOOP_RESEND_AFTER_S": "2",
            **given,
        }
        command = [sys.executable, "-m", *module]
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stderr=subprocess.DEVNULL)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def client(settings: Settings, tmp_path: Path) -> Iterator[TestClient]:
    """The API with a tiny model in production."""
    store = open_store(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        bucket=settings.s3_bucket,
    )
    info = import_model(write_tiny_model(tmp_path / "nnunet", label_names=ORGANS), tmp_path / "bundle")
    engine = open_engine(settings.database_url)
    with transaction(engine) as conn:
        version, _ = register.register(
            conn,
            store,
            project_id=projects_table.get(conn, "default").id,
            folder=tmp_path / "bundle",
            name="tiny",
            labels=info.labels,
            orientation=info.orientation,
            card="",
            details={},
            actor="tester",
        )
        store.put_bytes(
            version.object_key, register.pack(tmp_path / "bundle")
        )  # the bucket is the test's own
        promote.promote(conn, version.id, actor="tester", reason="test")
    engine.dispose()
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


def volume_bytes(seed: int, shape: tuple[int, int, int], affine: np.ndarray[Any, Any]) -> tuple[bytes, Any]:
    """A CT of clear-cut HU blocks: the tiny model's answer is known, and far from half precision's limits."""
    rng = np.random.default_rng(seed)
    blocks = rng.choice(np.array([-1000, -100, 170, 430, 700], np.int16), size=[-(-n // 4) for n in shape])
    array = blocks.repeat(4, 0).repeat(4, 1).repeat(4, 2)[: shape[0], : shape[1], : shape[2]]
    return gzip.compress(nib.Nifti1Image(array, affine).to_bytes(), 1, mtime=0), array


def submit(client: TestClient, body: bytes) -> str:
    made = client.post("/v1/projects/default/uploads", json={"size_bytes": len(body)}).json()
    client.put(f"/v1/uploads/{made['id']}/parts/1", content=body)
    volume = client.post(f"/v1/uploads/{made['id']}/complete").json()
    job = client.post("/v1/jobs", json={"kind": "segment", "input": {"volume_id": volume["id"]}})
    assert job.status_code == 202, job.text
    return str(job.json()["id"])


def wait(client: TestClient, job_id: str, *states: str, limit_s: float = 60) -> dict[str, Any]:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
        if job["state"] in states:
            return job
        assert job["state"] in ("queued", "running"), job
        time.sleep(0.1)
    pytest.fail(f"job is still {job['state']} ({job['stage']}) after {limit_s} s")


def mask_of(client: TestClient, job: dict[str, Any]) -> Any:
    body = client.get(f"/v1/masks/{job['mask_id']}/content").content
    return nib.Nifti1Image.from_bytes(gzip.decompress(body))


def once(client: TestClient, jobs: list[dict[str, Any]]) -> bool:
    """Say whether each job has exactly one mask."""
    return all(len(client.get(f"/v1/volumes/{job['volume_id']}/masks").json()["items"]) == 1 for job in jobs)


OBLIQUE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.2, -0.1, 0.15) @ np.diag([-3.0, 3.0, 3.0]), [11.0, -7.0, 3.5]
)
GRIDS = [
    ((24, 20, 16), np.diag([3.0, 3.0, 3.0, 1.0])),
    ((24, 20, 16), np.array([[0, 0, 3.0, 1], [-3.0, 0, 0, 2], [0, -3.0, 0, 3], [0, 0, 0, 1]])),
    ((20, 24, 16), OBLIQUE),
]


def test_a_ct_goes_in_and_the_right_mask_comes_out(client: TestClient, start: Any) -> None:
    start(RELAY)
    start(WORKER)
    for seed, (shape, affine) in enumerate(GRIDS):
        body, array = volume_bytes(100 + seed, shape, affine)
        job = wait(client, submit(client, body), "succeeded")
        image = mask_of(client, job)
        assert np.array_equal(np.asarray(image.dataobj), expected_labels(array))
        assert np.allclose(image.affine, affine, atol=1e-4)
        assert set(job["timings"]) >= {"fetching", "predicting", "encoding"}
        assert once(client, [job])


def test_a_worker_killed_in_mid_inference_loses_nothing(client: TestClient, start: Any) -> None:
    start(RELAY)
    worker = start(WORKER)
    body, array = volume_bytes(200, (224, 224, 160), np.diag([3.0, 3.0, 3.0, 1.0]))
    job_id = submit(client, body)
    end = time.monotonic() + 60
    while client.get(f"/v1/jobs/{job_id}").json()["stage"] != "predicting":
        assert time.monotonic() < end
        time.sleep(0.02)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    start(WORKER)
    job = wait(client, job_id, "succeeded")
    assert (job["attempt"], job["interruptions"], job["failures"]) == (2, 1, 0)
    # At the volume's rim nnU-Net's half-precision weights are too coarse for an exact answer.
    inner = (slice(8, -8),) * 3
    assert np.array_equal(np.asarray(mask_of(client, job).dataobj)[inner], expected_labels(array)[inner])
    assert once(client, [job])


def test_a_killed_relay_and_an_emptied_broker_lose_nothing(
    client: TestClient, start: Any, redis_url: str, settings: Settings
) -> None:
    import redis

    relay = start(RELAY)
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    jobs = [submit(client, volume_bytes(300 + n, (16, 16, 16), affine)[0]) for n in range(6)]
    time.sleep(0.3)
    relay.send_signal(signal.SIGKILL)
    with redis.Redis.from_url(redis_url) as broker:
        broker.flushall()
    start(RELAY)
    start(WORKER)
    ended = [wait(client, job_id, "succeeded") for job_id in jobs]
    assert [job["attempt"] for job in ended] == [1] * 6
    assert once(client, ended)


def test_a_running_job_is_cancelled_between_two_tiles(client: TestClient, start: Any) -> None:
    start(RELAY)
    start(WORKER)
    body, _ = volume_bytes(400, (256, 256, 160), np.diag([3.0, 3.0, 3.0, 1.0]))
    job_id = submit(client, body)
    while client.get(f"/v1/jobs/{job_id}").json()["stage"] != "predicting":
        time.sleep(0.02)
    began = time.monotonic()
    client.post(f"/v1/jobs/{job_id}/cancel")
    job = wait(client, job_id, "cancelled", limit_s=10)
    assert time.monotonic() - began < 10
    assert client.get(f"/v1/volumes/{job['volume_id']}/masks").json()["items"] == []


def test_a_worker_kept_free_for_stat_takes_nothing_else(client: TestClient, start: Any) -> None:
    start(RELAY)
    start(STAT_WORKER, SEGLOOP_WORKER_TAKES="stat")
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    routine, other = (submit(client, volume_bytes(500 + n, (16, 16, 16), affine)[0]) for n in range(2))

    def make_stat(job_id: str) -> None:
        volume_id = client.get(f"/v1/jobs/{job_id}").json()["volume_id"]
        body = {"kind": "segment", "input": {"volume_id": volume_id}, "parameters": {"priority": "stat"}}
        assert client.post("/v1/jobs", json=body).json()["id"] == job_id

    make_stat(other)
    assert wait(client, other, "succeeded")["worker"].startswith("segmentation-stat@")
    assert client.get(f"/v1/jobs/{routine}").json()["state"] == "queued"
    make_stat(routine)
    wait(client, routine, "succeeded")


def test_a_worker_started_on_a_queue_that_is_not_its_own_ends_at_once(start: Any) -> None:
    assert start(WORKER, SEGLOOP_WORKER_TAKES="stat").wait(60) != 0
    assert start(STAT_WORKER).wait(60) != 0
    assert start(WORKER, SEGLOOP_WORKER_TAKES="urgent").wait(60) != 0
