"""Which operations take long bodies, and what browsers are told about answers."""

from typing import Any

from services.api import front
from tests.unit.api.test_openapi import document, operations

__all__ = ["document"]


def test_the_operations_that_count_their_own_bytes_are_those_that_take_bytes(
    document: dict[str, Any],
) -> None:
    takes_bytes = {
        name.split(" ", 1)[1]
        for name, operation in operations(document).items()
        if "application/octet-stream" in operation.get("requestBody", {}).get("content", {})
    }
    paths = {name.split(" ", 1)[1] for name in operations(document)}
    assert {path for path in paths if front.most({"path": path}) is None} == takes_bytes
    for near in ("/v1/projects/p/volumes/x", "/v1/projects/a/b/volumes", "/x/v1/projects/p/volumes"):
        assert front.most({"path": near}) == front.JSON_BYTES


def test_only_the_documentation_runs_scripts() -> None:
    assert "script-src" in front.policy("/docs") and "script-src" in front.policy("/redoc")
    assert front.policy("/v1/me") == front.policy("/") == front.NOTHING
