"""A result says what of a mask was reviewed; a verdict that says nothing new makes no other object."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from fastapi.testclient import TestClient

from segloop.settings import Settings
from services.api.main import create_app
from tests.dicom_series import voxels
from tests.integration.editing import upload, upload_mask
from tests.integration.test_dicom import result_of, send, study


def test_each_new_review_supersedes_and_the_same_one_is_the_same_object(
    settings: Settings, tmp_path: Path
) -> None:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as http:
        volume = send(http, study(tmp_path, seed="reviews", volume=voxels(seed=51))).json()
        drawn = np.zeros((14, 12, 8), np.uint8)
        drawn[1:4, 1:4, 1:4], drawn[8:11, 5:9, 2:5] = 3, 4
        affine = np.array(volume["affine"]).reshape(4, 4)
        mask = upload_mask(http, volume, drawn, affine)

        def judged(verdict: str, reviewed: dict[str, Any] | None = None) -> pydicom.Dataset:
            body = {"verdict": verdict, "reviewed": reviewed}
            answer = http.post(f"/v1/masks/{mask['id']}/feedback", json=body)
            assert answer.status_code == 201, answer.text
            return result_of(http, mask)

        def tags(known: str = "") -> tuple[int, str]:
            found = http.get(f"/v1/masks/{mask['id']}/dicom/seg", headers={"If-None-Match": known})
            return found.status_code, found.headers["ETag"]

        before = result_of(http, mask)
        _, tag = tags()
        assert tags(tag) == (304, tag)
        part = judged("accepted", {"axial": [[1, 3], [5, 5]], "labels": [3]})
        status, reviewed = tags(tag)
        assert status == 200 and reviewed != tag, "a review that it tells makes it another object"
        again = judged("accepted", {"axial": [[1, 3], [5, 5]], "labels": [3]})
        assert tags(reviewed) == (304, reviewed)
        whole = judged("accepted", {"whole": True})
        http.post(f"/v1/masks/{mask['id']}/feedback", json={"verdict": "rejected"})
        for known in ({}, {"If-None-Match": reviewed}, {"If-None-Match": "*"}):
            refused = http.get(f"/v1/masks/{mask['id']}/dicom/seg", headers=known)
            assert (refused.status_code, refused.json()["code"]) == (409, "mask_rejected")
        unsaid = judged("accepted")  # of no region: nobody vouches for anything
        back = judged("accepted", {"whole": True})

        assert before.SeriesDescription == "Segmentation, imported (research use only)"
        assert part.SeriesDescription == "Segmentation, imported, part reviewed (research use only)"
        assert whole.SeriesDescription == "Segmentation, imported, reviewed (research use only)"
        said = {item.SegmentLabel: item.SegmentDescription for item in part.SegmentSequence}
        where = "axial slices 2 to 4, 6 of 8, counted from the feet"
        assert said["parotid_right"] == f"Reviewed by local (site admin) in {where}"
        assert said["parotid_left"] == "Not reviewed"
        assert again.SOPInstanceUID == part.SOPInstanceUID and again.SeriesTime == part.SeriesTime
        assert unsaid.SeriesDescription == before.SeriesDescription
        assert back.SeriesDescription == whole.SeriesDescription
        assert len({one.SOPInstanceUID for one in (before, whole, unsaid, back)}) == 4
        assert len({one.SeriesInstanceUID for one in (before, part, whole)}) == 3
        named = [one.RelatedSeriesSequence[0].SeriesInstanceUID for one in (part, whole)]
        assert named == [before.SeriesInstanceUID, part.SeriesInstanceUID]
        assert "RelatedSeriesSequence" not in before

        second = result_of(http, upload_mask(http, volume, drawn, affine))
        assert (before.SeriesNumber, second.SeriesNumber) == (3000, 3010)


def test_ground_truth_is_reviewed_by_whoever_brought_it(settings: Settings, tmp_path: Path) -> None:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as http:
        volume = send(http, study(tmp_path, seed="truth", volume=voxels(seed=52))).json()
        drawn = np.zeros((14, 12, 8), np.uint8)
        drawn[1:4, 1:4, 1:4] = 3
        affine = np.array(volume["affine"]).reshape(4, 4)
        found = result_of(
            http,
            upload(http, drawn, affine, purpose="mask", volume_id=volume["id"], mask_kind="ground_truth"),
        )
        assert found.SeriesDescription == "Segmentation, drawn, reviewed (research use only)"
        assert found.SegmentSequence[0].SegmentDescription == "Reviewed by local (site admin)"
