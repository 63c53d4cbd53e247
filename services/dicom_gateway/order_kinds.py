"""What a person can have done about a series: segment it after all, or send its results again."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pydicom

from segloop.errors import Conflict, InvalidInput, NotFound
from services.dicom_gateway.config import Config
from services.dicom_gateway.deliveries import Delivery, plan
from services.dicom_gateway.entry import ENDED, Entry
from services.dicom_gateway.spool import Spool


def route(config: Config, spool: Spool, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Have a series segmented in a project that no rule took, or that failed; one that is under way goes on as it is.

    Without destinations it gets those of the rule that fits it and is of that project, or none. With a `job_id` that job is
    followed; what is another project's stays so, and the job gets an entry of its own beside it.

    Raises:
        NotFound: `series_forgotten`.
        Conflict: `series_grew` where more of it came and another entry has all of it.
        InvalidInput: `destination_unknown`.
    """
    entry = _find(spool, payload["series"])
    _require_whole(spool, entry)
    project, job_id = payload["project"], str(payload.get("job_id") or "")
    is_anothers = bool(job_id) and entry.project not in ("", project)
    if is_anothers and any(one.job_id == job_id for one in spool.entries()):
        return {}
    if entry.stage not in ENDED and (not is_anothers or entry.stage == "receiving"):
        return {}
    if not any(spool.files(entry).glob("*.dcm")):
        raise _forgotten()
    given = payload.get("destinations")
    names, outputs = _of_rule(config, spool, entry, project) if given is None else (tuple(given), ())
    require_known(config, names)

    def begun(now: Entry) -> Entry:
        return replace(
            now,
            stage="closed",
            project=project,
            priority=payload.get("priority", "routine"),
            destinations=names,
            outputs=outputs,
            touched=time.time(),
            **{**_NOTHING_YET, "job_id": job_id},
        )

    def change(now: Entry) -> Entry:
        _require_whole(spool, now)
        return begun(now) if now.stage in ENDED else now

    if is_anothers:
        spool.beside(entry, begun)
    else:
        spool.update(entry.key, change)
    return {}


def redeliver(config: Config, spool: Spool, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Begin a series' deliveries again, all or those to one destination; nothing is computed again.

    With a mask it is that one that is delivered from now on, such as a person's correction; also where another destination
    still waits for the earlier one.

    Raises:
        NotFound: `series_forgotten`.
        Conflict: `nothing_to_deliver` where there is no result yet, or nobody to send it to; `series_grew` as `route`.
        InvalidInput: `destination_unknown`.
    """
    entry = _find(spool, payload["series"])
    _require_whole(spool, entry)
    mask_id = str(payload.get("mask_id") or entry.mask_id)
    if not mask_id or entry.stage not in (*ENDED, "delivering"):
        raise Conflict("nothing_to_deliver", "This series has no result yet. Wait for its segmentation.")
    one = payload.get("destination")
    names = (one,) if one else entry.destinations
    if not names:
        raise Conflict("nothing_to_deliver", "This series goes to no destination. Name one.")
    require_known(config, names)

    def change(now: Entry) -> Entry:
        _require_whole(spool, now)
        others = tuple(
            Delivery(old.destination, old.form) if old.state == "waiting" and mask_id != now.mask_id else old
            for old in now.deliveries
            if old.destination not in names
        )
        again = plan(config.destinations, names, now.outputs)
        return replace(
            now,
            stage="delivering",
            mask_id=mask_id,
            code="",
            message="",
            touched=time.time(),
            deliveries=others + again,
        )

    spool.update(entry.key, change)
    return {}


_NOTHING_YET: dict[str, Any] = {
    **dict.fromkeys(("volume_id", "job_id", "mask_id", "code", "message"), ""),
    "deliveries": (),
    "tries": 0,
    "n_differing": 0,
    "next_try": 0.0,
}


def _find(spool: Spool, key: str) -> Entry:
    entry = spool.get(str(key))
    if entry is None:
        raise _forgotten()
    return entry


def _require_whole(spool: Spool, entry: Entry) -> None:
    """Refuse a part of a series: its result must never come beside that of the whole, whoever asks and however it ended."""
    stem, n_instances = spool.stem(entry), spool.count(entry)
    later = (one for one in spool.entries() if one.key != entry.key and spool.stem(one) == stem)
    if entry.code == "series_grew" or any(spool.count(one) > n_instances for one in later):
        raise Conflict(
            "series_grew",
            "More of this series came, and another entry of it goes on with all of it. Choose that one.",
        )


def _forgotten() -> NotFound:
    return NotFound(
        "series_forgotten",
        "The gateway keeps a series only for a while, and this one is gone. Send it again.",
    )


def _of_rule(
    config: Config, spool: Spool, entry: Entry, project: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    files = sorted(spool.files(entry).glob("*.dcm"))
    header = pydicom.dcmread(files[0], stop_before_pixels=True)
    rule = config.rule_for(header, caller=entry.caller, n_slices=len(files))
    # Where a rule sends is not for another project's results.
    if rule is None or rule.project not in (None, project):
        return (), ()
    return rule.destinations, rule.outputs


def require_known(config: Config, names: Iterable[str]) -> None:
    """Check that all destinations are configured.

    Raises:
        InvalidInput: `destination_unknown`.
    """
    unknown = sorted(set(names) - set(config.destinations))
    if unknown:
        raise InvalidInput(
            "destination_unknown",
            f"This gateway has no destination {', '.join(unknown)}. Known are: {', '.join(config.destinations) or 'none'}.",
        )
