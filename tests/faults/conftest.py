"""The rig of each fault case, and the seed and figures in the report."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segloop.database import Engine, open_engine
from segloop.storage import open_store
from tests.conftest import Stack
from tests.faults.rig import LONG, SEED, Rig


def pytest_report_header() -> str:
    size = "long" if LONG else "short"
    return f"faults: {size}, SEGLOOP_TEST_SEED={SEED}"


@pytest.fixture(scope="module")
def fault_engine(database_url: str) -> Iterator[Engine]:
    """The test's own way to the database, past every proxy."""
    engine = open_engine(database_url, pool_size=12)
    yield engine
    engine.dispose()


@pytest.fixture
def rig(
    stack: Stack,
    environment: dict[str, str],
    fault_engine: Engine,
    tmp_path: Path,
    record_property: Any,
) -> Iterator[Rig]:
    store = open_store(
        endpoint=environment["SEGLOOP_S3_ENDPOINT"],
        access_key=environment["SEGLOOP_S3_ACCESS_KEY"],
        secret_key=environment["SEGLOOP_S3_SECRET_KEY"],
        bucket=environment["SEGLOOP_S3_BUCKET"],
    )
    # A test before may have failed with a server away.
    stack.supervisor.tick()
    stack.supervisor.start(limit_s=60)
    record_property("load_1min", round(os.getloadavg()[0], 1))
    rig = Rig(stack, environment, fault_engine, store, tmp_path, record_property)
    rig.prepare()
    try:
        yield rig
    finally:
        rig.stop()
