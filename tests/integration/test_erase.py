"""One patient is erased everywhere, others are not touched, and it is kept which models learned from them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select, text, update

from segloop.audit.seals import seal
from segloop.database import Engine, metadata, open_engine, transaction
from segloop.errors import Conflict, InvalidInput, NotFound, Unavailable
from segloop.imaging.dicom.identity import identify
from segloop.settings import Settings
from segloop.stack.erasure import table
from segloop.stack.erasure.erase import Erasure
from segloop.storage import ObjectStore
from services.api.main import create_app
from tests import worlds
from tests.dicom_series import slices, voxels, write, zipped
from tests.integration.editing import upload, upload_mask
from tests.integration.test_dicom import send
from tests.integration.test_studies import AET, STATE
from tests.learning import store_of

OF_PATIENT = {
    *(
        "patients",
        "volumes",
        "uploads",
        "upload_parts",
        "jobs",
        "job_events",
        "job_requests",
        "outbox",
        "held_jobs",
    ),
    *("masks", "drafts", "draft_entries", "feedback", "training_cases", "test_patients", "received_series"),
    "gateway_orders",
}
"""Tables whose rows are about a patient; a new one has to be put here or into `table.NEVER`, or is neither's."""
OF_NOBODY = {"workers", "webhook_deliveries", "identity.series", "identity.texts"}
"""Rows of no patient (a delivery holds ids of rows), and those that hang on one by a key that is no foreign key."""


@pytest.fixture
def owner(settings: Settings) -> Iterator[Engine]:
    found = open_engine(settings.owner_database_url)
    yield found
    found.dispose()


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return replace(settings, gateway_spool=tmp_path / "spool")


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as found:
        yield found


def said(erasure: Erasure, *, dry_run: bool = False) -> str:
    lines: list[str] = []
    erasure.run(lines.append, dry_run=dry_run)
    return "\n".join(lines)


def make_world(owner: Engine, slug: str) -> worlds.World:
    """A row in every table, seals and sealed texts that are none, too (so this comes last); training and its evaluation have a job of their own, as they do."""
    jobs, runs, evaluations = (metadata.tables[name] for name in ("jobs", "training_runs", "evaluations"))
    with transaction(owner) as conn:
        world = worlds.make(conn, slug)
        mine = {**world.rows["jobs"]._mapping, "volume_id": None, "natural_key": None, "kind": "train"}
        mine = {name: value for name, value in mine.items() if name not in ("id", "number", "position")}
        job = conn.execute(insert(jobs).values(**mine).returning(jobs.c.id)).scalar_one()
        uploads = metadata.tables["uploads"]
        of_mask = {"purpose": "mask", "volume_id": world.id("volumes")}
        conn.execute(update(uploads).where(uploads.c.id == world.id("uploads")).values(**of_mask))
        conn.execute(update(runs).where(runs.c.id == world.id("training_runs")).values(job_id=job))
        conn.execute(
            update(evaluations).where(evaluations.c.id == world.id("evaluations")).values(job_id=job)
        )
    return world


def counts(owner: Engine, world: worlds.World) -> dict[str, int]:
    with transaction(owner) as conn:
        return {one.fullname: worlds.count(conn, one, world) for one in metadata.sorted_tables}


def study(folder: Path, name: str, *, patient_id: str, seed: str, number: int) -> Path:
    found = slices(voxels(seed=number), seed=seed, patient="Canary^Carla")
    for header in found:
        header.PatientID = patient_id
    return zipped(folder / f"{name}.zip", write(folder / name, found))


def fill(http: TestClient, folder: Path, patient_id: str, start: int) -> list[dict[str, Any]]:
    """Bring a patient into two projects: two CTs, one with a mask, feedback and a draft, and a series that came to nothing."""
    volumes = []
    for number, project in enumerate(("default", "second")):
        name = f"{patient_id}-{project}"
        body = study(folder, name, patient_id=patient_id, seed=name, number=start + number).read_bytes()
        made = http.post(f"/v1/projects/{project}/volumes", content=body)
        assert made.status_code == 201, made.text
        volumes.append(http.get(f"/v1/volumes/{made.json()['id']}").json())
        shown = http.get(f"/v1/volumes/{made.json()['id']}/thumbnail")
        assert shown.status_code == 200  # its viewer copies are there: no object comes any more
    drawn = np.zeros((14, 12, 8), np.uint8)
    drawn[1, 1, 1] = 3
    mask = upload_mask(http, volumes[0], drawn, np.array(volumes[0]["affine"]).reshape(4, 4))
    judged = http.post(f"/v1/masks/{mask['id']}/feedback", json={"verdict": "accepted"})
    assert judged.status_code == 201, judged.text
    opened = http.post(f"/v1/volumes/{volumes[0]['id']}/drafts", json={"base_mask_id": mask["id"]})
    assert opened.status_code == 201, opened.text
    header = slices(voxels(), seed=f"refused {patient_id}", patient="Canary^Carla")[0]
    header.PatientID = patient_id
    identity = {key: value for key, value in identify(header).to_dict().items() if value}
    series = {
        "route": "c-store",
        "sender": "CT1",
        "stage": "failed",
        "n_instances": 8,
        "code": "dicom_gantry_tilt",
    }
    body_ = series | {"received_at": "2026-11-30T10:00:00Z", "identity": identity}
    assert http.put(f"/v1/gateways/{AET}", json=STATE).status_code == 204
    assert http.put(f"/v1/gateways/{AET}/series/k-{patient_id}", json=body_).status_code == 204
    return volumes


