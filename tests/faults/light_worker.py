"""A segmentation worker without a network: real bell, engine, stores and masks; the prediction is a threshold and a wait.

`celery -A tests.faults.light_worker worker -Q segmentation`. A job may say in its parameters what is wrong with it.
"""

import os
import signal
import time
from typing import Any

import numpy as np
from celery import Celery

from segloop import logs
from segloop.broker import QueueName, TaskName, install_bell, make_celery
from segloop.database import Engine, open_engine, transaction
from segloop.imaging.labels import LabelSet
from segloop.jobs.bell import Bell, selftest
from segloop.jobs.run import Attempt, Finish, Rest
from segloop.masks import save
from segloop.model_versions import table as versions_table
from segloop.projects import table as projects_table
from segloop.settings import Settings
from segloop.storage import ObjectStore, open_store
from segloop.volumes import table as volumes_table
from segloop.volumes import voxels

WORK_S = "FAULTS_WORK_S"
KINDS = "FAULTS_KINDS"


class Light:
    """What the product's segmenter does, but for the network."""

    def __init__(self, engine: Engine, store: ObjectStore, settings: Settings, work_s: float) -> None:
        self._engine, self._store, self._settings, self._work_s = engine, store, settings, work_s

    def work(self, attempt: Attempt) -> Rest:
        job = attempt.job
        with transaction(self._engine) as conn:
            volume = volumes_table.get(conn, job.volume_id or "")
            version = versions_table.get(conn, job.model_version_id or "")
            label_set = projects_table.get_label_set(
                conn, version.label_set_id, project_id=version.project_id
            )
        attempt.report("fetching", 0.05)
        array = voxels.read(self._store, volume, scratch=self._settings.scratch)
        attempt.report("predicting", 0.1)
        self._suffer(job.parameters.get("fault"))
        work_s = job.parameters.get("work_s", self._work_s)
        if job.attempt == 1:
            work_s = job.parameters.get("first_s", work_s)
        end = time.monotonic() + float(work_s)
        while time.monotonic() < end:
            attempt.check()
            time.sleep(0.01)
        mask = (np.asarray(array) > 0).astype(np.uint8)
        attempt.report("encoding", 0.9)

        def store() -> Finish:
            stored = save.store_objects(
                self._store,
                key=f"masks/{job.id}/attempt-{job.attempt}",
                array=mask,
                volume=volume,
                labels=LabelSet.from_dicts(label_set.labels),
                scratch=self._settings.scratch,
            )

            def finish(conn: Any) -> dict[str, object]:
                row = save.insert(
                    conn,
                    stored,
                    volume=volume,
                    kind="prediction",
                    label_set_id=label_set.id,
                    actor=job.created_by,
                    model_version_id=job.model_version_id,
                    job_id=job.id,
                )
                return {"mask_id": row.id}

            return finish

        return Rest(store)

    def _suffer(self, fault: str | None) -> None:
        if fault == "killed":
            os.kill(os.getpid(), signal.SIGSEGV)
        if fault == "raises":
            raise RuntimeError("a mistake in the work")


def make_app(settings: Settings) -> Celery:
    logs.configure(settings.log_level)
    engine = open_engine(settings.database_url, pool_size=6)
    store = open_store(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        bucket=settings.s3_bucket,
        timeout_s=5,
    )
    light = Light(engine, store, settings, float(os.environ.get(WORK_S, "0.05")))
    works = {"segment": light.work, "selftest": selftest}
    kinds = os.environ.get(KINDS, "segment,selftest").split(",")
    bell = Bell(
        engine,
        queue=QueueName.SEGMENTATION,
        works={kind: works[kind] for kind in kinds},
        settings=settings,
    )
    celery = make_celery(settings.redis_url, [QueueName.SEGMENTATION])
    install_bell(
        celery, [TaskName.SEGMENT, TaskName.SELFTEST], ring=bell.ring, close=bell.close, beat=bell.beat
    )
    return celery


def __getattr__(name: str) -> Celery:
    if name == "app":
        globals()["app"] = make_app(Settings.from_env())
        return globals()["app"]
    raise AttributeError(name)
