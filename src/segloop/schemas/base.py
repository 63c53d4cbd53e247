"""The base of every body: strict requests, results read from rows, pages and problems."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

NOTICE = "Research use only. Not a medical device. AI-generated."


T = TypeVar("T")


class Body(BaseModel):
    """A request: unknown fields are refused, so that a typing mistake is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class Result(BaseModel):
    """A response read from a row's attributes."""

    model_config = ConfigDict(from_attributes=True)


class Page(BaseModel, Generic[T]):
    """One page of a list; ask again with `cursor=next_cursor` until it is null."""

    items: list[T]
    next_cursor: str | None = None


class Problem(BaseModel):
    """An RFC 9457 problem document with our stable `code`; `request_id` finds the request's lines in the logs."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    instance: str
    request_id: str


def example(body: dict[str, Any]) -> ConfigDict:
    """Refuse unknown fields, and show `body` as the example in the API's description."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [body]})
