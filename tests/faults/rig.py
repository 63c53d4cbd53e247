"""Segloop's processes on real servers with proxies in between: what each case of the catalogue (docs/faults.md) is done with."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sqlalchemy import func, select

from segloop import broker
from segloop.database import Engine, transaction
from segloop.jobs import submit, table
from segloop.jobs.job import JobKind, Priority
from segloop.jobs.table import job_events, jobs
from segloop.model_versions import table as versions_table
from segloop.projects import table as projects_table
from segloop.settings import Settings
from segloop.storage import ObjectStore
from segloop.training.comparisons import promotion
from tests import orthanc
from tests.conftest import ROOT, Stack
from tests.faults import history
from tests.faults.proxy import Proxy

SERVERS = ("postgres", "valkey", "s3")
LONG = os.environ.get("SEGLOOP_FAULTS") == "long"
"""Whether the numbers of the goals are asked for, or the few that CI has time for."""
SEED = int(os.environ.get("SEGLOOP_TEST_SEED") or random.SystemRandom().randrange(2**31))
WORKER = ["celery", "-A", "tests.faults.light_worker", "worker", "-Q", "segmentation", "--pool=threads"]
SHAPE = (8, 8, 8)


def sized(short: int, long: int) -> int:
    """Return how many: so many in CI, so many in the long run."""
    return long if LONG else short


def wait_for(condition: Callable[[], Any], what: str, limit_s: float = 60.0, every_s: float = 0.05) -> float:
    """Return after how many seconds the condition held; fails after `limit_s`."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit_s, f"not within {limit_s:.0f} s: {what}"
        time.sleep(every_s)
    return time.monotonic() - began


