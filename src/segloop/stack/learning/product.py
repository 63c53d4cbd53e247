"""A project of the running product as a person's browser uses it: everything goes through the HTTP API."""

import gzip
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import nibabel
import numpy as np
from numpy.typing import NDArray

from segloop.errors import InvalidInput, Unavailable
from segloop.imaging.geometry import reorient
from segloop.masks.drafts.entry import chain
from segloop.masks.drafts.runs import between
from segloop.stack.learning.dataset import Patient, RawDataset
from segloop.stack.learning.limit import Limit
from segloop.training.target import ReviewedRegion

POLL_S = 2.0
ENDED = ("succeeded", "failed", "cancelled")
Json = dict[str, Any]


@dataclass(frozen=True)
class Product:
    """The API, signed in, as one project sees it."""

    http: httpx.Client
    slug: str
    limit: Limit

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send one request.

        Raises:
            InvalidInput: the API's own problem document.
            Unavailable: `api_unreachable`.
        """
        try:
            answer = self.http.request(method, f"/v1{path}", **more)
        except httpx.HTTPError as error:
            raise Unavailable(
                "api_unreachable", f"The API does not answer ({error}). See ./segloop status."
            ) from error
        if answer.is_error:
            problem = answer.json() if "problem+json" in answer.headers.get("content-type", "") else {}
            said = problem.get("detail", answer.text[:300])
            raise InvalidInput(
                problem.get("code", "unexpected"), f"{said} ({method} {path} gave {answer.status_code})"
            )
        return answer

    def open(self, data: RawDataset, policy: Mapping[str, Any]) -> None:
        """Make the project with the dataset's labels, unless it is there, and set its training policy."""
        known = [project["slug"] for project in self.call("GET", "/projects").json()["items"]]
        if self.slug not in known:
            labels = [{"index": label.index, "name": label.name} for label in data.labels.labels]
            body = {"slug": self.slug, "name": f"Learning benchmark {self.slug}", "labels": labels}
            self.call("POST", "/projects", json=body)
        self.call("PATCH", f"/projects/{self.slug}/training-policy", json=dict(policy))

    def upload(self, array: NDArray[Any], patient: Patient, **options: object) -> Json:
        """Upload an array on the patient's grid and return the volume or mask that it became."""
        image = nibabel.Nifti1Image(array, patient.geometry.affine)  # type: ignore[no-untyped-call]
        image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
        # Without a time in the gzip header the same array is the same file, and so the same volume.
        body = gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)
        announced = {"size_bytes": len(body), **options}
        made = self.call("POST", f"/projects/{self.slug}/uploads", json=announced).json()
        for number in range(made["n_parts"]):
            part = body[number * made["part_bytes"] : (number + 1) * made["part_bytes"]]
            headers = {"X-Content-Sha256": hashlib.sha256(part).hexdigest()}
            self.call("PUT", f"/uploads/{made['id']}/parts/{number + 1}", content=part, headers=headers)
        done: Json = self.call("POST", f"/uploads/{made['id']}/complete").json()
        return done

    def volume(self, patient: Patient) -> str:
        """Upload the patient's CT and return its id; the same CT again is the same volume."""
        names = {"patient_reference": patient.patient_id, "case_reference": patient.patient_id}
        return str(self.upload(patient.volume, patient, **names)["id"])

    def ground_truth(self, patient: Patient, volume_id: str) -> str:
        """Upload the patient's true mask as ground truth and return its id."""
        kind = {"purpose": "mask", "mask_kind": "ground_truth", "volume_id": volume_id}
        return str(self.upload(patient.mask.astype(np.uint8), patient, **kind)["id"])

    def job(self, body: Json, key: str) -> Json:
        """Ask for work and wait for its end; the same key is the same job, and one that failed is tried once more.

        Raises:
            OutOfTime: The job goes on.
            Unavailable: `job_not_done`, with the job's own words.
        """
        asked = {"project_id": self.slug, **body}
        job = self.call("POST", "/jobs", json=asked, headers={"Idempotency-Key": key}).json()
        if job["state"] == "failed":
            job = self.call("POST", f"/jobs/{job['id']}/retry").json()
        return self.wait(job)

    def wait(self, job: Json) -> Json:
        """Wait for a job's end; raises as `job`."""
        while job["state"] not in ENDED:
            self.limit.left_s()
            time.sleep(POLL_S if job["kind"] in ("train", "evaluate") else 0.3)
            job = self.call("GET", f"/jobs/{job['id']}").json()
        if job["state"] != "succeeded":
            said = (job["error"] or {}).get("message", "no reason given")
            raise Unavailable("job_not_done", f"The job was {job['state']}: {said} (job {job['id']})")
        return job

    def segment(self, volume_id: str, key: str) -> str:
        """Segment a volume with the version in production and return the mask's id."""
        body = {
            "kind": "segment",
            "input": {"volume_id": volume_id},
            "parameters": {"hu_confirmed": True},
        }
        return str(self.job(body, key)["mask_id"])

    def correct(self, volume_id: str, base_mask_id: str, patient: Patient, region: ReviewedRegion) -> str:
        """Edit a prediction into the true mask within `region`, vouch for that alone, and return the correction's id."""
        draft = self.call("POST", f"/volumes/{volume_id}/drafts", json={"base_mask_id": base_mask_id}).json()
        url, head = f"/drafts/{draft['id']}", draft["head"]
        before = self._voxels(url)
        wanted, ras = reorient(patient.mask, patient.geometry, "RAS")
        seen = region.voxels(ras).ravel(order="F")
        after = np.where(seen, wanted.ravel(order="F"), before).astype(before.dtype)
        body = between(before, after)
        reviewed = _body(region)
        if body:
            head = self._append(url, head, "brush", 1, body)
        head = self._append(url, head, "review", 0, json.dumps(reviewed).encode())
        mask: Json = self.call("POST", f"{url}/finalize", json={**head, "active_time_s": 1.0}).json()
        verdict = {"verdict": "corrected", "reviewed": reviewed, "reason": "simulated from the true mask"}
        key = {"Idempotency-Key": f"correct-{mask['id']}"}
        self.call("POST", f"/masks/{mask['id']}/feedback", json=verdict, headers=key)
        return str(mask["id"])

    def _voxels(self, url: str) -> NDArray[np.unsignedinteger[Any]]:
        level = self.call("GET", f"{url}/levels/0")
        return np.frombuffer(level.content, level.headers["x-dtype"])

    def _append(self, url: str, head: Json, operation: str, label: int, body: bytes) -> Json:
        digest = chain(head["hash"], operation, label, body)
        headers = {
            "X-Operation": operation,
            "X-Label": str(label),
            "X-Parent-Hash": head["hash"],
            "X-Hash": digest,
            "Content-Type": "application/octet-stream",
        }
        self.call("PUT", f"{url}/entries/{head['sequence'] + 1}", content=body, headers=headers)
        return {"sequence": head["sequence"] + 1, "hash": digest}

    def versions(self) -> list[Json]:
        """Return the project's model versions, newest first."""
        found: list[Json] = self.call("GET", f"/projects/{self.slug}/model-versions").json()["items"]
        return found

    def production(self) -> Json:
        """Return the version in production."""
        return next(version for version in self.versions() if version["stage"] == "production")


def _body(region: ReviewedRegion) -> Json:
    ranges = {plane: [list(some) for some in ranges] for plane, ranges in region.ranges.items()}
    return {"whole": region.whole, **ranges}
