"""Bodies about whose CT it is: for those with the permission, and never in an address."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from segloop.schemas.base import Body, Result, example

MOST_VOLUMES = 200


class IdentityQuery(Body):
    """The volumes whose patients are asked for."""

    model_config = example({"volume_ids": ["019ab0c2-7b1e-7c8e-9d9a-3a3f6a0f2c11"]})

    volume_ids: Annotated[list[UUID], Field(max_length=MOST_VOLUMES)]


class Identified(Result):
    """Whose CT it is, as its DICOM says: dates YYYYMMDD, the name with carets, "" for nothing said.

    `is_unreadable`: what is kept can't be opened with this installation's key, so nothing is told of it.
    """

    patient_name: str = ""
    patient_id: str = ""
    issuer: str = ""
    birth_date: str = ""
    sex: str = ""
    study_date: str = ""
    accession: str = ""
    study_description: str = ""
    series_description: str = ""
    is_unreadable: bool = False


class VolumeIdentity(Identified):
    """Whose CT a volume is."""

    volume_id: str


class SeriesQuery(Body):
    """The received series whose patients are asked for."""

    model_config = example({"received_series_ids": ["019ab0c2-7b1e-7c8e-9d9a-3a3f6a0f2c11"]})

    received_series_ids: Annotated[list[UUID], Field(max_length=MOST_VOLUMES)]


class SeriesIdentity(Identified):
    """Whose series it is that a gateway received."""

    received_series_id: str


class SeriesIdentities(BaseModel):
    """Whose series these are; those of which nothing is kept are left out."""

    items: list[SeriesIdentity]


class Identities(BaseModel):
    """Whose CTs these are, in the order asked for; volumes of which nothing is kept are left out."""

    items: list[VolumeIdentity]


class IdentitySearch(Body):
    """A whole patient ID or accession number, or the beginnings of a name's parts."""

    model_config = example({"project": "default", "text": "doe, j"})

    project: Annotated[str, Field(max_length=100)] = "default"
    text: Annotated[str, Field(min_length=1, max_length=100)]


class FoundVolumes(BaseModel):
    """The volumes of a search, newest first; not all of them where there are too many to list."""

    volume_ids: list[str]
    is_complete: bool
