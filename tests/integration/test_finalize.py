"""Finalizing twice at once: whatever goes wrong with one try, the mask of the other keeps its files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from segloop.database import Engine, open_engine
from segloop.errors import Conflict, Unavailable
from segloop.masks.drafts.finalize import finalize
from segloop.settings import Settings
from segloop.storage import ObjectStore, StoredObject
from services.api.main import create_app
from tests.integration.editing import Draft, download, in_ras, upload

AFFINE = np.diag([-2.0, -2.0, 3.0, 1.0])
SHAPE = (9, 8, 7)
BOX = (slice(1, 4), slice(2, 5), slice(3, 4))


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def draft(http: TestClient, request: pytest.FixtureRequest) -> Draft:
    seed = sum(map(ord, request.node.name))
    array = np.random.default_rng(seed).integers(-1000, 400, SHAPE).astype(np.int16)
    draft = Draft(http, upload(http, array, AFFINE)["id"])
    assert draft.paint(BOX, 2).status_code == 201
    return draft


class SlowStore(ObjectStore):
    """The real store, in which something happens once, after the first file of a mask was stored."""

    def __init__(self, store: ObjectStore, meanwhile: Callable[[], object], *, fails: bool) -> None:
        super().__init__(store._client, store.bucket)
        self.meanwhile: Callable[[], object] | None = meanwhile
        self.fails = fails

    def put_file(
        self, key: str, path: Path, *, content_type: str = "application/octet-stream"
    ) -> StoredObject:
        stored = super().put_file(key, path, content_type=content_type)
        if self.meanwhile is not None:
            self.meanwhile()
            self.meanwhile = None
            if self.fails:
                raise Unavailable("storage_unavailable", "The file store can't be reached.")
        return stored


def again(http: TestClient, engine: Engine, draft: Draft, store: ObjectStore) -> tuple[object, bool]:
    """Finalize as another API process would."""
    parts = http.app.state.parts  # type: ignore[attr-defined]
    return finalize(
        engine,
        store,
        draft.opened["id"],
        sequence=draft.sequence,
        head_hash=draft.hash,
        active_time_s=None,
        actor="local",
        role_in=lambda _: "annotator",
        scratch=parts.settings.scratch,
    )


@pytest.mark.parametrize("fails", [True, False])
def test_a_second_try_takes_nothing_from_the_mask_that_the_first_made(
    http: TestClient, engine: Engine, draft: Draft, fails: bool
) -> None:
    real: ObjectStore = http.app.state.parts.store  # type: ignore[attr-defined]
    made = []
    store = SlowStore(real, lambda: made.append(draft.finalize().json()), fails=fails)
    if fails:
        with pytest.raises(Unavailable):
            again(http, engine, draft, store)
    else:
        mask, new = again(http, engine, draft, store)
        assert (mask.id, new) == (made[0]["id"], False)  # type: ignore[attr-defined]
    assert np.array_equal(in_ras(download(http, made[0]["id"])), draft.grid)
    assert http.get(f"/v1/masks/{made[0]['id']}/levels/0").status_code == 200
    assert len(list(real.list_(f"masks/{draft.opened['id']}/"))) == 3  # and nothing is left of the second try


def test_what_was_written_for_a_draft_that_went_on_meanwhile_is_taken_back(
    http: TestClient, engine: Engine, draft: Draft
) -> None:
    real: ObjectStore = http.app.state.parts.store  # type: ignore[attr-defined]
    store = SlowStore(real, lambda: draft.paint(BOX, 3), fails=False)
    with pytest.raises(Conflict, match="other edits"):
        again(http, engine, draft, store)
    assert not list(real.list_(f"masks/{draft.opened['id']}/"))
