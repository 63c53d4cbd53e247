"""What an actor may do beyond the daily work."""

import pytest

from segloop.accounts import tickets
from segloop.accounts.actor import Actor, authenticate, read_permissions
from segloop.errors import Forbidden, InvalidInput


def test_a_missing_permission_is_refused_with_what_to_do() -> None:
    with pytest.raises(Forbidden) as caught:
        Actor("a", permissions=frozenset({"export"})).require("identity")
    assert (caught.value.code, caught.value.details) == ("permission_missing", {"permission": "identity"})
    assert "Ask" in caught.value.message
    Actor("a", permissions=frozenset({"identity"})).require("identity")


def test_permissions_are_read_from_a_list_and_a_mistake_is_no_decision() -> None:
    assert read_permissions("identity, export") == {"identity", "export"}
    assert read_permissions("none") == read_permissions("") == frozenset()
    with pytest.raises(InvalidInput) as caught:
        read_permissions("identiy")
    assert caught.value.code == "settings_invalid"


def test_a_ticket_carries_no_permission() -> None:
    assert authenticate("Bearer t", token="t", permissions={"identity"}).may("identity")
    ticket = tickets.issue(actor="a", object_id="o", scope="read", key="k", lifetime_s=9)
    assert not tickets.check(ticket, object_id="o", scope="read", key="k").may("identity")
