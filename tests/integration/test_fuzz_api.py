"""Requests that nobody would send, to every operation of the API as its OpenAPI describes them: none is an internal error.

With real servers, all of them up: so a 503 is a bug, too. `./segloop fuzz` sends more.
"""

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis.openapi
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.generation import GenerationMode

from segloop.database import open_engine, transaction
from segloop.settings import Settings
from tests import worlds
from tests.api_server import serve
from tests.fuzz.one import rss_mib

N = int(os.environ.get("SEGLOOP_FUZZ_INPUTS", "1000"))
SEED = int(os.environ.get("SEGLOOP_FUZZ_SEED", "0"))
REPORT = os.environ.get("SEGLOOP_FUZZ_REPORT")
LONGEST_S = 20.0
LEFT_OUT = {
    "DELETE /v1/sessions/current",  # ends no session: the installation's token has none
    "GET /v1/audit/export",  # all of the record, which every request here makes longer; tried by hand below
}
AWAY = {"parser_busy"}
"""Refusals that say of themselves that they are about load."""
# Which table's row a path's parameter means.
ROWS = {
    "volume_id": "volumes",
    "mask_id": "masks",
    "job_id": "jobs",
    "draft_id": "drafts",
    "upload_id": "uploads",
    "model_version_id": "model_versions",
    "training_run_id": "training_runs",
    "webhook_id": "webhooks",
    "delivery_id": "webhook_deliveries",
    "series_id": "received_series",
    "order_id": "gateway_orders",
    "key_id": "api_keys",
}


@pytest.fixture
def world(settings: Settings) -> worlds.World:
    engine = open_engine(settings.owner_database_url)
    with transaction(engine) as conn:
        found = worlds.make(conn, "fuzzed")
    engine.dispose()
    return found


@pytest.fixture
def address(settings: Settings, world: worlds.World) -> Iterator[str]:
    with serve(replace(settings, webhook_key="test-key")) as found:
        yield found


def test_no_request_is_an_internal_error(address: str, settings: Settings, world: worlds.World) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    operations = [one for one in operations if one.label not in LEFT_OUT]
    assert len(operations) > 90
    known = {
        **{name: world.id(table) for name, table in ROWS.items()},
        "project": world.slug,
        "name": world.rows["people"].name,
        "aet": world.rows["gateways"].aet,
    }
    headers = {"Authorization": f"Bearer {settings.token}"}
    chance = random.Random(SEED)
    statuses: Counter[int] = Counter()
    bugs: Counter[str] = Counter()
    each = max(4, N // len(operations))
    began, slowest = time.monotonic(), 0.0
    memory: list[float] = []

    with httpx.Client(base_url=address, headers=headers, timeout=LONGEST_S) as http:
        for operation in operations:

            def send(case: Any, operation: Any = operation) -> None:
                nonlocal slowest
                parameters = dict(case.path_parameters or {})
                for (
                    name
                ) in parameters:  # most of what is guessed is absent; what is there has more ways to fail
                    if name in known and chance.random() < 0.7:
                        parameters[name] = known[name]
                case.path_parameters = parameters
                for name in ("wait", "limit"):
                    if name in (case.query or {}) and chance.random() < 0.9:
                        case.query[name] = 1
                if chance.random() < 0.95:  # signed in; schemathesis would guess a token
                    case.headers = {
                        name: value
                        for name, value in dict(case.headers or {}).items()
                        if name.lower() != "authorization"
                    }
                started = time.monotonic()
                try:
                    answer = case.call(base_url=address, headers=headers, timeout=LONGEST_S)
                except Exception as error:
                    # What no client would send over HTTP (a line feed in a header) never arrives.
                    if "Timeout" in type(error).__name__ or "Connection" in type(error).__name__:
                        bugs[f"{operation.label}: {type(error).__name__}"] += 1
                    return
                slowest = max(slowest, time.monotonic() - started)
                statuses[answer.status_code] += 1
                code = _code(answer)
                is_told = answer.status_code == 503 and "retry-after" in answer.headers and code in AWAY
                if answer.status_code >= 500 and not is_told:
                    bugs[f"{operation.label}: {answer.status_code} {code}"] += 1

            for mode, n in (
                (GenerationMode.POSITIVE, each - each // 2),
                (GenerationMode.NEGATIVE, each // 2),
            ):
                try:
                    strategy = operation.as_strategy(generation_mode=mode)
                    _many(strategy, n, send)
                except Exception as error:  # an operation without parameters has nothing that could be wrong
                    if "Unsatisfiable" not in type(error).__name__ and "NegativeData" not in str(error):
                        raise
            memory.append(rss_mib())
        assert http.get("/ready").status_code == 200
        assert http.get("/v1/audit/export").status_code == 200

    n = sum(statuses.values())
    found = {
        "target": "api",
        "n": n,
        "operations": len(operations),
        "statuses": dict(sorted(statuses.items())),
        "slowest_s": round(slowest, 2),
        "seconds": round(time.monotonic() - began, 1),
        "rss_mib_at_a_fifth": round(memory[len(memory) // 5], 1),
        "rss_mib_at_the_end": round(memory[-1], 1),
        "growth_mib": round(memory[-1] - memory[len(memory) // 5], 1),
        "bugs": dict(bugs),
    }
    if REPORT:
        Path(REPORT).write_text(json.dumps(found))
    assert bugs == {}, found
    assert n > 0.6 * N and statuses[200] > 0.02 * n and statuses[422] > 0.1 * n, found
    assert threading.active_count() < 200


def _many(strategy: Any, n: int, send: Any) -> None:
    @seed(SEED)
    @settings(
        max_examples=n,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(case: Any) -> None:
        send(case)

    run()


def _code(answer: Any) -> str:
    try:
        return str(answer.json().get("code"))
    except Exception:
        return "no problem document"
