"""Copies for the viewer are made after the volume is there, once, and never outlive it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from segloop.database import transaction
from segloop.errors import NotFound
from segloop.settings import Settings
from segloop.storage import ObjectStore
from segloop.volumes import table
from services.api.deps import Parts
from services.api.main import create_app
from tests.integration.test_uploads import ct_bytes

PATH = "/v1/projects/default/volumes"


@pytest.fixture
def client(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    app = create_app(settings)
    # Nothing is made beforehand, as where the API ended after its answer.
    monkeypatch.setattr(app.state.parts.copies, "make_soon", lambda volume: None)
    with TestClient(app, headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


def parts(client: TestClient) -> Parts:
    found: Parts = client.app.state.parts  # type: ignore[attr-defined]
    return found


def levels(store: ObjectStore) -> list[str]:
    return sorted(item.key.rpartition("/")[2] for item in store.list_("volumes/") if "level-" in item.key)


def test_whoever_asks_first_has_them_made_and_all_get_the_same(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = client.post(PATH, content=ct_bytes(901)).json()
    store, sandbox = parts(client).store, parts(client).sandbox
    assert levels(store) == []
    runs = []
    run = sandbox.run
    monkeypatch.setattr(sandbox, "run", lambda *given, **more: runs.append(given[0]) or run(*given, **more))
    with ThreadPoolExecutor(4) as pool:
        asked = [f"/v1/volumes/{volume['id']}/levels/{n}" for n in (2, 1, 0, 2)]
        answers = list(pool.map(client.get, asked))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert answers[0].content == answers[3].content != b""
    assert runs == ["levels"]
    assert levels(store) == sorted(f"level-{n}{end}" for n in range(3) for end in ("", ".json"))


def test_copies_of_a_volume_that_went_meanwhile_do_not_stay(client: TestClient) -> None:
    made = client.post(PATH, content=ct_bytes(902)).json()
    known = parts(client).narrow(None)
    with transaction(known.engine) as conn:
        volume = table.get(conn, made["id"])
    before = [item.key for item in known.store.list_("volumes/")]
    original = known.store.read(volume.object_key)
    assert client.delete(f"/v1/volumes/{made['id']}").status_code == 204
    known.store.put_bytes(volume.object_key, original)  # as for whoever read it just before
    with pytest.raises(NotFound):
        known.copies.require(volume)
    prefix = volume.object_key.rpartition("/")[0]
    assert [key for key in before if not key.startswith(prefix)] == [
        i.key for i in known.store.list_("volumes/")
    ]
    assert Path(parts(client).settings.scratch).is_dir()
