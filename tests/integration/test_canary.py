"""A patient's name is planted and everything is done with it: it comes out where it is asked for, and nowhere else."""

import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from segloop.database import Engine, open_engine, transaction
from segloop.errors import InvalidInput
from segloop.imaging.dicom.identity import identify
from segloop.jobs.run import Attempt, Finish, Limits, run_next
from segloop.logs import JsonFormatter
from segloop.projects import table as projects_table
from segloop.settings import Settings
from segloop.webhooks import manage
from services.api import webhook_sender
from services.api.main import create_app
from tests.dicom_series import BROKEN, slices, voxels, write, zipped
from tests.integration.editing import upload_mask
from tests.integration.test_dicom import send
from tests.integration.test_studies import AET, STATE
from tests.learning import store_of
from tests.receiver import Receiver, receiving

NAME = "Canary^Carla"
HEADERS = slices(voxels(seed=601), seed="canary", patient=NAME)
WORDS = (
    *("canary", "carla", "pid-4711-q", "acc-9", "19600102", "1960-01-02"),
    *(HEADERS[0].StudyInstanceUID, HEADERS[0].SeriesInstanceUID, HEADERS[0].SOPInstanceUID),
)
LIMITS = Limits(lease_s=30.0, heartbeat_s=5.0, max_failures=1, max_interruptions=5)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as kept:
        yield kept


@pytest.fixture
def settings(settings: Settings, receiver: Receiver) -> Settings:
    return replace(settings, webhook_key="test-key", webhook_hosts=f"127.0.0.1:{receiver.port}")


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as found:
        yield found


