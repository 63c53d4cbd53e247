"""Comparing masks through the API."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from segloop.imaging.geometry import Geometry
from segloop.imaging.labels import Label, LabelSet
from segloop.masks.compare import compare_arrays
from segloop.settings import Settings
from services.api.main import create_app
from tests.integration.editing import download, in_ras, upload, upload_mask

AFFINE = np.array([[-2.0, 0, 0, 30], [0, -2.0, 0, 40], [0, 0, 3.0, -50], [0, 0, 0, 1]])
SHAPE = (12, 11, 10)
FRESH = itertools.count(1)


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


def new_volume(http: TestClient) -> dict[str, Any]:
    array = np.random.default_rng(next(FRESH)).integers(-1000, 400, SHAPE).astype(np.int16)
    return upload(http, array, AFFINE)


def test_two_masks_are_compared_label_by_label(http: TestClient) -> None:
    volume = new_volume(http)
    first, second = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    first[2:6, 2:6, 2:6] = 3
    second[3:7, 2:6, 2:6] = 3
    second[9:11, 9, 1] = 5
    a, b = (upload_mask(http, volume, array, AFFINE) for array in (first, second))
    answer = http.get(f"/v1/masks/{a['id']}/compare", params={"with": b["id"]})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["tolerance_mm"] == 2.0
    labels = {item["index"]: item for item in found["labels"]}
    assert len(labels) == 7
    assert labels[3]["dice"] == pytest.approx(0.75)
    assert (labels[3]["nsd"], labels[3]["hd95_mm"]) == (1.0, 2.0)
    assert labels[3]["volume_ml_a"] == labels[3]["volume_ml_b"] == pytest.approx(64 * 12 / 1000)
    assert (labels[5]["dice"], labels[5]["nsd"], labels[5]["hd95_mm"]) == (0.0, 0.0, None)
    assert (labels[1]["dice"], labels[1]["hd95_mm"]) == (None, None)
    pieces = found["disagreements"]
    assert [(p["label_a"], p["label_b"], p["voxels"]) for p in pieces][2:] == [(0, 5, 2)]
    assert sorted((p["label_a"], p["label_b"], p["voxels"]) for p in pieces[:2]) == [(0, 3, 16), (3, 0, 16)]
    images = in_ras(download(http, a["id"])), in_ras(download(http, b["id"]))
    for piece in pieces:
        at = tuple(piece["centre"])
        assert (images[0][at], images[1][at]) == (piece["label_a"], piece["label_b"])
    again = http.get(f"/v1/masks/{a['id']}/compare", params={"with": b["id"]})
    assert again.json() == found


def test_masks_of_different_label_sets_compare_by_name() -> None:
    one = LabelSet((Label(1, "liver"), Label(2, "spleen")))
    other = LabelSet((Label(1, "spleen"), Label(2, "liver"), Label(3, "kidney")))
    a = np.zeros((6, 6, 6), np.uint8)
    a[1:3, 1:3, 1:3], a[4, 4, 4] = 1, 2
    b = np.choose(a, [0, 2, 1]).astype(np.uint8)
    b[0, 0, 0] = 3
    found = compare_arrays(a, b, one, other, Geometry((6, 6, 6), np.eye(4)))
    rows = {row["name"]: row for row in found["labels"]}
    assert (rows["liver"]["dice"], rows["spleen"]["dice"], rows["kidney"]["dice"]) == (1.0, 1.0, 0.0)
    (piece,) = found["disagreements"]
    assert (piece["label_a"], piece["label_b"], piece["centre"]) == (0, 3, (0, 0, 0))


def test_masks_of_two_volumes_cannot_be_compared(http: TestClient) -> None:
    array = np.ones(SHAPE, np.uint8)
    a, b = (upload_mask(http, new_volume(http), array, AFFINE) for _ in range(2))
    answer = http.get(f"/v1/masks/{a['id']}/compare", params={"with": b["id"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "volumes_differ")
    unknown = "019ab0c2-7b1e-7c8e-9d9a-3a3f6a0f2c11"
    missing = http.get(f"/v1/masks/{a['id']}/compare", params={"with": unknown})
    assert missing.status_code == 404
