"""Tickets open one object, for one scope, for a while."""

import pytest

from segloop.accounts import tickets
from segloop.errors import Unauthorized


def ticket(now: float = 1000.0) -> str:
    return tickets.issue(
        reference="sgs:anna", object_id="v1", scope="read", key="secret", lifetime_s=60, now=now
    )


def test_a_ticket_names_the_sign_in_that_it_ends_with() -> None:
    assert tickets.check(ticket(), object_id="v1", scope="read", key="secret", now=1059) == "sgs:anna"


@pytest.mark.parametrize(
    ("object_id", "scope", "key", "now", "code"),
    [
        ("v2", "read", "secret", 1000, "ticket_invalid"),
        ("v1", "write", "secret", 1000, "ticket_invalid"),
        ("v1", "read", "other", 1000, "ticket_invalid"),
        ("v1", "read", "secret", 1061, "ticket_expired"),
    ],
)
def test_a_ticket_opens_nothing_else(object_id: str, scope: str, key: str, now: float, code: str) -> None:
    with pytest.raises(Unauthorized) as refusal:
        tickets.check(ticket(), object_id=object_id, scope=scope, key=key, now=now)
    assert refusal.value.code == code


@pytest.mark.parametrize("text", ["", ".", "abc", "é.é", ticket()[:-2], "x" + ticket()])
def test_a_damaged_ticket_is_refused(text: str) -> None:
    with pytest.raises(Unauthorized):
        tickets.check(text, object_id="v1", scope="read", key="secret", now=1000)