def left_of(
    http: TestClient, owner: Engine, store: ObjectStore, volumes: list[dict[str, Any]]
) -> dict[str, Any]:
    with transaction(owner) as conn:
        return {
            "answers": [http.get(f"/v1/volumes/{one['id']}").status_code for one in volumes],
            "identities": [
                conn.execute(text(f"SELECT count(*) FROM identity.{name}")).scalar_one()
                for name in ("series", "texts")
            ],
            "series": len(http.get("/v1/received-series").json()["items"]),
            "objects": len(list(store.list_(""))),
        }


def test_a_patient_is_erased_in_every_project_with_objects_identities_and_spooled_files(
    http: TestClient, owner: Engine, settings: Settings, tmp_path: Path
) -> None:
    labels = [{"index": 3, "name": "a", "color": "#888888"}]
    assert (
        http.post("/v1/projects", json={"slug": "second", "name": "Second", "labels": labels}).status_code
        == 201
    )
    store = store_of(settings)
    others = fill(http, tmp_path, "PID-STAYS", 700)
    before = left_of(http, owner, store, others)
    gone = fill(http, tmp_path, "PID-GONE", 710)
    spooled, kept = settings.gateway_spool / "k-PID-GONE", settings.gateway_spool / "k-PID-STAYS"
    for folder in (spooled, kept):
        (folder / "files").mkdir(parents=True)
        (folder / "files" / "1").write_bytes(b"DICM")
    full = left_of(http, owner, store, gone)
    assert full["objects"] > before["objects"] and full["series"] == before["series"] + 1

    with pytest.raises(NotFound):
        said(Erasure(settings, patient_id="PID"))
    with pytest.raises(InvalidInput):
        said(Erasure(settings))
    erasure = Erasure(settings, patient_id="PID-GONE", issuer="Hospital")
    shown = said(erasure, dry_run=True)
    assert left_of(http, owner, store, gone) == full and spooled.exists()
    assert "      2 volumes" in shown and "      3 identities" in shown and "No model version" in shown

    with transaction(owner) as conn:
        closed = (
            "INSERT INTO identity.texts (created_by, source_key, sealed) VALUES ('t', 'of another key', 'x')"
        )
        conn.execute(text(closed))
    assert "1 identities can't be opened" in said(erasure, dry_run=True)
    with transaction(owner) as conn:
        conn.execute(text("DELETE FROM identity.texts WHERE source_key = 'of another key'"))
    told = said(erasure)
    assert "PID" not in told and "Canary" not in told
    assert left_of(http, owner, store, gone) == before | {"answers": [404, 404]}
    assert left_of(http, owner, store, others) == before
    assert not spooled.exists() and kept.exists()
    assert http.get(f"/v1/volumes/{others[0]['id']}/content").status_code == 200
    found = http.post("/v1/identities/search", json={"text": "Canary Carla"}).json()["volume_ids"]
    assert found == [others[0]["id"]]
    with pytest.raises(NotFound):
        said(erasure)

    with transaction(owner) as conn:
        while seal.seal_once(conn, limit=1000):
            pass
        assert seal.verify(conn).problems == []
        record = "\n".join(conn.execute(text("SELECT a::text FROM audit_events a")).scalars())
    assert "patient.erased" in record and "PID-GONE" not in record and "Canary" not in record
    # The same study may be sent again, as if it had never been here.
    again = study(tmp_path, "again", patient_id="PID-GONE", seed="PID-GONE-default", number=710)
    assert send(http, again).status_code == 201


def test_who_was_ingested_under_another_issuer_setting_is_erased_with_their_images(
    http: TestClient, settings: Settings, tmp_path: Path
) -> None:
    first = send(http, study(tmp_path, "first", patient_id="PID-TWO", seed="issuer 1", number=731)).json()
    later = replace(settings, default_issuer="Hospital")
    with TestClient(create_app(later), headers={"Authorization": f"Bearer {settings.token}"}) as http_later:
        body = study(tmp_path, "second", patient_id="PID-TWO", seed="issuer 2", number=732)
        second = send(http_later, body).json()
    assert first["patient_id"] != second["patient_id"]
    told = said(Erasure(later, patient_id="PID-TWO"))
    assert "      2 volumes" in told and "      2 identities" in told
    assert [http.get(f"/v1/volumes/{one['id']}").status_code for one in (first, second)] == [404, 404]


