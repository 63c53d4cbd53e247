"""The client for integrators: it tries again what may pass, once in effect, and keeps the API's codes."""

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from segloop.client import ApiError, Segloop, WebhookRefused, verify

JOB: dict[str, Any] = {
    "id": "j1",
    "project_id": "p1",
    "kind": "segment",
    "state": "queued",
    "stage": "queued",
    "progress": 0.0,
    "priority": 10,
    "queue_position": 1,
    "time_left_s": None,
    "volume_id": "v1",
    "model_version_id": "m1",
    "mask_id": None,
    "error": None,
    "something_new": True,
}


def client(handle: Callable[[httpx.Request], httpx.Response]) -> Segloop:
    return Segloop("http://api", "secret", http=httpx.Client(transport=httpx.MockTransport(handle)))


def away(status: int = 503) -> httpx.Response:
    return httpx.Response(
        status, headers={"Retry-After": "0"}, json={"code": "not_ready", "detail": "Later."}
    )


def test_a_submission_whose_answer_is_lost_is_repeated_with_its_key() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if len(seen) == 1:
            raise httpx.ReadError("cut off")
        return away() if len(seen) == 2 else httpx.Response(202, json=JOB)

    job = client(handle).submit(input={"volume_id": "v1"}, priority="stat", profile="fast")
    assert (job.id, job.state, job.is_over) == ("j1", "queued", False)
    assert len({request.headers["idempotency-key"] for request in seen}) == 1
    assert {request.headers["authorization"] for request in seen} == {"Bearer secret"}
    body = json.loads(seen[-1].content)
    assert body["parameters"] == {"priority": "stat", "profile": "fast"}


def test_a_refusal_is_not_repeated_and_keeps_its_code() -> None:
    seen = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(409, json={"code": "no_model", "detail": "Promote one first."})

    with pytest.raises(ApiError) as refused:
        client(handle).submit(input={"volume_id": "v1"})
    assert (refused.value.code, refused.value.status, refused.value.message, len(seen)) == (
        "no_model",
        409,
        "Promote one first.",
        1,
    )


def test_an_api_that_stays_away_is_given_up() -> None:
    with pytest.raises(ApiError) as refused:
        client(lambda request: away(502)).job("j1")
    assert (refused.value.code, refused.value.status) == ("not_ready", 502)


def test_waiting_asks_for_changes_only_until_the_job_is_over() -> None:
    seen: list[httpx.Request] = []
    answers = [
        httpx.Response(200, headers={"ETag": '"1"'}, json=JOB),
        httpx.Response(304, headers={"ETag": '"1"', "Retry-After": "0"}),
        httpx.Response(200, headers={"ETag": '"1b"', "Retry-After": "0"}, json={**JOB, "queue_position": 0}),
        httpx.Response(200, headers={"ETag": '"2"'}, json={**JOB, "state": "running"}),
        httpx.Response(
            200,
            headers={"ETag": '"3"'},
            json={**JOB, "state": "failed", "error": {"code": "not_finite", "message": "NaN."}},
        ),
    ]

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answers[len(seen) - 1]

    job = client(handle).wait("j1")
    assert (job.state, job.error_code, job.error_message) == ("failed", "not_finite", "NaN.")
    assert [request.headers.get("if-none-match") for request in seen] == [
        None,
        '"1"',
        '"1"',
        '"1b"',
        '"2"',
    ]
    assert ["wait" in request.url.params for request in seen] == [False, True, True, True, True]


def test_waiting_ends_with_its_limit() -> None:
    with pytest.raises(TimeoutError, match="it goes on"):
        client(lambda request: httpx.Response(200, headers={"ETag": '"1"'}, json=JOB)).wait("j1", limit_s=0.2)


def test_a_download_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    class Broken(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            yield b"half"
            raise httpx.ReadError("cut off")

    target = tmp_path / "mask.nii.gz"
    with pytest.raises(ApiError) as broken:
        client(lambda request: httpx.Response(200, stream=Broken())).download("m1", target)
    assert broken.value.code == "api_unavailable"
    assert list(tmp_path.iterdir()) == []
    client(lambda request: httpx.Response(200, content=b"whole")).download_dicom("m1", "seg", target)
    assert target.read_bytes() == b"whole"


SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
BODY = '{"type": "job.succeeded", "data": {"job_id": "j1"}}'


def signed(secret: str = SECRET, *, ago: timedelta = timedelta(0), body: str = BODY) -> dict[str, str]:
    at = datetime.now(UTC) - ago
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": "v1a,other v1," + "A" * 44 + " " + Webhook(secret).sign("msg_1", at, body),
    }


def test_a_webhook_signed_by_the_reference_library_is_taken() -> None:
    assert verify(BODY.encode(), signed(), SECRET)["data"] == {"job_id": "j1"}


@pytest.mark.parametrize(
    "headers",
    [
        signed("whsec_" + base64.b64encode(b"other").decode()),
        signed(ago=timedelta(minutes=6)),
        signed(ago=-timedelta(minutes=6)),
        signed(body=BODY.replace("succeeded", "failed")),
        {**signed(), "Webhook-Id": "msg_2"},
        {**signed(), "Webhook-Timestamp": str(int(time.time()) - 5)},
        {**signed(), "Webhook-Timestamp": "soon"},
        {**signed(), "Webhook-Signature": "v1,?? v1 ,"},
        {},
    ],
)
def test_any_other_webhook_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(WebhookRefused):
        verify(BODY.encode(), headers, SECRET)
