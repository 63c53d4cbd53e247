"""A series as the gateway knows it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from services.dicom_gateway.deliveries import Delivery

Stage = Literal["receiving", "closed", "uploaded", "segmenting", "delivering", "done", "failed", "ignored"]
ENDED = ("done", "failed", "ignored")
Route = Literal["c-store", "stow-rs", "retrieve"]


@dataclass(frozen=True)
class Entry:
    """How a series came and how far it is; times in seconds since 1970.

    `caller` is who sent it, or the source it was pulled from. `project`, `priority`, `outputs` and `destinations` are what a
    rule or a person decided ("" and empty before). `job_id` given before there is a volume is followed instead of a new job. `n_instances` is
    how many files there were, where they are no longer kept; `n_differing` how often one came again with other content before a
    volume was made.
    """

    key: str
    caller: str
    route: Route = "c-store"
    stage: Stage = "receiving"
    received: float = 0.0
    touched: float = 0.0
    rule: str = ""
    project: str = ""
    priority: str = "routine"
    outputs: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    volume_id: str = ""
    job_id: str = ""
    mask_id: str = ""
    code: str = ""
    message: str = ""
    deliveries: tuple[Delivery, ...] = ()
    n_instances: int = 0
    n_differing: int = 0
    tries: int = 0
    next_try: float = 0.0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Entry":
        """Return what `to_dict` gave, as JSON keeps it; what another version wrote and this one doesn't know is left out."""
        known = _known(cls, values)
        for name in ("outputs", "destinations"):
            known[name] = tuple(known.get(name, ()))
        known["deliveries"] = tuple(Delivery(**_known(Delivery, one)) for one in known.get("deliveries", ()))
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def _known(kind: type[Entry | Delivery], values: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: values[field.name] for field in fields(kind) if field.name in values}
