"""Reports to the API: whatever changed, until it was taken, and after a restart all of it; whose it is only where it belongs."""

import json
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from segloop import schemas
from segloop.errors import InvalidInput, SegloopError, Unavailable
from services.dicom_gateway import report
from services.dicom_gateway.config import read_config
from services.dicom_gateway.deliveries import Delivery
from services.dicom_gateway.report import Reporter
from services.dicom_gateway.spool import Spool
from tests.dicom_series import slices, voxels

YAML = """
destinations:
  pacs: {aet: PACS, host: 10.9.8.7, port: 104, forms: [seg, pdf]}
  web: {kind: stow-rs, url: "https://10.9.8.7/dicom-web", bearer_env: PACS_TOKEN}
rules:
  - {name: scouts, if: {series_description: scout}, project: null}
  - {name: all, priority: stat, outputs: [seg], destinations: [pacs]}
"""


class FakeApi:
    """Takes reports, or raises `error`; all bodies must be such that the API's schemas take them."""

    def __init__(self) -> None:
        self.gateways: list[Mapping[str, Any]] = []
        self.series: list[tuple[str, Mapping[str, Any]]] = []
        self.error: SegloopError | None = None

    def report_gateway(self, aet: str, state: Mapping[str, Any]) -> None:
        if isinstance(self.error, Unavailable):
            raise self.error
        schemas.GatewayState.model_validate(state)
        self.gateways.append(state)

    def report_series(self, aet: str, key: str, body: Mapping[str, Any]) -> None:
        if self.error is not None:
            raise self.error
        schemas.SeriesReport.model_validate(body)
        self.series.append((key, json.loads(json.dumps(body))))


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    for one in slices(voxels())[:2]:
        file = BytesIO()
        one.save_as(file, enforce_file_format=True)
        spool.store("CT1", one.SeriesInstanceUID, one.SOPInstanceUID, file.getvalue())
    return spool


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def reporter(tmp_path: Path, spool: Spool, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> Reporter:
    monkeypatch.setenv("PACS_TOKEN", "hush")
    (tmp_path / "g.yaml").write_text(YAML)
    return Reporter(read_config(tmp_path / "g.yaml"), spool, api)  # type: ignore[arg-type]


def test_it_says_what_it_is_without_addresses_or_secrets(reporter: Reporter, api: FakeApi) -> None:
    reporter.step()
    reporter.step()
    (state,) = api.gateways
    assert state["destinations"] == [
        {"name": "pacs", "kind": "c-store", "forms": ["seg", "pdf"]},
        {"name": "web", "kind": "stow-rs", "forms": ["seg"]},
    ]
    assert state["rules"][1] == {
        "name": "all",
        "project": "default",
        "priority": "stat",
        "forms": ["seg"],
        "destinations": ["pacs"],
        "conditions": {},
    }
    assert state["rules"][0]["project"] is None
    assert state["rules"][0]["conditions"] == {"series_description": "scout"}
    assert "hush" not in str(state) and "10.9.8.7" not in str(state)


def test_a_series_is_reported_when_it_changed_and_not_otherwise(
    reporter: Reporter, api: FakeApi, spool: Spool
) -> None:
    reporter.step()
    reporter.step()
    ((_, first),) = api.series
    assert (first["stage"], first["n_instances"], first["sender"], first["route"]) == (
        "receiving",
        2,
        "CT1",
        "c-store",
    )
    spool.store("CT1", slices(voxels())[0].SeriesInstanceUID, "1.2.3", b"one more")
    (entry,) = spool.entries()
    reporter.step()
    assert api.series[-1][1]["n_instances"] == 3
    due = (Delivery("pacs", "seg", "waiting", "destination_unavailable", "It is away.", 4),)
    spool.write(
        replace(entry, stage="delivering", mask_id="0" * 8, deliveries=due, rule="all", project="default")
    )
    reporter.step()
    last = api.series[-1][1]
    assert (last["stage"], last["mask_id"], last["volume_id"]) == ("delivering", "0" * 8, None)
    assert last["deliveries"] == [
        {
            "destination": "pacs",
            "form": "seg",
            "state": "waiting",
            "code": "destination_unavailable",
            "message": "It is away.",
            "attempts": 4,
            "mask_id": None,
            "ended_at": None,
        }
    ]
    assert len(api.series) == 3 and {one for one, _ in api.series} == {entry.key}


def test_whose_it_is_stands_in_the_identity_and_nowhere_else(reporter: Reporter, api: FakeApi) -> None:
    reporter.step()
    ((key, body),) = api.series
    identity = body.pop("identity")
    header = slices(voxels())[0]
    assert (identity["patient_name"], identity["patient_id"]) == ("Doe^Jane", "PID-4711-Q")
    assert identity["series_uid"] == header.SeriesInstanceUID
    for word in ("Doe", "PID-4711-Q", "ACC-9", str(header.SeriesInstanceUID), str(header.StudyInstanceUID)):
        assert word not in key + str(body)


def test_what_the_api_did_not_take_is_reported_again_and_after_a_restart_everything(
    reporter: Reporter, api: FakeApi, spool: Spool
) -> None:
    api.error = Unavailable("api_unavailable", "It is away.")
    with pytest.raises(Unavailable):
        reporter.step()
    api.error = None
    reporter.step()
    assert len(api.series) == 1
    Reporter(reporter.config, spool, api).step()  # type: ignore[arg-type]
    assert len(api.series) == 2 and api.series[0] == api.series[1]


def test_a_report_that_is_refused_holds_up_no_other_and_is_tried_later(
    reporter: Reporter, api: FakeApi, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter.step()
    spool.store("B", "1.2.3", "1.2.3.4", b"no DICOM")
    api.error = InvalidInput("volume_unknown", "It knows no such volume.")
    reporter.step()
    api.error = None
    reporter.step()
    assert len(api.series) == 1, "not at once"
    monkeypatch.setattr(report, "ALIVE_S", 0.0)
    reporter.step()
    assert len(api.series) == 2 and api.series[1][1]["identity"] is None, "nothing can be read of it"
