"""Masks that others made of a CT's own series come in through the upload that NIfTI masks take."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from segloop.database import open_engine, transaction
from segloop.imaging.dicom.archive import series_in
from segloop.imaging.dicom.series import require_volume
from segloop.settings import Settings
from services.api.main import create_app
from tests.contours import box, contour, rtstruct
from tests.dicom_series import DIRECTIONS, slices, voxels, write
from tests.integration.editing import download, upload, upload_mask
from tests.integration.test_dicom import result_of, send, study

SHAPE = (14, 12, 8)


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as client:
        yield client


def drawn() -> np.ndarray[Any, Any]:
    found = np.zeros(SHAPE, np.uint8)
    found[0:5, 2:4, 0:3], found[9:14, 7:12, 5:8] = 3, 4  # parotids, right and left
    return found


def made_of(
    http: TestClient, folder: Path, seed: str, **values: Any
) -> tuple[dict[str, Any], pydicom.Dataset]:
    """Return a volume that came as DICOM, and a SEG of it."""
    volume = send(http, study(folder, seed=seed, **values)).json()
    mask = upload_mask(http, volume, drawn(), np.array(volume["affine"]).reshape(4, 4))
    return volume, result_of(http, mask)


def announce(
    http: TestClient,
    volume: dict[str, Any],
    found: pydicom.Dataset,
    *,
    with_preamble: bool = True,
    **extra: Any,
) -> str:
    """Send a DICOM object as a mask of a volume; return its upload's address."""
    file = BytesIO()
    found.save_as(file, enforce_file_format=with_preamble)
    body = file.getvalue()
    asked = {"size_bytes": len(body), "purpose": "mask", "volume_id": volume["id"], **extra}
    made = http.post("/v1/projects/default/uploads", json=asked)
    assert made.status_code == 201, made.text
    for number in range(1, made.json()["n_parts"] + 1):
        size = made.json()["part_bytes"]
        part = body[(number - 1) * size : number * size]
        http.put(f"/v1/uploads/{made.json()['id']}/parts/{number}", content=part)
    return f"/v1/uploads/{made.json()['id']}"


def add(http: TestClient, volume: dict[str, Any], found: pydicom.Dataset, **extra: Any) -> Any:
    return http.post(f"{announce(http, volume, found, **extra)}/complete")


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_a_segmentation_comes_in_by_name_on_the_voxels_it_was_made_of(
    http: TestClient, tmp_path: Path, direction: tuple[float, ...]
) -> None:
    volume, seg = made_of(http, tmp_path, f"in {direction}", direction=direction)
    for item, name in zip(seg.SegmentSequence, ["Parotid RIGHT", "parotid left"], strict=True):
        item.SegmentLabel = name
    address = announce(http, volume, seg)
    answer = http.post(f"{address}/complete", json={"mask_kind": "ground_truth"})
    assert answer.status_code == 201, answer.text
    mask = answer.json()
    np.testing.assert_array_equal(np.asarray(download(http, mask["id"]).dataobj), drawn())
    assert (mask["kind"], mask["notes"], mask["parent_id"]) == ("ground_truth", [], None)
    assert (mask["reviewed"]["whole"], mask["reviewed"]["labels"]) == (True, [3, 4])


