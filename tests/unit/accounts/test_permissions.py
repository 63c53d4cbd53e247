"""What an actor may do beyond the daily work."""

import pytest

from segloop.accounts.actor import Actor, read_permissions
from segloop.accounts.roles import Role
from segloop.errors import Forbidden, InvalidInput, NotFound


def test_a_missing_permission_is_refused_with_what_to_do() -> None:
    actor = Actor("a", roles={"p": Role.ADMIN}, permissions={"p": frozenset({"export"})})
    with pytest.raises(Forbidden) as caught:
        actor.require_permission("identity", "p")
    assert (caught.value.code, caught.value.details) == ("permission_missing", {"permission": "identity"})
    assert "Ask" in caught.value.message
    actor.require_permission("export", "p")


def test_permissions_are_those_of_a_project_and_the_sites_hold_everywhere() -> None:
    member = Actor("a", permissions={"p": frozenset({"identity"})})
    assert (
        member.may("identity", "p") and member.may_somewhere("identity") and not member.may("identity", "q")
    )
    assert Actor("a", is_site_admin=True, site_permissions=frozenset({"identity"})).may("identity", "q")
    assert not Actor("a", is_site_admin=True).may("identity", "q")
    assert not member.may("identity", None)  # what is in no project is not in this one


@pytest.mark.parametrize("mine", Role)
@pytest.mark.parametrize("wanted", Role)
def test_a_role_covers_those_before_it(mine: Role, wanted: Role) -> None:
    order = ["viewer", "annotator", "reviewer", "admin"]
    assert mine.covers(wanted) == (order.index(mine) >= order.index(wanted))


def test_a_project_that_is_not_mine_is_as_one_that_is_not_there_and_too_little_is_said() -> None:
    actor = Actor("a", roles={"p": Role.ANNOTATOR})
    actor.require("p", Role.VIEWER)
    with pytest.raises(NotFound) as absent:
        actor.require("q", Role.VIEWER)
    assert absent.value.code == "project_unknown"
    with pytest.raises(Forbidden) as little:
        actor.require("p", Role.REVIEWER)
    assert (little.value.code, little.value.details) == ("role_missing", {"role": "reviewer"})
    Actor("a", is_site_admin=True).require("q", Role.ADMIN)


def test_permissions_are_read_from_a_list_and_a_mistake_is_no_decision() -> None:
    assert read_permissions("identity, export") == {"identity", "export"}
    assert read_permissions("none") == read_permissions("") == frozenset()
    with pytest.raises(InvalidInput) as caught:
        read_permissions("identiy")
    assert caught.value.code == "settings_invalid"