@pytest.fixture
def log(http: TestClient) -> Iterator[io.StringIO]:
    """What every logger of this process writes while the test runs."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonFormatter())
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    found = open_engine(settings.owner_database_url)
    yield found
    found.dispose()


def traces(body: str) -> list[str]:
    return [word for word in WORDS if word in body.casefold()]


def archive(folder: Path, name: str, found: list[Any]) -> Path:
    return zipped(folder / f"{name}.zip", write(folder / name, found), {"Canary Carla.txt": b"Canary"})


def refusals(http: TestClient, folder: Path, volume: dict[str, Any]) -> list[Any]:
    """Do what is refused, in ways in which a program may quote what it was given."""
    tilted = BROKEN["dicom_gantry_tilt"](slices(voxels(seed=602), seed="tilted", patient=NAME))
    odd = slices(voxels(seed=603), seed="odd", patient=NAME)
    for header in odd:
        header.RescaleSlope = "1"
        header.add_new(0x00281053, "LO", NAME)  # a name where a number belongs
    cut = archive(folder, "cut", slices(voxels(seed=604), seed="cut", patient=NAME))
    cut.write_bytes(cut.read_bytes()[:-400])
    headers = [
        send(http, archive(folder, "tilted", tilted)),
        send(http, archive(folder, "odd", odd)),
        send(http, cut),
    ]
    return [
        *headers,
        http.post("/v1/identities", json={"volume_ids": [NAME]}),
        http.post("/v1/identities/search", json={"text": NAME, "patient": NAME}),
        http.post("/v1/identities/search", json={"project": NAME, "text": NAME}),
        http.post("/v1/identities/search", content=b'{"text": "Canary'),
        http.get(f"/v1/volumes/{volume['id']}/deidentified", params={"mask_id": "x"}),
        http.get(f"/v1/projects/default/volumes/{volume['id']}/nothing"),
    ]


def end_jobs(http: TestClient, engine: Engine, settings: Settings) -> None:
    """Let a job end well and another badly, and tell whoever listens."""
    for fails in (False, True):
        http.post("/v1/jobs", json={"kind": "selftest", "parameters": {"queue": "training"}})

        def work(attempt: Attempt, fails: bool = fails) -> Finish:
            if fails:
                raise InvalidInput("not_finite", "Its volume holds NaN.")
            return lambda conn: {}

        run_next(engine, queue="training", works={"selftest": work}, worker="w", limits=LIMITS)
    rules = manage.rules_of(settings)
    assert rules is not None and webhook_sender.send_due(engine, rules) >= 2


def test_a_planted_name_is_in_no_log_metric_object_error_row_or_webhook(
    http: TestClient,
    log: io.StringIO,
    engine: Engine,
    settings: Settings,
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    assert http.post("/v1/projects/default/webhooks", json={"url": receiver.url}).status_code == 201
    answer = send(http, archive(tmp_path, "ct", HEADERS))
    assert answer.status_code == 201, answer.text
    volume = answer.json()
    again = archive(tmp_path, "again", slices(voxels(seed=605), seed="again", patient=NAME)).read_bytes()
    assert http.post("/v1/projects/default/volumes", content=again).status_code == 201
    assert http.put(f"/v1/gateways/{AET}", json=STATE).status_code == 204
    said = {
        "route": "c-store",
        "sender": "CT1",
        "stage": "failed",
        "n_instances": 8,
        "code": "dicom_gantry_tilt",
    }
    identity = {key: value for key, value in identify(HEADERS[0]).to_dict().items() if value}
    body = said | {"received_at": "2026-11-30T10:00:00Z", "identity": identity}
    reported = http.put(f"/v1/gateways/{AET}/series/k1", json=body)
    assert reported.status_code == 204, reported.text

    # It does come out where it is asked for; else the rest would prove nothing.
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[1, 1, 1] = 3
    mask = upload_mask(http, volume, drawn, np.array(volume["affine"]).reshape(4, 4))
    assert traces(http.post("/v1/identities", json={"volume_ids": [volume["id"]]}).text)
    assert len(http.post("/v1/identities/search", json={"text": "canary"}).json()["volume_ids"]) == 2
    assert b"Canary" in http.get(f"/v1/masks/{mask['id']}/dicom/seg").content
    assert (
        http.get(f"/v1/volumes/{volume['id']}/deidentified", params={"mask_id": mask["id"]}).status_code
        == 200
    )
    http.get("/v1/projects/default/worklist", params={"search": "Canary Carla"})

    refused = refusals(http, tmp_path, volume)
    assert all(answer.status_code >= 400 for answer in refused), [answer.status_code for answer in refused]
    end_jobs(http, engine, settings)
    assert len(receiver.got) >= 2

    kept = {f"answer {number}": answer.text for number, answer in enumerate(refused)}
    for address in (
        *("/metrics", "/v1/jobs", "/v1/audit", "/v1/received-series", "/v1/gateways", "/openapi.json"),
        *("/v1/projects/default/worklist", "/v1/projects/default/volumes", f"/v1/volumes/{volume['id']}"),
    ):
        found = http.get(address)
        assert found.status_code == 200, (address, found.text)
        kept[address] = found.text
    kept["log"] = log.getvalue()
    kept["webhooks"] = repr(receiver.got)
    store = store_of(settings)
    for item in store.list_(""):
        kept[f"object {item.key}"] = item.key + store.read(item.key).decode("latin-1")
    with transaction(engine) as conn:
        tables = conn.execute(
            text(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('public', 'identity')"
            )
        ).all()
        for schema, table in tables:
            rows = conn.execute(text(f'SELECT t::text FROM {schema}."{table}" t')).scalars()
            kept[f"table {schema}.{table}"] = "\n".join(rows)
    assert kept["log"] and any(place.startswith("object volumes/") for place in kept)
    found_in = {
        place: [line for line in body.splitlines() if traces(line)][:3] for place, body in kept.items()
    }
    assert {place: lines for place, lines in found_in.items() if lines} == {}
    hexed = [word.encode().hex() for word in ("Canary", "PID-4711-Q")]
    assert not [place for place, body in kept.items() if any(word in body for word in hexed)]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(f"can't read {NAME}"),
        ValueError(f"first line\n{NAME}"),
        ProgrammingError("INSERT", {}, Exception(f"LINE 1: ... VALUES ('{NAME}')")),
        OSError(2, "No such file", f"/scratch/{NAME}.dcm"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_nobody_thought_of_quotes_no_name_in_answer_or_log(
    http: TestClient, log: io.StringIO, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object, **__: object) -> None:
        try:
            raise error
        except Exception as first:
            raise RuntimeError(f"about {NAME}") from first

    monkeypatch.setattr(projects_table, "list_", fails)
    signed_in = {"Authorization": http.headers["Authorization"]}
    answer = TestClient(http.app, headers=signed_in, raise_server_exceptions=False).get("/v1/projects")
    assert answer.status_code == 500 and answer.json()["code"] == "internal"
    written = log.getvalue().replace("test_canary.py", "")
    assert "unexpected error" in written and type(error).__name__ in written
    assert not traces(answer.text) and not traces(written)