def test_names_that_nobody_knows_are_asked_for_and_the_file_is_not_sent_again(
    http: TestClient, tmp_path: Path
) -> None:
    volume, seg = made_of(http, tmp_path, "names")
    right, left = seg.SegmentSequence
    right.SegmentLabel, left.SegmentLabel = "Ohrspeichel re", "BODY"
    for item in (right, left):
        item.SegmentedPropertyTypeCodeSequence[0].CodeValue = "1"
    url = announce(http, volume, seg)
    asked = http.post(f"{url}/complete")
    assert (asked.status_code, asked.json()["code"]) == (409, "mask_names"), asked.text
    rows = asked.json()["structures"]
    assert [(row["name"], row["label"]) for row in rows] == [("Ohrspeichel re", None), ("BODY", None)]
    assert "parotid_right" in asked.json()["labels"] and "Ohrspeichel re" in asked.json()["detail"]
    strange = http.post(f"{url}/complete", json={"label_map": {"BODY": "spleen of ours"}})
    assert (strange.status_code, strange.json()["code"]) == (409, "mask_label_map")
    nothing = http.post(f"{url}/complete", json={"label_map": {"BODY": None, "Ohrspeichel re": None}})
    assert (nothing.status_code, nothing.json()["code"]) == (409, "mask_empty")
    answer = http.post(
        f"{url}/complete", json={"label_map": {"BODY": None, "ohrspeichel_re": "parotid_right"}}
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["notes"] == ["1 structure left out as asked"]
    expected = np.where(drawn() == 3, 3, 0)
    np.testing.assert_array_equal(np.asarray(download(http, answer.json()["id"]).dataobj), expected)
    assert answer.json()["reviewed"]["labels"] == [3]
    assert http.post(f"{url}/complete").json()["id"] == answer.json()["id"]


def test_a_code_tells_a_label_whose_name_is_another(http: TestClient, tmp_path: Path) -> None:
    volume, seg = made_of(http, tmp_path, "codes")
    for item, name in zip(seg.SegmentSequence, ["R", "L"], strict=True):
        item.SegmentLabel = name
    mask = add(http, volume, seg).json()
    np.testing.assert_array_equal(np.asarray(download(http, mask["id"]).dataobj), drawn())


def test_a_name_and_a_code_of_two_sides_are_not_believed(http: TestClient, tmp_path: Path) -> None:
    volume, seg = made_of(http, tmp_path, "sides")
    right, left = seg.SegmentSequence
    right.SegmentLabel, left.SegmentLabel = left.SegmentLabel, right.SegmentLabel
    answer = add(http, volume, seg)
    assert (answer.status_code, answer.json()["code"]) == (409, "mask_names")
    assert {row["why"] for row in answer.json()["structures"]} == {
        "its name says one side and its code the other"
    }


def test_a_correction_names_its_parent_and_how_it_differs(http: TestClient, tmp_path: Path) -> None:
    volume, seg = made_of(http, tmp_path, "parent")
    before = drawn()
    before[0, 2, 0], before[0, 0, 0], before[5, 5, 5] = 0, 3, 1
    parent = upload_mask(http, volume, before, np.array(volume["affine"]).reshape(4, 4))
    mask = add(http, volume, seg, parent_id=parent["id"]).json()
    assert (mask["kind"], mask["parent_id"]) == ("imported", parent["id"])
    differs = {one["index"]: (one["voxels_added"], one["voxels_removed"]) for one in mask["difference"]}
    assert differs == {3: (1, 1), 4: (0, 0)}  # of the brainstem nothing is said, so nothing was removed


def test_a_parent_of_another_volume_is_refused(http: TestClient, tmp_path: Path) -> None:
    one, _ = made_of(http, tmp_path / "one", "one")
    volume, _ = made_of(http, tmp_path / "two", "two", volume=voxels(seed=8))
    parent = http.get(f"/v1/volumes/{one['id']}/masks").json()["items"][0]
    asked = {"size_bytes": 9, "purpose": "mask", "volume_id": volume["id"], "parent_id": parent["id"]}
    answer = http.post("/v1/projects/default/uploads", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "parent_elsewhere")


def test_what_was_made_of_another_ct_or_of_none_is_refused(http: TestClient, tmp_path: Path) -> None:
    volume, _ = made_of(http, tmp_path / "mine", "mine")
    _, theirs = made_of(http, tmp_path / "theirs", "theirs", volume=voxels(seed=4))
    answer = add(http, volume, theirs)
    assert (answer.status_code, answer.json()["code"]) == (422, "mask_other_study")
    assert "Jane" not in answer.text and "4711" not in answer.text
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    of_nifti = upload(http, voxels(seed=78), affine)
    answer = add(http, of_nifti, theirs)
    assert (answer.status_code, answer.json()["code"]) == (422, "mask_ct_not_dicom")


def test_a_label_map_for_numbers_is_refused(http: TestClient, tmp_path: Path) -> None:
    from tests.integration.editing import nifti_bytes

    volume, _ = made_of(http, tmp_path, "numbers")
    body = nifti_bytes(drawn(), np.array(volume["affine"]).reshape(4, 4))
    asked = {
        "size_bytes": len(body),
        "purpose": "mask",
        "volume_id": volume["id"],
        "label_map": {"a": "parotid_left"},
    }
    made = http.post("/v1/projects/default/uploads", json=asked).json()
    http.put(f"/v1/uploads/{made['id']}/parts/1", content=body)
    answer = http.post(f"/v1/uploads/{made['id']}/complete")
    assert (answer.status_code, answer.json()["code"]) == (422, "label_map_unused")


@pytest.mark.parametrize("with_preamble", [True, False])
def test_a_structure_set_comes_in_through_the_same_door(
    http: TestClient, tmp_path: Path, with_preamble: bool
) -> None:
    (headers,) = series_in(write(tmp_path / "ct", slices(voxels(), seed="contours")))
    series = require_volume(headers)
    volume = send(http, study(tmp_path, seed="contours")).json()
    found = rtstruct(
        series, {"Parotid right": [contour(series, z, box(2, 3, 9, 7)) for z in (1, 2)], "none": []}
    )
    mask = add(http, volume, found, with_preamble=with_preamble).json()
    expected = np.zeros(SHAPE, np.uint8)
    expected[2:9, 3:7, 1:3] = 3
    np.testing.assert_array_equal(np.asarray(download(http, mask["id"]).dataobj), expected)
    assert (mask["notes"], mask["reviewed"]["labels"]) == (["1 structure empty in the file"], [3])


@pytest.mark.parametrize("kind", ["imported", "ground_truth"])
def test_what_says_that_nobody_reviewed_it_is_ground_truth_only_if_somebody_says_so(
    http: TestClient, tmp_path: Path, settings: Settings, kind: str
) -> None:
    volume, seg = made_of(http, tmp_path, f"doubt {kind}")
    seg.SeriesDescription = "AI segmentation starter v2, unreviewed (research use only)"
    for item in seg.SegmentSequence:
        item.SegmentAlgorithmType = "AUTOMATIC"
    address = announce(http, volume, seg, mask_kind="ground_truth", label_map={"Jane Doe": None})
    for _ in range(2):  # asking again changes nothing
        asked = http.post(f"{address}/complete", json={"label_map": {}})
        assert (asked.status_code, asked.json()["code"]) == (409, "mask_unreviewed"), asked.text
    assert asked.json()["says"] == [
        "it says that not all of it was reviewed",
        "it says that a program made it",
    ]
    assert [one["kind"] for one in http.get(f"/v1/volumes/{volume['id']}/masks").json()["items"]] == [
        "imported"  # the one that the Segmentation was made of
    ]
    answer = http.post(f"{address}/complete", json={"mask_kind": kind, "label_map": {}})
    assert (answer.status_code, answer.json()["kind"]) == (201, kind), answer.text
    owner = open_engine(settings.owner_database_url)
    with transaction(owner) as conn:
        options = conn.execute(
            text("SELECT options FROM uploads WHERE id = :id"), {"id": address.rpartition("/")[2]}
        ).scalar_one()
    owner.dispose()
    assert "label_map" not in options and options["mask_kind"] == "ground_truth"


def test_another_tools_result_may_say_of_itself_what_it_likes(http: TestClient, tmp_path: Path) -> None:
    volume, seg = made_of(http, tmp_path, "no doubt")
    seg.SeriesDescription = "AI segmentation, unreviewed"
    assert add(http, volume, seg, mask_kind="imported").status_code == 201
