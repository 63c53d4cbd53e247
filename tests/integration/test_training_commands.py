"""The learning loop from the command line: what it says, and that refusals are the API's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from segloop.database import open_engine
from segloop.errors import NotFound, SegloopError
from segloop.settings import Settings
from segloop.stack.training import Loop
from services.api.main import create_app
from tests.learning import new_project, put_into_production, small_bundle, upload_case


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


def test_a_run_is_started_shown_and_cancelled(http: TestClient, settings: Settings, tmp_path: Path) -> None:
    said: list[str] = []
    policy = {"minimum_corrections": 1, "test_share": 0.0, "validation_share": 0.0}  # the one case trains
    loop = Loop(http, new_project(http, "terminal", **policy), said.append)
    with pytest.raises(NotFound):
        loop.cancel()
    with pytest.raises(SegloopError) as refused:
        loop.start("quick_tune")
    assert refused.value.code == "no_model"
    engine = open_engine(settings.database_url)
    put_into_production(engine, settings, small_bundle(tmp_path), project="terminal")
    engine.dispose()
    upload_case(http, 1, project="terminal")
    loop.status()
    assert said[0] == "New corrections: 1 of 1 (automatic retraining off)"
    loop.start("quick_tune")
    assert said[-1] == "Last run: quick tune, queued"
    loop.cancel()
    loop.watch()
    assert said[-1] == "Last run: quick tune, cancelled"
    loop.list_versions()
    assert said[-1].split() == ["v1", "production", "first"]
    with pytest.raises(NotFound):
        loop.promote(7, "a reason that is long enough")
    with pytest.raises(SegloopError) as refused:
        loop.reject(1, "no")
    assert refused.value.code == "model_version_in_production"
