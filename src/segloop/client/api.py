"""Have CTs segmented: upload, submit, wait, download."""

import hashlib
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import httpx

from segloop.client.answers import Job, Mask
from segloop.client.http import ApiError, Calls

WAIT_S = 30.0


class Segloop:
    """The API of one installation; a context manager that closes its connections.

    Every method raises `ApiError` with a stable `code`; what may pass by itself has been tried again before.
    """

    def __init__(self, url: str, token: str, *, http: httpx.Client | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = http or httpx.Client()
        self._http.base_url, self._http.timeout = httpx.URL(url), httpx.Timeout(120.0)
        self._http.headers.update(headers)
        self._calls = Calls(self._http)

    def __enter__(self) -> "Segloop":
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def upload(self, path: Path, *, project: str = "default", **about: str) -> str:
        """Send a NIfTI (.nii, .nii.gz), or a zip of a DICOM study, and return its volume's id; the same file gives the same.

        `about` may hold `patient_reference` and `case_reference`.
        """
        size = {"size_bytes": path.stat().st_size}
        made = self._call("POST", f"/v1/projects/{project}/uploads", json={**size, **about})
        url = f"/v1/uploads/{made['id']}"
        try:
            with path.open("rb") as file:
                for number in range(1, made["n_parts"] + 1):
                    part = file.read(made["part_bytes"])
                    digest = {"X-Content-Sha256": hashlib.sha256(part).hexdigest()}
                    self._call("PUT", f"{url}/parts/{number}", content=part, headers=digest)
            return str(self._call("POST", f"{url}/complete", timeout=600.0)["id"])
        except BaseException:
            with suppress(ApiError):
                self._calls.send("DELETE", url)
            raise

    def submit(
        self,
        *,
        input: Mapping[str, Any],
        project: str = "default",
        priority: Literal["stat", "routine"] = "routine",
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> Job:
        """Ask for a segmentation of an input, such as `{"volume_id": ...}` or `{"upload_id": ...}`, and return its job, new or already there.

        `parameters` are those of the API: `profile`, `model_version_id`, `hu_offset`, `hu_confirmed`, `again`. Without a key
        of your own a fresh one makes the client's repeats one request.
        """
        body = {
            "kind": "segment",
            "project_id": project,
            "input": dict(input),
            "parameters": {"priority": priority, **parameters},
        }
        key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return Job.of(self._call("POST", "/v1/jobs", json=body, headers=key, timeout=600.0))

    def job(self, job_id: str) -> Job:
        """Return a job as it is now."""
        return Job.of(self._call("GET", f"/v1/jobs/{job_id}"))

    def wait(self, job_id: str, *, limit_s: float | None = None) -> Job:
        """Return a job when it is over, however it ended; its `state` says how.

        Raises:
            TimeoutError: it is not over after `limit_s` seconds; it goes on.
        """
        end = None if limit_s is None else time.monotonic() + limit_s
        job: Job | None = None
        tag: dict[str, str] = {}
        while job is None or not job.is_over:
            left_s = WAIT_S if end is None else end - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"Job {job_id} is not over after {limit_s:g} s; it goes on.")
            began = time.monotonic()
            query = {"wait": f"{min(left_s, WAIT_S):.3f}"} if job else {}
            answer = self._calls.send("GET", f"/v1/jobs/{job_id}", params=query, headers=tag)
            before = job
            if answer.status_code == httpx.codes.OK:
                job, tag = Job.of(answer.json()), {"If-None-Match": answer.headers["ETag"]}
            is_news = job is None or before is None or job.news != before.news
            if not is_news and time.monotonic() - began < min(1.0, left_s):
                # Too many wait already, and the API let nobody more in.
                time.sleep(min(float(answer.headers.get("Retry-After", "2")), left_s))
        return job

    def cancel(self, job_id: str) -> Job:
        """Cancel a job for everybody who waits for it: at once while it waits, soon while it runs."""
        return Job.of(self._call("POST", f"/v1/jobs/{job_id}/cancel"))

    def retry(self, job_id: str) -> Job:
        """Queue a failed job once more."""
        return Job.of(self._call("POST", f"/v1/jobs/{job_id}/retry"))

    def mask(self, mask_id: str) -> Mask:
        """Return where a mask comes from."""
        return Mask.of(self._call("GET", f"/v1/masks/{mask_id}"))

    def download(self, mask_id: str, path: Path) -> None:
        """Write a mask as NIfTI (.nii.gz) on exactly its CT's grid; the file appears whole or not at all."""
        self._fetch(f"/v1/masks/{mask_id}/content", path)

    def download_dicom(self, mask_id: str, form: str, path: Path) -> None:
        """Write a mask of a CT that came as DICOM in a form for its study, such as `seg` or `rtstruct`; as `download`."""
        self._fetch(f"/v1/masks/{mask_id}/dicom/{form}", path)

    def _fetch(self, url: str, path: Path) -> None:
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            with self._calls.stream("GET", url, timeout=600.0) as answer, draft.open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
            draft.replace(path)
        except httpx.TransportError as error:
            raise ApiError("api_unavailable", "The download broke off; try again.") from error
        finally:
            draft.unlink(missing_ok=True)

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        return self._calls.send(method, path, **arguments).json()
