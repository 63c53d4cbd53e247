"""Bodies about gateways, the series they received, and orders to them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from segloop.schemas.base import Body, Result, example

Stage = Literal["receiving", "closed", "uploaded", "segmenting", "delivering", "done", "failed", "ignored"]
Route = Literal["c-store", "stow-rs", "retrieve"]
_AET = 16
_NAME, _TEXT = 200, 2000


class Peer(Body):
    """A destination or source of a gateway."""

    name: str = Field(max_length=_NAME)
    kind: str = Field(max_length=_NAME)
    forms: list[str] = Field(default_factory=list, max_length=20)


class RoutingRule(Body):
    """A rule of a gateway: what is done with the series that fit it; without a project they are left alone."""

    name: str = Field(max_length=_NAME)
    project: str | None = Field(max_length=_NAME)
    priority: str = Field(max_length=_NAME)
    forms: list[str] = Field(default_factory=list, max_length=20)
    destinations: list[str] = Field(default_factory=list, max_length=100)
    conditions: dict[str, str] = Field(
        default_factory=dict,
        max_length=20,
        description="What must hold, as in the configuration: regular expressions, or a number.",
    )


class GatewayState(Body):
    """What a gateway says of itself."""

    model_config = example(
        {
            "version": "0.1.0",
            "aet": "SEGLOOP",
            "host": "10.0.0.7",
            "port": 11112,
            "destinations": [{"name": "pacs", "kind": "c-store", "forms": ["seg", "pdf"]}],
            "sources": [{"name": "archive", "kind": "dicomweb"}],
            "rules": [
                {
                    "name": "head and neck",
                    "project": "default",
                    "priority": "routine",
                    "destinations": ["pacs"],
                }
            ],
        }
    )
    version: str = Field(max_length=_NAME)
    aet: str = Field(max_length=_AET)
    host: str = Field(max_length=_NAME)
    port: int
    destinations: list[Peer] = Field(max_length=100)
    sources: list[Peer] = Field(max_length=100)
    rules: list[RoutingRule] = Field(max_length=200)


class Gateway(GatewayState):
    """A gateway; one that was silent for two minutes is away."""

    seen_at: datetime
    is_away: bool


class Delivery(Body):
    """How one form of a series' results fares at one destination."""

    destination: str = Field(max_length=_NAME)
    form: str = Field(max_length=_NAME)
    state: Literal["waiting", "sent", "verified", "failed", "superseded"]
    code: str = Field(default="", max_length=_NAME)
    message: str = Field(default="", max_length=_TEXT)
    attempts: int = 0
    mask_id: str | None = Field(default=None, description="Which mask it was of, once it has ended.")
    ended_at: datetime | None = None


class PatientIdentity(Body):
    """Whose series it is, "" where its header doesn't say; dates are DICOM's (YYYYMMDD)."""

    patient_name: str = Field(default="", max_length=_NAME)
    patient_id: str = Field(default="", max_length=_NAME)
    issuer: str = Field(default="", max_length=_NAME)
    birth_date: str = Field(default="", max_length=_NAME)
    sex: str = Field(default="", max_length=_NAME)
    study_date: str = Field(default="", max_length=_NAME)
    study_time: str = Field(default="", max_length=_NAME)
    accession: str = Field(default="", max_length=_NAME)
    study_description: str = Field(default="", max_length=_NAME)
    series_description: str = Field(default="", max_length=_NAME)
    series_number: str = Field(default="", max_length=_NAME)
    body_part: str = Field(default="", max_length=_NAME)
    modality: str = Field(default="", max_length=_NAME)
    study_uid: str = Field(default="", max_length=_NAME)
    series_uid: str = Field(default="", max_length=_NAME)


class SeriesReport(Body):
    """Where a received series stands; only `identity` says whose it is."""

    model_config = example(
        {
            "route": "c-store",
            "sender": "CT1",
            "stage": "delivering",
            "n_instances": 214,
            "rule": "head and neck",
            "project": "default",
            "received_at": "2026-11-30T10:00:00Z",
            "deliveries": [{"destination": "pacs", "form": "seg", "state": "waiting"}],
        }
    )
    route: Route
    sender: str = Field(max_length=_NAME)
    stage: Stage
    n_instances: int = Field(ge=0)
    rule: str = Field(default="", max_length=_NAME)
    project: str = Field(default="", max_length=_NAME)
    code: str = Field(default="", max_length=_NAME)
    message: str = Field(default="", max_length=_TEXT)
    volume_id: str | None = None
    job_id: str | None = None
    mask_id: str | None = None
    received_at: datetime
    deliveries: list[Delivery] = Field(default_factory=list, max_length=500)
    identity: PatientIdentity | None = None


class Order(Result):
    """An order to a gateway."""

    id: str
    gateway: str
    kind: str
    state: Literal["open", "claimed", "done", "failed"]
    code: str
    message: str
    result: dict[str, Any]
    job_id: str | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None


class DeliveredMask(Result):
    """Who or what made a mask that was delivered: `model` is a version's name and number, null for what a person made."""

    id: str
    kind: str
    model: str | None
    created_by: str
    created_at: datetime


class ReceivedSeries(Result):
    """A series that a gateway received or fetched. Series of one study have one `study_key`, which says nothing else."""

    id: str
    project_id: str | None
    gateway: str
    study_key: str
    route: Route
    sender: str
    stage: Stage
    n_instances: int
    rule: str
    code: str
    message: str
    volume_id: str | None
    job_id: str | None
    mask_id: str | None
    deliveries: list[Delivery]
    delivered_masks: list[DeliveredMask] = Field(description="What the deliveries' masks are.")
    received_at: datetime
    reported_at: datetime
    order: Order | None = Field(description="What a person asked of its gateway last, and what came of it.")


class ReceivedSeriesPage(Result):
    """One page of received series; `counts` are of the last 30 days, by stage."""

    items: list[ReceivedSeries]
    counts: dict[str, int]
    next_cursor: str | None = None


class RouteSeries(Body):
    """What to do with a series that no rule took, or that failed."""

    model_config = example({"project": "default", "priority": "stat"})
    project: str = Field(default="default", max_length=_NAME)
    priority: Literal["stat", "routine"] = "routine"
    destinations: list[str] | None = Field(
        default=None,
        max_length=100,
        description="Null: those of the rule that fits it and is of that project, or none.",
    )


class Redeliver(Body):
    """Where to send a series' results again, null for everywhere; with a mask of the series' CT, that one from now on."""

    model_config = example({"destination": "pacs"})

    destination: str | None = Field(default=None, max_length=_NAME)
    mask_id: str | None = Field(
        default=None, description="For example a correction; null for the one that was sent before."
    )


class PeerTest(Body):
    """Which destination or source of a gateway to try."""

    model_config = example({"name": "pacs"})
    name: str = Field(max_length=_NAME)


class ClaimedOrder(Result):
    """An order as its gateway gets it."""

    id: str
    kind: Literal["retrieve", "redeliver", "route", "echo"]
    payload: dict[str, Any]


class OrderResult(Body):
    """What came of an order."""

    model_config = example({"state": "done", "result": {"ok": True, "seconds": 0.2}})
    state: Literal["done", "failed"]
    code: str = Field(default="", max_length=_NAME)
    message: str = Field(default="", max_length=_TEXT)
    result: dict[str, Any] = Field(default_factory=dict)
