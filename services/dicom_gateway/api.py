"""The gateway as a client of the HTTP API: it has no other way in."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from segloop import logs
from segloop.errors import InvalidInput, SegloopError, Unavailable
from services.dicom_gateway.results import Made
from services.dicom_gateway.tarred import tar_stream

_NOT_MODIFIED, _KNOWN = 304, "If-None-Match"
_TAG = re.compile(r'(?:W/)?"([0-9a-f]{64})"')
"""As the API writes it; a proxy may call it weak."""


class Api:
    """Calls the API; what can't work becomes `InvalidInput` with the API's own code, what may work later `Unavailable`."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=120.0)

    def upload(self, files: Iterable[Path], *, project: str) -> tuple[str, bool]:
        """Upload the files of a series, as they come; return (its volume, whether it is new): the same series again gives the same."""
        path = f"/v1/projects/{quote(project, safe='')}/volumes"
        kind = {"Content-Type": "application/x-tar"}
        answer = self._send("POST", path, content=tar_stream(files), headers=kind, timeout=600.0)
        return str(answer.json()["id"]), answer.status_code == 201

    def withdraw(self, volume_id: str) -> None:
        """Take back a volume of which nothing was made yet."""
        self._send("DELETE", f"/v1/volumes/{volume_id}")

    def segment(self, volume_id: str, *, project: str, priority: str) -> str:
        """Return the job that segments a volume by the version in production: the API makes one, whoever else asked."""
        body = {
            "kind": "segment",
            "project_id": project,
            "input": {"volume_id": volume_id},
            "parameters": {"priority": priority},
        }
        return str(self._call("POST", "/v1/jobs", json=body)["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job."""
        return dict(self._call("GET", f"/v1/jobs/{job_id}"))

    def result(self, mask_id: str, form: str, *, deflated: bool = False, known: Made | None = None) -> Made:
        """Return a mask as a DICOM object of one form, or as deflated little endian; `known` itself where that still holds.

        A mask that was rejected is refused (`mask_rejected`), also where it is known.
        """
        query = {"deflated": "true"} if deflated else {}
        headers = {_KNOWN: f'"{known.tag}"'} if known is not None and known.tag else {}
        path = f"/v1/masks/{mask_id}/dicom/{form}"
        answer = self._send("GET", path, params=query, headers=headers, timeout=600.0)
        if known is not None and answer.status_code == _NOT_MODIFIED:
            return known
        tag = _TAG.fullmatch(answer.headers.get("ETag", ""))
        return Made(tag[1] if tag else "", answer.content)

    def report_gateway(self, aet: str, state: Mapping[str, Any]) -> None:
        """Say what this gateway is, as `schemas.GatewayState`."""
        self._send("PUT", f"/v1/gateways/{_quote(aet)}", json=state)

    def report_series(self, aet: str, key: str, report: Mapping[str, Any]) -> None:
        """Say where a series stands, as `schemas.SeriesReport`."""
        self._send("PUT", f"/v1/gateways/{_quote(aet)}/series/{key}", json=report)

    def claim_order(self, aet: str, *, pulls: bool) -> dict[str, Any] | None:
        """Return the next order `{id, kind, payload}` to pull a series, or of another kind; None where none came for a while."""
        path = f"/v1/gateways/{_quote(aet)}/orders/claim"
        answer = self._send("POST", path, params={"wait": "20", "pulls": str(pulls).lower()})
        return None if answer.status_code == 204 else dict(answer.json())

    def answer_order(self, aet: str, order_id: str, result: Mapping[str, Any]) -> None:
        """Say what came of an order, as `schemas.OrderResult`."""
        self._send("POST", f"/v1/gateways/{_quote(aet)}/orders/{order_id}/result", json=result)

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        return self._send(method, path, **arguments).json()

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"X-Request-Id": logs.request_id() or logs.new_request_id(), **arguments.pop("headers", {})}
        try:
            answer = self._http.request(method, path, headers=headers, **arguments)
        except httpx.TransportError as error:
            raise Unavailable("api_unavailable", "The API can't be reached.") from error
        if answer.is_success or (answer.status_code == _NOT_MODIFIED and _KNOWN in headers):
            return answer
        try:
            body = answer.json()
        except ValueError:
            body = {}
        # An answer without a code is not the API's own: a proxy says that it is away.
        unsaid = "api_unavailable" if answer.status_code in (502, 503, 504) else "internal"
        code, text = str(body.get("code", unsaid)), str(body.get("detail", "The API gave an error."))
        later = answer.status_code >= 500 or answer.status_code in (401, 403, 408, 429) or code == "no_model"
        kind: type[SegloopError] = Unavailable if later else InvalidInput
        raise kind(code, text)


def _quote(aet: str) -> str:
    return quote(aet, safe="")
