"""The same CT asked for at once and later, by every route, is segmented once."""

import gzip
import threading
from pathlib import Path

import httpx
import nibabel as nib
import numpy as np

from segloop.client import Segloop
from segloop.settings import Settings
from services.dicom_gateway.api import Api
from tests.api_server import serve
from tests.worker import working

N_EACH = 3


def test_by_volume_by_upload_and_by_gateway_at_once_and_later_there_is_one_job(
    settings: Settings, tmp_path: Path
) -> None:
    blocks = np.random.default_rng(11).choice(np.array([-1000, 170, 700], np.int16), (6, 5, 4))
    image = nib.Nifti1Image(blocks.repeat(4, 0).repeat(4, 1).repeat(4, 2), np.diag([3.0, 3.0, 3.0, 1.0]))
    body = gzip.compress(image.to_bytes(), 1, mtime=0)
    path = tmp_path / "CT.nii.gz"
    path.write_bytes(body)
    headers = {"Authorization": f"Bearer {settings.token}"}
    with (
        serve(settings) as url,
        Segloop(url, settings.token) as client,
        httpx.Client(base_url=url, headers=headers, timeout=120) as http,
    ):

        def sent() -> str:
            """Leave an upload of the same bytes open."""
            made = http.post("/v1/projects/default/uploads", json={"size_bytes": len(body)}).json()
            assert http.put(f"/v1/uploads/{made['id']}/parts/1", content=body).status_code == 200
            return str(made["id"])

        volume_id, uploads = client.upload(path), [sent() for _ in range(N_EACH)]
        gateway = Api(url, settings.token)
        with working(settings, tmp_path):
            asks = [
                *[lambda: client.submit(input={"volume_id": volume_id}).id] * N_EACH,
                *[lambda u=u: client.submit(input={"upload_id": u}, priority="stat").id for u in uploads],
                *[lambda: gateway.segment(volume_id, project="default", priority="routine")] * N_EACH,
            ]
            found: list[str] = []
            start = threading.Barrier(len(asks))

            def ask(number: int) -> None:
                start.wait(60)
                found.append(asks[number]())

            threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(asks))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(120)
            assert len(found) == len(asks)
            assert len(set(found)) == 1
            assert client.wait(found[0], limit_s=120).state == "succeeded"
            assert {asks[0](), asks[N_EACH](), asks[-1]()} == set(found)
        masks = http.get(f"/v1/volumes/{volume_id}/masks").json()["items"]
        assert [mask["job_id"] for mask in masks] == [found[0]]
        listed = http.get("/v1/jobs", params={"volume_id": volume_id}).json()["items"]
        assert [job["id"] for job in listed] == [found[0]]
