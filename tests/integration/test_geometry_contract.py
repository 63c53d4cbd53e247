"""The geometry contract from upload through inference to download: nothing is ever mirrored or shifted."""

import gzip
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import nibabel as nib
import numpy as np
import pytest
from fastapi.testclient import TestClient

from segloop.database import Engine, open_engine, transaction
from segloop.imaging.geometry import Geometry, reorient
from segloop.jobs.run import Limits, run_next
from segloop.model_versions import promote, register
from segloop.nnunet.bundle import BundleInfo, import_model
from segloop.nnunet.tiny import write_tiny_model
from segloop.projects import table as projects_table
from segloop.settings import Settings
from segloop.storage import open_store
from services.api.main import create_app
from services.worker_gpu.model_cache import ModelCache
from services.worker_gpu.segment import Segmenter

ORGANS = ("brainstem", "spinal_cord", "parotid_right", "parotid_left", "mandible", "larynx", "esophagus")
LIMITS = Limits(lease_s=60, heartbeat_s=5, max_failures=1, max_interruptions=1)
ORIENTATIONS = [
    "".join(pair[flip] for pair, flip in zip(axes, flips, strict=True))
    for axes in itertools.permutations(("RL", "AP", "SI"))
    for flips in itertools.product((0, 1), repeat=3)
]


class Service:
    """The API and a worker on real servers, with a model whose answer changes under any flip."""

    def __init__(self, settings: Settings, folder: Path, engine: Engine) -> None:
        self.engine = engine
        self.store = open_store(
            endpoint=settings.s3_endpoint,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key,
            bucket=settings.s3_bucket,
        )
        self.client = TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"})
        self.segmenter = Segmenter(engine, self.store, ModelCache(2**30), folder, "cpu", 1)
        info = import_model(
            write_tiny_model(folder / "nnunet", label_names=ORGANS, weights="random", orientation="LAS"),
            folder / "bundle",
        )
        self.register(folder / "bundle", info)

    def register(self, bundle: Path, info: BundleInfo) -> str:
        """Register a bundle, promote it and return the version's id."""
        with transaction(self.engine) as conn:
            version, _ = register.register(
                conn,
                self.store,
                project_id=projects_table.get(conn, "default").id,
                folder=bundle,
                name="tiny",
                labels=info.labels,
                orientation=info.orientation,
                card="",
                details={},
                actor="tester",
            )
            self.store.put_bytes(version.object_key, register.pack(bundle))
            return str(promote.promote(conn, version.id, actor="tester", reason="test").id)

    def upload(self, array: Any, affine: Any) -> str:
        """Upload a CT and return its id."""
        body = gzip.compress(nib.Nifti1Image(array, affine).to_bytes(), 1, mtime=0)
        made = self.client.post("/v1/projects/default/uploads", json={"size_bytes": len(body)}).json()
        self.client.put(f"/v1/uploads/{made['id']}/parts/1", content=body)
        volume = self.client.post(f"/v1/uploads/{made['id']}/complete")
        assert volume.status_code == 201, volume.text
        return str(volume.json()["id"])

    def submit(self, array: Any, affine: Any) -> str:
        """Upload a CT and return the id of a job that is to segment it."""
        job = self.ask(self.upload(array, affine))
        assert job.status_code == 202, job.text
        return str(job.json()["id"])

    def ask(self, volume_id: str, **parameters: object) -> httpx.Response:
        """Ask for a segmentation."""
        request = {"kind": "segment", "input": {"volume_id": volume_id}, "parameters": parameters}
        return self.client.post("/v1/jobs", json=request)

    def mask(self, array: Any, affine: Any) -> Any:
        """Upload a CT, segment it and return the downloaded mask's image."""
        self.submit(array, affine)
        return self.run()[1]

    def run(self) -> tuple[dict[str, Any], Any]:
        """Do the next job and return its mask as (what the API says of it, the downloaded image)."""
        works = {"segment": self.segmenter.work}
        job = run_next(self.engine, queue="segmentation", works=works, worker="w", limits=LIMITS)
        assert job is not None
        assert job.state == "succeeded", job.error_message
        mask = self.client.get(f"/v1/masks/{job.mask_id}").json()
        content = self.client.get(f"/v1/masks/{job.mask_id}/content").content
        return mask, nib.Nifti1Image.from_bytes(gzip.decompress(content))


@pytest.fixture
def service(settings: Settings, tmp_path: Path) -> Iterator[Service]:
    engine = open_engine(settings.database_url)
    yield Service(settings, tmp_path, engine)
    engine.dispose()


def asymmetric(shape: tuple[int, int, int]) -> Any:
    """A CT of blocks without any symmetry."""
    rng = np.random.default_rng(7)
    blocks = rng.choice(np.array([-1000, -100, 60, 400, 900], np.int16), size=[-(-n // 3) for n in shape])
    array = blocks.repeat(3, 0).repeat(3, 1).repeat(3, 2)[: shape[0], : shape[1], : shape[2]]
    return np.ascontiguousarray(array)


def check(service: Service, geometry: Geometry, orientations: list[str]) -> None:
    array = asymmetric(geometry.shape)
    first = service.mask(array, geometry.affine)
    answer = np.asarray(first.dataobj)
    assert all(not np.array_equal(np.flip(answer, axis), answer) for axis in range(3))
    for orientation in orientations:
        turned, grid = reorient(array, geometry, orientation)
        if grid.orientation == geometry.orientation:
            continue
        image = service.mask(np.ascontiguousarray(turned), grid.affine)
        assert image.shape == grid.shape
        assert np.allclose(image.affine, grid.affine, atol=1e-4)
        back, same = reorient(np.asarray(image.dataobj), grid, geometry.orientation)
        assert same.same_grid(geometry)
        assert np.array_equal(back, answer), orientation


def test_all_48_orientations_give_the_same_mask_in_the_world(service: Service) -> None:
    assert len(set(ORIENTATIONS)) == 48
    check(service, Geometry((17, 14, 12), np.diag([3.0, 3.0, 3.0, 1.0])), ORIENTATIONS)


def test_an_oblique_grid_comes_back_as_it_was(service: Service) -> None:
    turn = nib.eulerangles.euler2mat(0.2, -0.1, 0.15)
    affine = nib.affines.from_matvec(turn @ np.diag([3.0, 2.5, 3.5]), [12.5, -7.25, 30.0])
    check(service, Geometry((17, 14, 12), affine), ["LPS", "PIR", "SAL", "IRA"])


def test_thick_slices_come_back_as_they_were(service: Service) -> None:
    check(service, Geometry((30, 26, 9), np.diag([1.0, 1.0, 5.0, 1.0])), ["LPS", "PIR", "SAL", "IRA"])


def test_the_voxel_size_that_a_file_states_is_the_one_on_record(service: Service) -> None:
    a = 0.3
    turn = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.7, 0.75, 3.0])
    image = nib.Nifti1Image(asymmetric((17, 14, 12)), affine)
    image.header.set_zooms((0.7, 0.75, 3.0))
    stated = [float(mm) for mm in image.header["pixdim"][1:4]]
    in_float32 = np.linalg.norm(affine.astype(np.float32)[:3, :3].astype(float), axis=0)
    assert list(in_float32) != stated  # else this shows nothing
    volume_id = service.upload(asymmetric((17, 14, 12)), affine)
    assert service.client.get(f"/v1/volumes/{volume_id}").json()["spacing_mm"] == stated