class Rig:
    """One test's installation. `note` keeps a figure for the report."""

    def __init__(
        self,
        stack: Stack,
        environment: Mapping[str, str],
        engine: Engine,
        store: ObjectStore,
        folder: Path,
        note: Callable[[str, object], None],
    ) -> None:
        self.stack, self.environment, self.engine, self.store = stack, dict(environment), engine, store
        self.settings = Settings.from_env(self.environment)
        self.random = random.Random(SEED)
        self.note = note
        self._folder = folder
        self._proxies: list[Proxy] = []
        self._started: list[subprocess.Popen[bytes]] = []
        self._n = 0
        self.doors = self.make_doors()
        self.version_id, self.volume_id = "", ""

    def make_doors(self, *servers: str) -> dict[str, Proxy]:
        """Return a proxy in front of each server: all that nothing else goes through."""
        ports = self.stack.servers.ports
        made = {name: Proxy(ports[name], seed=SEED).start() for name in servers or SERVERS}
        self._proxies += made.values()
        return made

    def through(self, doors: Mapping[str, Proxy]) -> dict[str, str]:
        """Return the environment in which a process goes through these proxies."""
        ports, found = self.stack.servers.ports, dict(self.environment)
        for server, proxy in doors.items():
            found = {
                name: value.replace(f"127.0.0.1:{ports[server]}", f"127.0.0.1:{proxy.port}")
                for name, value in found.items()
            }
        return found

    def start(self, module: list[str], *, doors: Mapping[str, Proxy] | None = None, **given: str) -> Any:
        """Start a process of ours behind the proxies; its log is `log_of` it."""
        self._n += 1
        scratch = self._folder / f"scratch-{self._n}"
        scratch.mkdir()
        own = self.through(self.doors | dict(doors or {})) | {
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "SEGLOOP_RESEND_AFTER_S": "2",
            "SEGLOOP_SCRATCH": str(scratch),
            **given,
        }
        log = self._folder / f"log-{self._n}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=ROOT,
                env=os.environ | own,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process.log, process.scratch = log, scratch  # type: ignore[attr-defined]
        self._started.append(process)
        return process

    def relay(self, **given: str) -> Any:
        return self.start(["services.api.relay"], **given)

    def worker(self, *, doors: Mapping[str, Proxy] | None = None, work_s: float = 0.05, **given: str) -> Any:
        self._n += 1
        name = ["-n", f"w{self._n}@%h", "--without-gossip", "--without-mingle", "-l", "WARNING"]
        return self.start([*WORKER, *name], doors=doors, FAULTS_WORK_S=str(work_s), **given)

    def api(self, port: int | None = None, **given: str) -> tuple[Any, str]:
        """Start the API and return (process, address)."""
        port = port or orthanc.free_port()
        command = ["uvicorn", "--factory", "services.api.main:create_app", "--host=127.0.0.1"]
        process = self.start([*command, f"--port={port}", "--log-level=warning"], **given)
        address = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            try:
                return httpx.get(f"{address}/health", timeout=2).status_code == 200
            except httpx.HTTPError:
                return False

        wait_for(answers, "the API")
        return process, address

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.settings.token}"}

    def kill(self, process: Any, number: int = signal.SIGKILL) -> None:
        """End a process and all of its group, and wait until it is gone."""
        os.killpg(process.pid, number)
        process.wait(60)

    def stop(self) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(30)
        for proxy in self._proxies:
            proxy.stop()

    def prepare(self) -> None:
        """Make what jobs are about: one small CT and a model version in production (which the light worker never loads)."""
        from fastapi.testclient import TestClient

        from services.api.main import create_app
        from tests.integration.editing import upload

        with TestClient(create_app(self.settings), headers=self.headers) as http:
            ct = np.random.default_rng(time.monotonic_ns()).integers(-1000, 1000, SHAPE).astype(np.int16)
            self.volume_id = upload(http, ct, np.diag([3.0, 3.0, 3.0, 1.0]))["id"]
        with transaction(self.engine) as conn:
            project_id = projects_table.get(conn, "default").id
            labels = projects_table.insert_label_set(
                conn, project_id=project_id, labels=[{"index": 1, "name": "a", "color": "#cccccc"}], actor="t"
            )
            name = f"faults-{time.monotonic_ns()}"
            version = versions_table.insert_version(
                conn,
                project_id=project_id,
                created_by="t",
                name=name,
                label_set_id=labels.id,
                object_key=f"models/{name}",
                sha256=name,
                size_bytes=1,
                orientation="RAS",
            )
            promotion.promote(conn, version.id, actor="t", reason="the only one of this test")
            self.version_id = version.id

    def submit(
        self, n: int, *, priority: Priority = Priority.ROUTINE, kind: JobKind = JobKind.SEGMENT, **of: Any
    ) -> list[str]:
        """Submit jobs as the API does, past the proxies; each is work of its own."""
        accepted = []
        for first in range(0, n, 200):
            with transaction(self.engine) as conn:
                project_id = projects_table.get(conn, "default").id
                for _ in range(min(200, n - first)):
                    job, _ = submit.submit(
                        conn,
                        project_id=project_id,
                        actor="tester",
                        kind=kind,
                        request={},
                        priority=priority,
                        volume_id=self.volume_id if kind is JobKind.SEGMENT else None,
                        model_version_id=self.version_id if kind is JobKind.SEGMENT else None,
                        parameters=of,
                    )
                    accepted.append(job.id)
        return accepted

    def states(self, ids: Collection[str]) -> dict[str, int]:
        """Return how many of these jobs are in each state."""
        with transaction(self.engine) as conn:
            query = select(jobs.c.state, func.count()).where(jobs.c.id.in_(ids)).group_by(jobs.c.state)
            return {row[0]: row[1] for row in conn.execute(query)}

    def job(self, job_id: str) -> Any:
        with transaction(self.engine) as conn:
            return table.get(conn, job_id)

    def n_open(self, ids: Collection[str]) -> int:
        found = self.states(ids)
        return found.get("queued", 0) + found.get("running", 0)

    def wait_running(self, job_id: str, limit_s: float = 60) -> None:
        wait_for(lambda: self.job(job_id).stage == "predicting", "the job to run", limit_s, 0.01)

    def claimed_at(self, job_id: str, attempt: int) -> Any:
        """Return when an attempt began, on the database's clock, or None."""
        with transaction(self.engine) as conn:
            return conn.execute(
                select(job_events.c.at).where(
                    job_events.c.job_id == job_id,
                    job_events.c.attempt == attempt,
                    job_events.c.reason == "claimed",
                )
            ).scalar_one_or_none()

    def settle(self, ids: Collection[str], limit_s: float = 120.0) -> history.Verdict:
        """Wait until no accepted job waits or runs (I5) and judge what was written down (I1 to I4, I6)."""
        try:
            took = wait_for(lambda: not self.n_open(ids), f"all of {len(ids)} jobs to end", limit_s, 0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._evidence(ids)}") from None
        verdict = history.judge(self.engine, self.store, ids)
        assert not verdict.broken, verdict.broken[:10]
        self.note("jobs", len(ids))
        self.note("settled_s", round(took, 1))
        self.note("states", verdict.states)
        self.note("reasons", verdict.reasons)
        return verdict

    def _evidence(self, ids: Collection[str]) -> str:
        """Return what may say why jobs didn't end: their states, who lives, and how each process' log ends."""
        found = [f"states: {self.states(ids)}"]
        for process in self._started:
            command = " ".join(str(part) for part in process.args[2:])
            lines = process.log.read_text(errors="replace").splitlines()[-15:]  # type: ignore[attr-defined]
            found += [f"-- {command} (pid {process.pid}, ended with {process.poll()})", *lines]
        return "\n".join(found)

    def ring(self, job_id: str) -> None:
        """Ring a bell past the relay."""
        app = broker.make_celery(self.settings.redis_url)
        broker.send(app, task="segloop.segment", queue="segmentation", job_id=job_id)

    def cancel(self, job_id: str) -> None:
        with transaction(self.engine) as conn:
            submit.cancel(conn, job_id, actor="tester")

    def server_pid(self, server: str) -> int:
        child = self.stack.supervisor.children[server]
        assert child.process is not None
        return child.process.pid

    def kill_server(self, server: str, number: int = signal.SIGKILL, *, away_s: float = 0.0) -> float:
        """Kill a server and start it again after a while; returns how long it was away in seconds."""
        child = self.stack.supervisor.children[server]
        assert child.process is not None
        began = time.monotonic()
        os.kill(child.process.pid, number)
        child.process.wait(60)
        time.sleep(away_s)
        child.crashes.clear()  # deaths that a test wants are no crash loop
        self.stack.supervisor.tick()  # it notices
        self.stack.supervisor.start(limit_s=60)
        return time.monotonic() - began
