"""The OpenAPI document is one that an integrator can work from."""

from typing import Any

import pytest
from fastapi import FastAPI

from segloop import schemas
from segloop.settings import Settings
from services.api.main import create_app
from services.api.openapi import EXAMPLES, PROBLEMS


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    required = ("TOKEN", "TICKET_KEY", "PSEUDONYM_KEY", "S3_ACCESS_KEY", "S3_SECRET_KEY")
    values = {f"SEGLOOP_{name}": "unused" for name in required} | {
        "SEGLOOP_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "SEGLOOP_REDIS_URL": "redis://127.0.0.1:1/0",
        "SEGLOOP_S3_ENDPOINT": "127.0.0.1:1",
    }
    app = create_app(Settings.from_env(values))
    assert isinstance(app, FastAPI)
    return app.openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if path.startswith("/v1")
    }


def test_every_operation_says_what_it_does_and_how_it_fails(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        assert operation["description"].rstrip().endswith((".", ")")), name
        assert len(operation["tags"]) == 1, name
        for status in PROBLEMS:
            content = operation["responses"][status]["content"]
            assert list(content) == ["application/problem+json"], name
        successes = [status for status in operation["responses"] if status.startswith("2")]
        assert successes, name
        assert "204" in successes or all(operation["responses"][s]["content"] for s in successes), name


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_example_is_one_that_the_api_would_take_or_give(name: str) -> None:
    model = getattr(schemas, name)
    given = model.model_validate(EXAMPLES[name]).model_dump(mode="json", exclude_unset=True)
    assert set(given) == set(EXAMPLES[name])


def test_every_body_that_is_sent_has_an_example(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            reference = content["schema"].get("$ref", "").rpartition("/")[2]
            if reference:
                assert document["components"]["schemas"][reference].get("examples"), f"{name}: {reference}"


def test_nothing_refers_to_what_is_not_there(document: dict[str, Any]) -> None:
    text = repr(document)
    for name in ("HTTPValidationError", "ValidationError"):
        assert f"schemas/{name}'" not in text
