"""What the worker cannot do fails at once with a clear code, and is not tried again."""

import dataclasses
from pathlib import Path

import numpy as np

from segloop.database import open_engine
from segloop.jobs.run import Attempt, Finish, Limits, run_next
from segloop.settings import Settings
from tests.integration.test_geometry_contract import Service, asymmetric


def test_a_volume_that_cannot_fit_fails_once_before_it_is_downloaded(
    settings: Settings, tmp_path: Path
) -> None:
    service = Service(settings, tmp_path, open_engine(settings.database_url))
    segmenter = dataclasses.replace(service.segmenter, available=lambda: 2**20)
    stages: list[str] = []

    def work(attempt: Attempt) -> Finish:
        try:
            return segmenter.work(attempt)
        finally:
            stages.append(attempt.stage)

    def run() -> object:
        limits = Limits(lease_s=60, heartbeat_s=5, max_failures=3, max_interruptions=3)
        return run_next(
            service.engine, queue="segmentation", works={"segment": work}, worker="w", limits=limits
        )

    job_id = service.submit(asymmetric((17, 14, 12)), np.diag([3.0, 3.0, 3.0, 1.0]))
    assert run() is not None
    ended = service.client.get(f"/v1/jobs/{job_id}").json()
    assert (ended["state"], ended["error"]["code"], ended["attempt"]) == ("failed", "volume_too_large", 1)
    assert "0.0 GiB free" in ended["error"]["message"]
    assert stages == ["loading model"]
    assert run() is None
    service.engine.dispose()
