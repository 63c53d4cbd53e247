"""An order to pull a series by its UIDs, have it stored as a volume, and follow the job that waits for it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from segloop.errors import Conflict, InvalidInput, Unavailable
from services.dicom_gateway.config import Config
from services.dicom_gateway.deliveries import plan
from services.dicom_gateway.entry import ENDED, Entry, Stage
from services.dicom_gateway.order_kinds import require_known
from services.dicom_gateway.retrieve import Retriever
from services.dicom_gateway.spool import Spool

LOOK_S, LIMIT_S = 0.5, 3600.0
WAITS_S = (2.0, 5.0, 15.0, 30.0, 60.0, 120.0)
"""Between tries of a source that is away or broke off."""


def retrieve(
    config: Config, spool: Spool, retriever: Retriever, payload: Mapping[str, Any]
) -> Callable[[], dict[str, Any]]:
    """Pull a series, and return what waits for its volume and gives `{series, volume_id}`; it goes to the order's destinations, or none.

    With a `job_id` that job is followed. Ordered again for the same job, it also goes to the destinations and in the forms
    that are new. While the gateway works on the series for another job, this one gets an entry of its own beside it.

    Raises:
        InvalidInput: `destination_unknown`, why no volume can be made of it, or as `Retriever.retrieve`.
        NotFound, Conflict, Unavailable: as `Retriever.retrieve`; then Conflict `series_under_way` where it was routed anew meanwhile.
    """
    names, outputs = tuple(payload.get("destinations") or ()), tuple(payload.get("forms") or ())
    require_known(config, names)
    job_id = str(payload.get("job_id") or "")

    def decide(entry: Entry) -> Entry:
        return replace(
            entry,
            project=payload["project"],
            priority=payload.get("priority") or "routine",
            job_id=job_id,
            destinations=names,
            outputs=outputs,
        )

    def begun(entry: Entry, earlier: Entry) -> Entry:
        """Begin for this order from where the series is; a volume of another project is none of this one's."""
        volume_id = earlier.volume_id if earlier.project == payload["project"] else ""
        stage: Stage = "uploaded" if volume_id else "closed"
        n_instances = earlier.n_instances
        return replace(
            decide(entry), stage=stage, volume_id=volume_id, n_instances=n_instances, **_FROM_THERE
        )

    def adopt(now: Entry) -> Entry:
        """Say what becomes of a series that was here already; what another job has under way goes on as it is."""
        if now.job_id == job_id and (now.stage == "done" or now.stage not in ENDED):
            return _also_to(config, now, names, outputs)
        return begun(now, now) if now.stage in ENDED else now

    found = _of_job(spool, job_id)
    if found is None or not found.volume_id:
        found = _pull(retriever, payload, decide)
        found = _of_job(spool, job_id) or found
    now = spool.update(found.key, adopt)
    if now is not None and job_id not in ("", now.job_id):
        earlier = now
        now = spool.beside(earlier, lambda entry: begun(entry, earlier))
    key = found.key if now is None else now.key
    return lambda: {"series": key, "volume_id": _volume(spool, key, job_id)}


_FROM_THERE: dict[str, Any] = {
    **dict.fromkeys(("mask_id", "code", "message"), ""),
    "deliveries": (),
    "tries": 0,
    "next_try": 0.0,
}


def _of_job(spool: Spool, job_id: str) -> Entry | None:
    """Return the entry that follows a job, the newest of several."""
    return next((one for one in reversed(spool.entries()) if job_id and one.job_id == job_id), None)


def _also_to(config: Config, entry: Entry, names: tuple[str, ...], outputs: tuple[str, ...]) -> Entry:
    """Return a series that is also due at destinations, or in forms, in which it was not until now."""
    due = entry.deliveries or plan(config.destinations, entry.destinations, entry.outputs)
    known = {(one.destination, one.form) for one in due}
    wanted = plan(config.destinations, names, outputs)
    more = tuple(one for one in wanted if (one.destination, one.form) not in known)
    if not more:
        return entry
    forms = (
        (*entry.outputs, *outputs) if entry.outputs and outputs else ()
    )  # none are all that a destination wants
    return replace(
        entry,
        stage="delivering" if entry.stage == "done" else entry.stage,
        destinations=tuple(dict.fromkeys((*entry.destinations, *names))),
        outputs=tuple(dict.fromkeys(forms if entry.destinations else outputs)),
        deliveries=due + more,
    )


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
