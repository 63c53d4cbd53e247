"""The gateway as a client of the HTTP API: it has no other way in."""

import hashlib
from pathlib import Path
from typing import Any

import httpx

from segloop.errors import InvalidInput, SegloopError, Unavailable


class Api:
    """Calls the API; what can't work becomes `InvalidInput` with the API's own code, what may work later `Unavailable`."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=120.0)

    def upload(self, archive: Path, *, project: str) -> str:
        """Upload a zip of a series and return its volume; the same series again gives the same."""
        size = archive.stat().st_size
        made = self._call("POST", f"/v1/projects/{project}/uploads", json={"size_bytes": size})
        with archive.open("rb") as file:
            for number in range(1, made["n_parts"] + 1):
                part = file.read(made["part_bytes"])
                digest = {"X-Content-Sha256": hashlib.sha256(part).hexdigest()}
                self._call("PUT", f"/v1/uploads/{made['id']}/parts/{number}", content=part, headers=digest)
        return str(self._call("POST", f"/v1/uploads/{made['id']}/complete", timeout=600.0)["id"])

    def segment(self, volume_id: str, *, project: str, priority: str) -> str:
        """Ask for a segmentation of a volume by the version in production, once for both, and return its job."""
        version = self._production(project)
        body = {
            "kind": "segment",
            "project_id": project,
            "input": {"volume_id": volume_id},
            "parameters": {"priority": priority, "model_version_id": version},
        }
        key = {"Idempotency-Key": f"gateway-{volume_id}-{version}"}
        return str(self._call("POST", "/v1/jobs", json=body, headers=key)["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job."""
        return dict(self._call("GET", f"/v1/jobs/{job_id}"))

    def seg(self, mask_id: str) -> bytes:
        """Return a mask as DICOM Segmentation."""
        return self._send("GET", f"/v1/masks/{mask_id}/dicom-seg", timeout=600.0).content

    def _production(self, project: str) -> str:
        versions = self._call("GET", f"/v1/projects/{project}/model-versions", params={"limit": "200"})[
            "items"
        ]
        for version in versions:
            if version["stage"] == "production":
                return str(version["id"])
        raise Unavailable("no_model", "The project has no version in production.")

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        return self._send(method, path, **arguments).json()

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise Unavailable("api_unavailable", "The API can't be reached.") from error
        if answer.is_success:
            return answer
        try:
            body = answer.json()
        except ValueError:
            body = {}
        code, text = str(body.get("code", "internal")), str(body.get("detail", "The API gave an error."))
        later = answer.status_code >= 500 or answer.status_code in (401, 403, 408, 429)
        kind: type[SegloopError] = Unavailable if later else InvalidInput
        raise kind(code, text)
