"""What the page of a version says and offers when its comparison failed: nobody knows what it is worth."""

from streamlit.testing.v1 import AppTest


def _page() -> None:
    import httpx

    from tests import places
    from ui.api_client import ApiClient
    from ui.views.models import versions

    at = "2026-11-24T09:50:00Z"
    version = {
        **dict.fromkeys(["parent_id", "promoted_by", "promoted_at"]),
        "id": "two",
        "project_id": "p",
        "number": 2,
        "name": "tuned",
        "stage": "candidate",
        "label_set_id": "l",
        "sha256": "00",
        "size_bytes": 1,
        "orientation": "LPS",
        "card": "",
        "details": {},
        "created_by": "ann",
        "created_at": at,
    }
    job = {
        **dict.fromkeys(
            ["queue_position", "time_left_s", "volume_id", "mask_id", "worker", "started_at", "finished_at"]
        ),
        "id": "j",
        "project_id": "p",
        "kind": "evaluate",
        "queue": "training",
        "state": "failed",
        "stage": "",
        "progress": 0.0,
        "priority": 0,
        "attempt": 1,
        "failures": 1,
        "interruptions": 0,
        "dead_letter": True,
        "request_id": None,
        "cancel_requested": False,
        "model_version_id": "two",
        "parameters": {},
        "timings": {},
        "error": {"code": "prediction_overflow", "message": "Its outputs are no numbers."},
        "created_by": "ann",
        "created_at": at,
    }
    lineage = {"version": version, "run": None, "card": "", "ancestors": [], "cases": [], "history": []}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/jobs":
            return httpx.Response(
                200, json={"items": [job] if request.url.params.get("state") == "failed" else []}
            )
        if request.url.path.endswith("/lineage"):
            return httpx.Response(200, json={**lineage, "comparisons": []})
        return httpx.Response(200, json={"items": []})

    api = ApiClient(httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer)))
    versions.show(api, places.here(), [versions.ModelVersion.model_validate(version)])


def test_a_failed_comparison_is_said_with_its_reason_and_no_promotion_is_offered() -> None:
    shown = AppTest.from_function(_page).run(timeout=30)
    assert not shown.exception
    assert "prediction_overflow" in shown.error[0].value and "no numbers" in shown.error[0].value
    buttons = [button.label for button in shown.button]
    assert any(label.startswith("Compare") for label in buttons)
    assert not [label for label in buttons if label.startswith("Promote")]
    assert [label for label in buttons if label.startswith("Reject")]
