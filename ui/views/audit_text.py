"""How an event of the audit record reads to a person."""

from collections.abc import Mapping
from datetime import UTC

from segloop.schemas import AuditEvent

REFUSED = "access.refused"
_WHY = {
    "unauthorized": "not signed in",
    "role_missing": "not in the role for it",
    "permission_missing": "without the permission for it",
    "key_not_allowed": "not for API keys",
    "key_revoked": "its key was revoked",
    "key_expired": "its key had expired",
    "ticket_expired": "a link that had expired",
    "ticket_invalid": "a link that opens something else, or nothing",
    "link_invalid": "a sign-in link that was used or is over",
    "left_out": "not theirs, so its name was left out of the answer",
}
_ABSENT = "not theirs, so it was called absent"
_HASH_LENGTH, _SHOWN = 64, 12


def when(event: AuditEvent) -> str:
    """Return when it was, in UTC, to the second."""
    return f"{event.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def about(event: AuditEvent, projects: Mapping[str, str]) -> str:
    """Return what it was about, with its name where the reader may know it; `projects` holds slugs by id."""
    name = event.object_name
    if event.object_type == "project":
        name = projects.get(event.object_id or "")
    return " ".join(filter(None, [event.object_type.replace("_", " "), name]))


def details(event: AuditEvent) -> str:
    """Return the rest of it, such as "role viewer; permissions identity, export"."""
    left = dict(event.detail)
    said = _refusal(event, left) if event.action == REFUSED else []
    said += [f"{name.replace('_', ' ')} {_value(value)}" for name, value in left.items() if _is_said(value)]
    return "; ".join(said)


def _refusal(event: AuditEvent, left: dict[str, object]) -> list[str]:
    """Return what a refusal says, and take that out of what is left."""
    code, route = str(left.pop("code", "")), left.pop("route", None)
    address, n_untold, is_last = (left.pop(name, None) for name in ("address", "n_untold", "is_last_told"))
    if event.object_type == "route":
        route = event.object_id
    why = _ABSENT if code.endswith("_unknown") else _WHY.get(code, code)
    before = "before it " if code else ""
    return [
        *filter(None, [why]),
        *([str(route)] if route else []),
        *([f"from {address}"] if address else []),
        *([f"{n_untold} refusals {before}were too many a minute to be told"] if n_untold else []),
        *(["what came next in this minute is only counted"] if is_last else []),
    ]


def _is_said(value: object) -> bool:
    return value is not None and value not in ("", [], {})


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(one)}" for name, one in value.items())
    text = str(value)
    return f"{text[:_SHOWN]}..." if len(text) == _HASH_LENGTH and text.isalnum() else text
