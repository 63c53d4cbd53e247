"""Tools through the API: what they answer is an entry that the draft takes."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from segloop.masks.drafts import runs
from segloop.settings import Settings
from services.api.main import create_app
from tests.integration.editing import Draft, encode, upload

AFFINE = np.array([[0, 2.0, 0, 30], [-2.0, 0, 0, 40], [0, 0, 3.0, -50], [0, 0, 0, 1]])
SHAPE = (16, 18, 12)
FRESH = itertools.count(1)


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


@pytest.fixture
def draft(http: TestClient) -> Draft:
    array = np.full(SHAPE, -1000, np.int16)
    array[0, 0, 0] = next(FRESH)
    array[4:12, 6:9, 2:7] = 50
    return Draft(http, upload(http, array, AFFINE)["id"])


def use(draft: Draft, tool: str, label: int = 1, **parameters: object) -> Any:
    head = {"sequence": draft.sequence, "hash": draft.hash}
    return draft.http.post(
        f"{draft.url}/tools", json={"tool": tool, "label": label, "parameters": parameters, **head}
    )


def apply(draft: Draft, answer: Any, tool: str) -> np.ndarray[Any, Any]:
    """Apply a tool's runs as the browser does, journal them, and return the voxels the server then has."""
    assert answer.status_code == 200, answer.text
    voxels = draft.voxels.copy()
    assert runs.apply(voxels, np.frombuffer(answer.content, runs.RUN))
    assert encode(draft.voxels, voxels) == answer.content
    assert draft.send(answer.content, tool).status_code == 201
    draft.load()
    assert np.array_equal(draft.voxels, voxels)
    return draft.grid


def test_interpolation_fills_a_gap_and_spares_other_labels(draft: Draft) -> None:
    draft.paint((slice(3, 9), slice(3, 9), slice(2, 3)), 1)
    draft.paint((slice(3, 9), slice(3, 9), slice(6, 7)), 1)
    draft.paint((slice(4, 5), slice(4, 5), slice(4, 5)), 2)
    grid = apply(draft, use(draft, "interpolate"), "interpolate")
    assert (grid == 1).sum() == 6 * 6 * 5 - 1 and grid[4, 4, 4] == 2
    over = use(draft, "holes", over=[0, 2])
    grid = apply(draft, over, "holes")
    assert (grid == 1).sum() == 6 * 6 * 5


def test_islands_and_smooth_change_their_label_only(draft: Draft) -> None:
    draft.paint((slice(3, 9), slice(3, 9), slice(2, 6)), 1)
    draft.paint((slice(12, 13), slice(12, 13), slice(9, 10)), 1)
    draft.paint((slice(14, 15), slice(14, 15), slice(9, 10)), 2)
    grid = apply(draft, use(draft, "islands"), "islands")
    assert (grid == 1).sum() == 6 * 6 * 4 and (grid == 2).sum() == 1
    before = (grid == 1).sum()
    grid = apply(draft, use(draft, "smooth", radius_mm=3), "smooth")
    assert 0 < (grid == 1).sum() != before and grid[14, 14, 9] == 2
    assert use(draft, "islands", label=5).content == b""


def test_growing_follows_the_ct_from_the_seed(draft: Draft, http: TestClient) -> None:
    level = http.get(f"/v1/volumes/{draft.opened['volume_id']}/levels/0")
    hu = np.frombuffer(level.content, "<i2").reshape(draft.shape, order="F")
    seed = [int(n) for n in np.argwhere(hu == 50)[7]]
    grid = apply(draft, use(draft, "grow", seed=seed, low_hu=0, high_hu=100, radius_mm=99), "grow")
    assert np.array_equal(grid == 1, hu == 50)
    outside = use(draft, "grow", seed=[0, 0, 11], low_hu=0, high_hu=100)
    assert (outside.status_code, outside.json()["code"]) == (422, "seed_outside")


def test_a_tool_is_refused_where_it_cannot_work(draft: Draft) -> None:
    for answer in (
        use(draft, "grow"),
        use(draft, "grow", seed=[99, 0, 0], low_hu=0, high_hu=1),
        use(draft, "islands", label=300),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "tool_invalid")
    assert use(draft, "magic").json()["code"] == "request_invalid"
    draft.paint((slice(3, 4), slice(3, 4), slice(2, 3)), 1)
    assert use(draft, "interpolate", slices=[12]).json()["code"] == "tool_invalid"
    draft.hash = "0" * 64
    stale = use(draft, "islands")
    assert (stale.status_code, stale.json()["code"]) == (409, "draft_conflict")
