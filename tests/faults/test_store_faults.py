"""The object store is away, slow, full of errors or breaks off, an object changes, and scratch has no room left."""

import gzip
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import nibabel as nib
import numpy as np
import pytest

from segloop.database import transaction
from segloop.volumes import table as volumes_table
from tests.faults.proxy import NONE, REFUSE, Fault
from tests.faults.rig import Rig, sized, wait_for

ERROR_500 = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/xml\r\nContent-Length: 97\r\nConnection: close\r\n\r\n"
    b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>faults</Message></Error>          "
)
AWAY = {
    "refuses": REFUSE,
    "answers 500": Fault(answer=ERROR_500),
    "breaks off": Fault(break_after_bytes=200),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", list(AWAY))
def test_r11_a_store_that_is_away_longer_than_a_job_may_be_interrupted_costs_no_job(
    rig: Rig, how: str
) -> None:
    rig.relay(SEGLOOP_MAX_INTERRUPTIONS="3")
    worker = rig.worker(SEGLOOP_MAX_INTERRUPTIONS="3")
    ids = rig.submit(4)
    rig.doors["s3"].set(AWAY[how])
    more = rig.submit(sized(4, 20))

    def given_back() -> bool:
        return sum(rig.job(job_id).attempt for job_id in [*ids, *more]) > 8

    wait_for(given_back, "the store to be missed", 120, 0.2)
    rig.doors["s3"].set(NONE)
    verdict = rig.settle([*ids, *more])
    assert verdict.states == {"succeeded": len(ids) + len(more)} and worker.poll() is None
    assert verdict.reasons["storage_unavailable"] > 3


@pytest.mark.slow
def test_r11_an_upload_that_breaks_off_leaves_no_volume_and_can_be_finished(rig: Rig) -> None:
    _, address = rig.api()
    ct = np.random.default_rng(time.monotonic_ns()).integers(-1000, 1000, (40, 40, 40)).astype(np.int16)
    image = nib.Nifti1Image(ct, np.diag([3.0, 3.0, 3.0, 1.0]))
    body = gzip.compress(image.to_bytes(), 1)
    with httpx.Client(base_url=address, headers=rig.headers, timeout=60) as http:
        made = http.post("/v1/projects/default/uploads", json={"size_bytes": len(body)}).json()
        part = f"/v1/uploads/{made['id']}/parts/1"
        rig.doors["s3"].set(Fault(reset_rate=1.0))
        assert http.put(part, content=body).status_code == 503
        rig.doors["s3"].set(NONE)
        assert http.get(f"/v1/uploads/{made['id']}").json()["received"] == []
        assert http.put(part, content=body).status_code == 200
        rig.doors["s3"].set(Fault(answer=ERROR_500))
        away = http.post(f"/v1/uploads/{made['id']}/complete")
        assert (away.status_code, away.json()["code"]) == (503, "storage_unavailable")
        rig.doors["s3"].set(Fault(delay_s=0.05, slice_bytes=8192))  # slow
        done = http.post(f"/v1/uploads/{made['id']}/complete")
        assert done.status_code == 201, done.text
        rig.doors["s3"].set(NONE)
        content = http.get(f"/v1/volumes/{done.json()['id']}/content").content
        assert content == body


@pytest.mark.slow
def test_r12_a_ct_that_was_changed_or_lost_in_the_store_is_not_segmented(rig: Rig) -> None:
    rig.relay()
    rig.worker()
    with transaction(rig.engine) as conn:
        key = volumes_table.get(conn, rig.volume_id).object_key
    good = rig.store.read(key)
    for bad, code in (
        (good[:100] + bytes([good[100] ^ 1]) + good[101:], "volume_damaged"),
        (None, "object_missing"),
    ):
        rig.store.delete(key) if bad is None else rig.store.put_bytes(key, bad)
        (job_id,) = rig.submit(1)
        verdict = rig.settle([job_id])
        assert verdict.states == {"failed": 1}
        assert (rig.job(job_id).error_code, rig.job(job_id).attempt) == (code, 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("NOT RUN: nothing can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_r13_a_worker_without_room_gives_jobs_back_and_does_them_once_there_is_some(
    rig: Rig, small_disk: Path
) -> None:
    rig.relay()
    worker = rig.worker(SEGLOOP_SCRATCH=str(small_disk))
    wait_for(lambda: any(small_disk.glob("alive-*")), "the worker")
    fill(small_disk)
    ids = rig.submit(3)
    wait_for(lambda: "no room on the disk" in worker.log.read_text(), "the full disk to be met")
    (small_disk / "filler").unlink()
    verdict = rig.settle(ids)
    assert verdict.states == {"succeeded": 3} and verdict.reasons["scratch_full"] > 0
    assert {path.name.partition("-")[0] for path in small_disk.iterdir()} == {"alive"}


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 8, 48])
def test_r13_an_api_without_room_refuses_no_file_for_good(rig: Rig, small_disk: Path, room: int) -> None:
    """`room` kB are left: for nothing, for the upload alone, and for some of what is made of it."""
    _, address = rig.api(SEGLOOP_SCRATCH=str(small_disk))
    ct = np.random.default_rng(time.monotonic_ns()).integers(-1000, 1000, (8, 8, 8)).astype(np.int16)
    large = np.zeros((64, 64, 64), np.int16)
    large[:8, :8, :8] = ct
    body = gzip.compress(nib.Nifti1Image(large, np.diag([3.0, 3.0, 3.0, 1.0])).to_bytes(), 9)
    with httpx.Client(base_url=address, headers=rig.headers, timeout=60) as http:
        made = http.post("/v1/projects/default/uploads", json={"size_bytes": len(body)}).json()
        assert http.put(f"/v1/uploads/{made['id']}/parts/1", content=body).status_code == 200
        fill(small_disk, leave=room * 1024)
        answers = [
            http.post(f"/v1/uploads/{made['id']}/complete"),
            http.post("/v1/projects/default/volumes", content=body),
        ]
        rig.note("answers", [answer.json().get("code", answer.status_code) for answer in answers])
        for answer in answers:
            assert answer.status_code in (201, 200) or (
                answer.status_code == 503 and "Retry-After" in answer.headers
            ), answer.text
        (small_disk / "filler").unlink()
        done = http.post(f"/v1/uploads/{made['id']}/complete")
        assert done.status_code in (200, 201), done.text
    # Its pictures may still be in the making.
    wait_for(
        lambda: not [path for path in small_disk.iterdir() if path.name.startswith("segloop-")],
        "nothing is left on the small disk",
    )


def fill(folder: Path, *, leave: int = 0) -> None:
    """Leave so many bytes of a disk."""
    with (folder / "filler").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * min(4096, max(1, shutil.disk_usage(folder).free - leave)))
            except OSError:
                return
            if shutil.disk_usage(folder).free <= leave:
                return
