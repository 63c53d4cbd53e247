"""What is erased by itself: identities at the end of their time, and again and again while the API runs."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from segloop.database import open_engine, transaction
from segloop.settings import Settings
from services.api import sweep
from services.api.main import create_app
from tests.dicom_series import voxels
from tests.integration.editing import upload_mask
from tests.integration.test_dicom import send, study


def client(settings: Settings) -> TestClient:
    return TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"})


def as_owner(settings: Settings, statement: str, **values: Any) -> list[Any]:
    engine = open_engine(settings.owner_database_url)
    with transaction(engine) as conn:
        found = conn.execute(text(statement), values)
        rows = list(found) if found.returns_rows else []
    engine.dispose()
    return rows


def age(settings: Settings, volume_id: str, days: int) -> str:
    """Let what is kept of a volume's patient be older; return its key."""
    ((key,),) = as_owner(settings, "SELECT source_key FROM volumes WHERE id = :v", v=volume_id)
    for table in ("series", "texts"):
        as_owner(
            settings,
            f"UPDATE identity.{table} SET created_at = now() - make_interval(days => :d) WHERE source_key = :k",
            d=days,
            k=key,
        )
    return str(key)


def kept(settings: Settings) -> dict[str, set[str]]:
    return {
        table: {key for (key,) in as_owner(settings, f"SELECT source_key FROM identity.{table}")}
        for table in ("series", "texts")
    }


def test_headers_and_identity_go_together_at_the_end_of_their_time_and_the_ct_stays(
    tmp_path: Path, settings: Settings
) -> None:
    with client(settings) as http:
        values = {"seed": "old", "volume": voxels(seed=401)}
        old = send(http, study(tmp_path, "old", **values)).json()
        new = send(http, study(tmp_path, "new", seed="new", volume=voxels(seed=402))).json()
        drawn = np.zeros((14, 12, 8), np.uint8)
        drawn[1, 1, 1] = 3
        mask = upload_mask(http, old, drawn, np.array(old["affine"]).reshape(4, 4))
    gone, stays = age(settings, old["id"], 31), age(settings, new["id"], 29)
    with client(settings) as http:  # 0 days: for ever
        assert gone in kept(settings)["series"] and gone in kept(settings)["texts"]
    with client(replace(settings, identity_keep_days=30)) as http:
        found = kept(settings)
        assert gone not in found["series"] and gone not in found["texts"]
        assert stays in found["series"] and stays in found["texts"]
        listed = http.post("/v1/identities", json={"volume_ids": [old["id"], new["id"]]}).json()["items"]
        assert [item["volume_id"] for item in listed] == [new["id"]]
        answer = http.get(f"/v1/masks/{mask['id']}/dicom/seg")
        assert (answer.status_code, answer.json()["code"]) == (404, "identity_gone")
        assert http.get(f"/v1/volumes/{old['id']}/content").status_code == 200
        ((detail,),) = as_owner(settings, "SELECT detail FROM audit_events WHERE action = 'identity.erased'")
        assert detail == {"n_series": 1, "keep_days": 30}
        # Sent again, the series is whose it is again.
        assert send(http, study(tmp_path, "again", **values)).json()["id"] == old["id"]
        assert http.post("/v1/identities", json={"volume_ids": [old["id"]]}).json()["items"]


def test_it_is_swept_again_while_the_api_runs(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "EVERY_S", 0.2)
    with client(replace(settings, identity_keep_days=30)) as http:
        volume = send(http, study(tmp_path, seed="hour", volume=voxels(seed=411))).json()
        key = age(settings, volume["id"], 31)
        end = time.monotonic() + 60
        while key in kept(settings)["series"]:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_what_another_part_names_stays(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((project,),) = as_owner(settings, "SELECT id FROM projects LIMIT 1")
    for key in ("named elsewhere", "named by nobody"):
        as_owner(
            settings,
            "INSERT INTO identity.texts (project_id, created_by, source_key, sealed, created_at)"
            " VALUES (:p, 't', :k, '', now() - interval '3 days')",
            p=project,
            k=key,
        )
    monkeypatch.setattr(sweep, "NAMED", (*sweep.NAMED, lambda conn: {"named elsewhere"}))
    with client(settings):
        found = kept(settings)["texts"]
    assert "named elsewhere" in found and "named by nobody" not in found


def test_a_sweep_that_fails_keeps_nobody_from_working(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(conn: object) -> set[str]:
        raise RuntimeError("Canary^Carla")

    monkeypatch.setattr(sweep, "NAMED", (broken,))
    with client(settings) as http:
        assert http.get("/v1/me").status_code == 200
