"""Bodies about projects and their labels."""

from datetime import datetime

from pydantic import Field

from segloop.schemas.base import Body, Result


class Label(Body):
    """One label: its index in masks, its name, its colour."""

    index: int = Field(ge=1, le=65535)
    name: str = Field(min_length=1, max_length=100)
    color: str = Field(default="#cccccc", pattern="^#[0-9a-fA-F]{6}$")
    snomed_code: str | None = None


class NewProject(Body):
    """A new project and its first label set."""

    slug: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,62}$", examples=["head-and-neck"])
    name: str = Field(min_length=1, max_length=200)
    labels: list[Label] = Field(default_factory=list)


class Project(Result):
    """One segmentation task."""

    id: str
    slug: str
    name: str
    created_by: str
    created_at: datetime


class NewLabelSet(Body):
    """The next version of a label set: earlier labels stay as they are."""

    labels: list[Label] = Field(min_length=1)


class LabelSetOut(Result):
    """A version of a project's labels; background is always 0."""

    id: str
    project_id: str
    version: int
    labels: list[Label]
    created_at: datetime
