"""The whole service on the running stack: jobs a minute, and what it adds to the engine's own time."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx
import psutil

from segloop.errors import Unavailable
from segloop.stack import demo, state
from segloop.stack.applications import ROOT
from segloop.stack.inference import peer, subjects

Say = Callable[[str], None]
Json = dict[str, Any]
ENGINE_STAGES = ("preprocessing", "predicting", "exporting")
SMALL = ((200, 200, 125), (0.9, 0.9, 1.1))
TINY = ((64, 64, 48), (4.0, 4.0, 4.0))
LIMIT_S = 900.0


def measure(root: Path, folder: Path, say: Say, *, short: bool) -> Json:
    """Measure four small cases against one call of nnU-Net's command, the overhead of a job, and several workers.

    The starter model is in production; `short` does one of each.
    """
    environment = state.environment(root)
    headers = {"Authorization": f"Bearer {environment['SEGLOOP_TOKEN']}"}
    folder.mkdir(parents=True, exist_ok=True)
    with httpx.Client(base_url=environment["SEGLOOP_API_URL"], headers=headers, timeout=60) as api:
        demo.ensure_model(api, environment, say)
        size = TINY if short else SMALL
        cases = [
            subjects.write_phantom(folder / f"case{seed}.nii.gz", *size, seed=seed)
            for seed in range(1 if short else 4)
        ]
        volumes = [demo.upload(api, case, lambda _: None)["id"] for case in cases]
        tiny = demo.upload(api, subjects.write_phantom(folder / "tiny.nii.gz", *TINY), lambda _: None)["id"]
        _finish(api, [_post(api, tiny)])  # loads the model
        found: Json = {"overhead_ms": _overhead(api, tiny, 3 if short else 40)}
        say(f"  overhead of a job: {found['overhead_ms']}")
        found["four_cases"] = _four(root, api, volumes)
        cost = peer.predict(
            subjects.of_bundle(folder / "starter", demo.STARTER), cases, folder / "peer", device="cpu"
        )
        found["four_cases"] |= {"peer_wall_s": round(cost.wall_s, 2), "peer_cpu_s": round(cost.cpu_s, 2)}
        say(f"  {len(cases)} small cases: {found['four_cases']}")
        found["jobs_per_minute"] = {}
        for n in (1,) if short else (1, 2, 4):
            with _more_workers(environment, n - 1, folder):
                found["jobs_per_minute"][str(n)] = _per_minute(api, tiny, 2 if short else 24)
            say(f"  {n} workers: {found['jobs_per_minute'][str(n)]} small jobs a minute")
    return found


def _post(api: httpx.Client, volume_id: str, hu_offset: int = 0) -> str:
    # The same work is one job: several at once of one CT differ by HUs, and a later run of the benchmark does it again.
    body = {
        "kind": "segment",
        "project_id": "default",
        "input": {"volume_id": volume_id},
        "parameters": {"hu_offset": hu_offset, "again": True},
    }
    answer = api.post("/v1/jobs", json=body)
    answer.raise_for_status()
    return str(answer.json()["id"])


def _finish(api: httpx.Client, job_ids: Sequence[str]) -> list[Json]:
    """Wait for jobs, asking fifty times a second, and return them."""
    limit, done = time.monotonic() + LIMIT_S, []
    for job_id in job_ids:
        while (job := api.get(f"/v1/jobs/{job_id}").json())["state"] in ("queued", "running"):
            if time.monotonic() > limit:
                raise Unavailable("bench_failed", f"Job {job_id} is not done after {LIMIT_S:.0f} s.")
            time.sleep(0.02)
        if job["state"] != "succeeded":
            raise Unavailable("bench_failed", f"Job {job_id} ended as {job['state']}: {job['error']}")
        done.append(job)
    return done


def _overhead(api: httpx.Client, volume_id: str, n: int) -> Mapping[str, float]:
    """Return p50 and p95 in ms of the time from POST to a finished job, minus the engine's stages."""
    extra = []
    for _ in range(n):
        began = time.monotonic()
        (job,) = _finish(api, [_post(api, volume_id)])
        engine_s = sum(job["timings"].get(stage, 0.0) for stage in ENGINE_STAGES)
        extra.append(1000 * (time.monotonic() - began - engine_s))
    return {"p50": round(median(extra)), "p95": round(quantiles(extra, n=20, method="inclusive")[-1]), "n": n}


def _four(root: Path, api: httpx.Client, volumes: Sequence[str]) -> Json:
    before, began = _cpu_s(root), time.monotonic()
    jobs = _finish(api, [_post(api, volume_id) for volume_id in volumes])
    wall_s, cpu_s = time.monotonic() - began, _cpu_s(root) - before
    engine_s = sum(job["timings"].get(stage, 0.0) for job in jobs for stage in ENGINE_STAGES)
    return {"wall_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2), "engine_wall_s": round(engine_s, 2)}


def _cpu_s(root: Path) -> float:
    """Return the processor seconds of everything that the supervisor runs."""
    supervisor = state.read(root).supervisor
    assert supervisor is not None
    total = 0.0
    for process in psutil.Process(supervisor).children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _per_minute(api: httpx.Client, volume_id: str, n: int) -> float:
    began = time.monotonic()
    _finish(api, [_post(api, volume_id, number) for number in range(n)])
    return round(60 * n / (time.monotonic() - began), 1)


@contextmanager
def _more_workers(environment: Mapping[str, str], n: int, folder: Path) -> Iterator[None]:
    """Run so many workers beside the stack's own, until they are ready and until the block ends."""
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "services.worker_gpu.app",
        "worker",
        "-Q",
        "segmentation",
    ]
    command += ["--pool=threads", "--loglevel=INFO"]
    full = os.environ | dict(environment) | {"PYTHONPATH": str(ROOT)}
    logs = [folder / f"worker-{index}.log" for index in range(n)]
    started = []
    try:
        for index, log in enumerate(logs):
            with log.open("w") as output:
                started.append(
                    subprocess.Popen(
                        [*command, "-n", f"bench-{index}@%h"],
                        cwd=ROOT,
                        env=full,
                        stdout=output,
                        stderr=output,
                    )
                )
        _wait_for(logs)
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)


def _wait_for(logs: Sequence[Path]) -> None:
    limit = time.monotonic() + 120
    while not all(" ready." in log.read_text() for log in logs):
        if time.monotonic() > limit:
            raise Unavailable("bench_failed", f"A worker did not start; see {logs[0].parent}.")
        time.sleep(0.2)