def test_a_key_that_leads_out_of_the_spool_erases_nothing_there(
    http: TestClient, owner: Engine, settings: Settings, tmp_path: Path
) -> None:
    fill_one = study(tmp_path, "kept", patient_id="PID-OUT", seed="out", number=741)
    volume = send(http, fill_one).json()
    body = {
        "route": "c-store",
        "sender": "CT1",
        "stage": "uploaded",
        "n_instances": 8,
        "volume_id": volume["id"],
        "received_at": "2026-11-30T10:00:00Z",
    }
    assert http.put(f"/v1/gateways/{AET}", json=STATE).status_code == 204
    for key in ("..", "%2e%2e", "a.b", "-0", "a_0", "a0-"):
        assert http.put(f"/v1/gateways/{AET}/series/{key}", json=body).status_code in (404, 405, 422), key
    precious = tmp_path / "precious"
    for folder in (settings.gateway_spool, precious):
        folder.mkdir()
        (folder / "file").write_bytes(b"not theirs")
    for number, key in enumerate(("../precious", str(precious), "..", ".")):
        assert http.put(f"/v1/gateways/{AET}/series/out-{number}", json=body).status_code == 204
        with transaction(owner) as conn:
            conn.execute(
                text("UPDATE received_series SET key = :key WHERE key = :was"),
                {"key": key, "was": f"out-{number}"},
            )
    assert "      0 spool folders" in said(Erasure(settings, volume_id=volume["id"]))
    assert (precious / "file").exists() and (settings.gateway_spool / "file").exists()


def test_what_was_broken_off_is_finished_by_the_same_command(
    http: TestClient, owner: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(3).integers(-1000, 1500, (10, 8, 6)).astype(np.int16)
    volume = upload(http, values, np.diag([2.0, 2, 3, 1]), patient_reference="one of ours")
    store, erasure = store_of(settings), Erasure(settings, volume_id=volume["id"])
    assert http.get(f"/v1/volumes/{volume['id']}/thumbnail").status_code == 200  # its viewer copies are there
    n, deleted = len(list(store.list_(""))), []
    delete = ObjectStore.delete

    def breaks(self: ObjectStore, key: str) -> None:
        if len(deleted) == 2:
            raise Unavailable("storage_unavailable", "The file store can't be reached.")
        deleted.append(key)
        delete(self, key)

    monkeypatch.setattr(ObjectStore, "delete", breaks)
    with pytest.raises(Unavailable):
        said(erasure)
    assert len(list(store.list_(""))) == n - 2
    assert http.get(f"/v1/volumes/{volume['id']}").status_code == 200  # still found, so it can be finished
    monkeypatch.undo()
    said(erasure)
    assert http.get(f"/v1/volumes/{volume['id']}").status_code == 404
    assert not [one.key for one in store.list_("") if one.key in deleted or one.key.startswith("volumes/")]


def test_every_row_that_hangs_on_a_patient_goes_and_no_other(
    owner: Engine, settings: Settings, http: TestClient
) -> None:
    gone, stays = make_world(owner, "gone"), make_world(owner, "stays")
    assert {*OF_PATIENT, *table.NEVER, *OF_NOBODY} >= set(counts(owner, gone))
    erasure = Erasure(settings, volume_id=gone.id("volumes"))
    with pytest.raises(Conflict, match="under way"):  # its upload is open
        said(erasure, dry_run=True)
    uploads, jobs = metadata.tables["uploads"], metadata.tables["jobs"]
    with transaction(owner) as conn:
        conn.execute(update(uploads).values(state="aborted"))
        runs = metadata.tables["training_runs"]
        mine = select(runs.c.job_id).where(runs.c.id == gone.id("training_runs"))
        training = conn.execute(mine).scalar_one()
        state = conn.execute(select(jobs.c.state).where(jobs.c.id == training)).scalar_one()
        conn.execute(update(jobs).where(jobs.c.id == training).values(state="queued"))
    with pytest.raises(Conflict, match="trainings"):  # would make a version that learned from who is gone
        said(erasure, dry_run=True)
    with transaction(owner) as conn:
        conn.execute(update(jobs).where(jobs.c.id == training).values(state=state))
    before = counts(owner, gone)
    told = said(erasure, dry_run=True)
    assert "Learned from this patient, and stays: gone-model_versions-name" in told
    assert f"Training run {gone.id('training_runs')} had cases of this patient" in told
    assert counts(owner, gone) == before
    said(erasure)
    left = {name for name, n in counts(owner, gone).items() if n}
    assert left == set(before) - OF_PATIENT
    assert counts(owner, stays) == before
    with transaction(owner) as conn:
        query = "SELECT action, object_id, project_id::text, detail FROM audit_events WHERE project_id = :p ORDER BY id"
        found = conn.execute(text(query), {"p": gone.project_id}).all()
        events = [event for event in found if event.action.startswith("patient.")]
    assert [event.action for event in events] == ["patient.erasing", "patient.erased"]
    assert events[1].object_id == gone.id("patients") and events[1].project_id == gone.project_id
    assert events[1].detail["model_version_ids"] == [gone.id("model_versions")]
    assert events[1].detail["training_run_ids"] == [gone.id("training_runs")]
    assert events[1].detail["counts"]["masks"] == 1
    assert "pseudonym" not in str(events)
