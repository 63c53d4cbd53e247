"""An order to pull a series by its UIDs, have it stored as a volume, and follow the job that waits for it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from segloop.errors import Conflict, InvalidInput, Unavailable
from services.dicom_gateway.config import Config
from services.dicom_gateway.entry import ENDED, Entry, Stage
from services.dicom_gateway.order_kinds import require_known
from services.dicom_gateway.retrieve import Retriever
from services.dicom_gateway.spool import Spool

LOOK_S, LIMIT_S = 0.5, 3600.0
WAITS_S = (2.0, 5.0, 15.0, 30.0, 60.0, 120.0)
"""Between tries of a source that is away or broke off."""


def retrieve(
    config: Config, spool: Spool, retriever: Retriever, payload: Mapping[str, Any]
) -> dict[str, Any]:
    """Pull a series and return `{series, volume_id}` once its volume is stored; it goes to the order's destinations, or none.

    With a `job_id` that job is followed. A series that was pulled before is not pulled into a second entry.

    Raises:
        InvalidInput: `destination_unknown`, why no volume can be made of it, or as `Retriever.retrieve`.
        NotFound, Conflict, Unavailable: as `Retriever.retrieve`; Conflict `series_under_way` where another job has it.
    """
    names, outputs = tuple(payload.get("destinations") or ()), tuple(payload.get("forms") or ())
    require_known(config, names)

    def decide(entry: Entry) -> Entry:
        return replace(
            entry,
            project=payload["project"],
            priority=payload.get("priority") or "routine",
            job_id=payload.get("job_id") or "",
            destinations=names,
            outputs=outputs,
        )

    found = _pull(retriever, payload, decide)

    def adopt(entry: Entry) -> Entry:
        """A series that was here already: it follows the new job from where it is."""
        if entry.stage not in ENDED or (entry.job_id == decide(entry).job_id and entry.stage == "done"):
            return entry
        stage: Stage = "uploaded" if entry.volume_id else "closed"
        return replace(decide(entry), stage=stage, code="", message="", deliveries=(), tries=0, next_try=0.0)

    spool.update(found.key, adopt)
    return {"series": found.key, "volume_id": _volume(spool, found.key, str(payload.get("job_id") or ""))}


def _pull(retriever: Retriever, payload: Mapping[str, Any], decide: Callable[[Entry], Entry]) -> Entry:
    wanted = payload["source"], payload["study_uid"], payload["series_uid"]
    for wait_s in WAITS_S:
        try:
            return retriever.retrieve(*wanted, decide)
        except Unavailable:
            time.sleep(wait_s)
    return retriever.retrieve(*wanted, decide)


def _volume(spool: Spool, key: str, job_id: str) -> str:
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        entry = spool.get(key)
        if entry is None:
            raise Conflict("series_forgotten", "The series is gone from the gateway. Ask for it again.")
        if job_id and entry.job_id != job_id:
            raise Conflict(
                "series_under_way",
                "The gateway works on this series for another job. Ask again when it is done.",
            )
        if entry.volume_id:
            return entry.volume_id
        if entry.stage in ENDED:
            raise InvalidInput(entry.code or "not_routed", entry.message)
        time.sleep(LOOK_S)
    raise Unavailable("api_unavailable", "The series is here and could not be stored for an hour.")
