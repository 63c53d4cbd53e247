"""People, sessions, one-time links and API keys: what opens, and what is refused on the very next request."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from segloop.database import open_engine, transaction
from segloop.settings import Settings
from services.api.main import create_app


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), headers={"Authorization": f"Bearer {settings.token}"}) as found:
        yield found


@pytest.fixture
def owner(settings: Settings) -> Iterator[Any]:
    engine = open_engine(settings.owner_database_url)
    yield lambda query: _run(engine, query)
    engine.dispose()


def _run(engine: Any, query: str) -> list[tuple[Any, ...]]:
    with transaction(engine) as conn:
        found = conn.execute(text(query))
        return [tuple(row) for row in found] if found.returns_rows else []


def as_(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


def sign_in(http: TestClient, name: str, **values: Any) -> str:
    """Make a person where there is none, and return a session key of theirs."""
    made = http.post("/v1/people", json={"name": name, **values})
    assert made.status_code in (201, 409), made.text
    code = http.post(f"/v1/people/{name}/links").json()["code"]
    answer = http.post("/v1/sessions", json={"code": code}, headers={"Authorization": ""})
    assert answer.status_code == 201 and answer.headers["cache-control"] == "no-store"
    return str(answer.json()["key"])


def status(http: TestClient, value: str) -> int:
    return http.get("/v1/me", headers=as_(value)).status_code


def test_the_installations_token_is_a_site_admin(http: TestClient) -> None:
    me = http.get("/v1/me").json()
    assert (me["name"], me["kind"], me["is_site_admin"], me["projects"]) == (
        "local",
        "installation",
        True,
        [],
    )
    assert me["permissions"] == ["export", "identity"]


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Bearer wrong", "Bearer tökén", "Basic dG9rZW4=",
    "Bearer sgk_", "Bearer sgk_x_y", "Bearer sgs_00000000000000000000000000000000_", "Bearer sgs_00000000000000000000000000000000_x",
    "Bearer sgk_00000000000000000000000000000000_x"])  # fmt: skip
def test_nothing_else_signs_in_and_the_answer_says_not_why(http: TestClient, value: str) -> None:
    answer = http.get("/v1/me", headers={"Authorization": value.encode()})  # type: ignore[dict-item]
    assert answer.status_code == 401 and answer.json()["code"] == "unauthorized"


def test_a_link_opens_once(http: TestClient, owner: Any) -> None:
    http.post("/v1/people", json={"name": "anna", "display_name": "Anna Moser"})
    link = http.post("/v1/people/anna/links").json()
    first = http.post("/v1/sessions", json={"code": link["code"]})
    assert first.status_code == 201 and first.json()["name"] == "anna"
    again = http.post("/v1/sessions", json={"code": link["code"]})
    assert again.status_code == 401 and again.json()["code"] == "link_invalid"
    old = http.post("/v1/people/anna/links").json()["code"]
    owner("UPDATE sign_in_links SET expires_at = now() - interval '1 s' WHERE used_at IS NULL")
    over = http.post("/v1/sessions", json={"code": old})
    assert over.status_code == 401 and over.json()["detail"] == again.json()["detail"]
    me = http.get("/v1/me", headers=as_(first.json()["key"])).json()
    assert (me["name"], me["kind"], me["is_site_admin"], me["permissions"]) == ("anna", "person", False, [])


def test_a_session_ends_by_signing_out_by_time_and_by_switching_off(http: TestClient, owner: Any) -> None:
    one, other = sign_in(http, "ben"), sign_in(http, "ben")
    assert http.delete("/v1/sessions/current", headers=as_(one)).status_code == 204
    assert (status(http, one), status(http, other)) == (401, 200)
    owner("UPDATE sessions SET expires_at = now() - interval '1 s'")
    assert status(http, other) == 401
    third = sign_in(http, "ben")
    assert http.patch("/v1/people/ben", json={"is_on": False}).json()["switched_off_at"]
    assert status(http, third) == 401
    assert http.post("/v1/people/ben/links").json()["code"] == "person_off"
    assert http.patch("/v1/people/ben", json={"is_on": True}).json()["switched_off_at"] is None
    assert status(http, third) == 401  # an old session doesn't come back
    assert status(http, sign_in(http, "ben")) == 200


def test_a_site_admin_signs_somebody_out_everywhere_and_they_can_come_back(
    http: TestClient, owner: Any
) -> None:
    one, other, apart = sign_in(http, "olga"), sign_in(http, "olga"), sign_in(http, "otto")
    assert http.delete("/v1/people/olga/sessions", headers=as_(other)).status_code == 403
    assert http.delete("/v1/people/olga/sessions").status_code == 204
    assert [status(http, value) for value in (one, other, apart)] == [401, 401, 200]
    assert status(http, sign_in(http, "olga")) == 200
    assert http.delete("/v1/people/nobody/sessions").json()["code"] == "person_unknown"
    assert owner("SELECT count(*) FROM audit_events WHERE action = 'person.signed_out'") == [(1,)]


def test_a_project_admin_leaves_a_permission_that_they_could_not_give(http: TestClient) -> None:
    key = sign_in(http, "hal")
    sign_in(http, "ida")
    members = "/v1/projects/default/members"
    assert http.put(f"{members}/hal", json={"role": "admin"}).status_code == 200
    assert http.put(f"{members}/ida", json={"role": "viewer", "permissions": ["identity"]}).status_code == 200
    kept = {"role": "reviewer", "permissions": ["identity"]}
    assert http.put(f"{members}/ida", json=kept, headers=as_(key)).json()["role"] == "reviewer"
    more = {"role": "reviewer", "permissions": ["identity", "export"]}
    refused = http.put(f"{members}/ida", json=more, headers=as_(key))
    assert (refused.status_code, refused.json()["permission"]) == (403, "export")
    assert (
        http.put(
            f"{members}/hal", json={"role": "admin", "permissions": ["identity"]}, headers=as_(key)
        ).status_code
        == 403
    )
    for name in ("hal", "ida"):
        assert http.delete(f"{members}/{name}").status_code == 204


def test_sessions_and_links_that_are_long_over_are_erased(
    settings: Settings, http: TestClient, owner: Any
) -> None:
    kept = sign_in(http, "otto")  # used a link, too
    for name in ("old", "recent"):
        sign_in(http, name)
    for table in ("sessions", "sign_in_links"):
        for name, days in (("old", 31), ("recent", 29)):
            owner(
                f"UPDATE {table} SET expires_at = now() - interval '{days} days' "
                f"WHERE person_id = (SELECT id FROM people WHERE name = '{name}')"
            )
    with TestClient(create_app(settings)):
        pass  # it sweeps when it starts
    for table in ("sessions", "sign_in_links"):
        left = owner(f"SELECT p.name FROM {table} t JOIN people p ON p.id = t.person_id")
        assert ("old",) not in left and ("recent",) in left
    assert status(http, kept) == 200


def test_a_link_made_before_somebody_was_switched_off_does_not_open(http: TestClient) -> None:
    http.post("/v1/people", json={"name": "cleo"})
    code = http.post("/v1/people/cleo/links").json()["code"]
    http.patch("/v1/people/cleo", json={"is_on": False})
    assert http.post("/v1/sessions", json={"code": code}).json()["code"] == "link_invalid"


def test_names_of_people_are_unique_and_not_what_others_act_as(http: TestClient) -> None:
    assert http.post("/v1/people", json={"name": "dora"}).status_code == 201
    assert http.post("/v1/people", json={"name": "dora"}).json()["code"] == "person_exists"
    assert http.post("/v1/people", json={"name": "local"}).json()["code"] == "name_reserved"
    for name in ("key:x@default", "Dora", "", "a b"):
        assert http.post("/v1/people", json={"name": name}).json()["code"] == "request_invalid"
    assert http.patch("/v1/people/nobody", json={}).json()["code"] == "person_unknown"
    assert [one["name"] for one in http.get("/v1/people").json()["items"]].count("dora") == 1


def test_a_key_is_shown_once_counts_its_uses_and_ends(http: TestClient, owner: Any) -> None:
    body = {"name": "pacs", "role": "annotator", "permissions": ["identity"], "days": 30}
    made = http.post("/v1/projects/default/keys", json=body).json()
    assert made["acts_as"] == "key:pacs@default" and made["last_used_at"] is None
    assert http.post("/v1/projects/default/keys", json=body).json()["code"] == "key_exists"
    listed = http.get("/v1/projects/default/keys").json()["items"][0]
    assert "key" not in listed and listed["id"] == made["id"]
    secret = made["key"].split("_", 2)[2]
    assert secret not in str(owner("SELECT * FROM api_keys")) and secret not in str(
        owner("SELECT * FROM audit_events")
    )
    me = http.get("/v1/me", headers=as_(made["key"])).json()
    assert (me["name"], me["kind"], me["is_site_admin"]) == ("key:pacs@default", "key", False)
    assert [(one["role"], one["permissions"]) for one in me["projects"]] == [("annotator", ["identity"])]
    used = http.get("/v1/projects/default/keys").json()["items"][0]["last_used_at"]
    assert used is not None
    wrong = made["key"][:-1] + ("A" if made["key"][-1] != "A" else "B")
    assert status(http, wrong) == 401
    owner("UPDATE api_keys SET expires_at = now() - interval '1 s'")
    assert status(http, made["key"]) == 401


def test_a_revoked_key_is_refused_on_the_next_request(http: TestClient) -> None:
    made = http.post("/v1/keys", json={"name": "gateway"}).json()
    assert http.get("/v1/me", headers=as_(made["key"])).json()["is_site_admin"]
    path = f"/v1/keys/{made['id']}"
    # A project's route doesn't reach the installation's keys.
    assert http.delete(f"/v1/projects/default/keys/{made['id']}").json()["code"] == "key_unknown"
    assert [http.delete(path).status_code for _ in range(2)] == [204, 204]
    assert status(http, made["key"]) == 401


def test_a_membership_is_given_changed_and_taken(http: TestClient) -> None:
    key = sign_in(http, "emil")
    member = "/v1/projects/default/members/emil"
    assert http.put(member, json={"role": "viewer"}).json()["role"] == "viewer"
    changed = http.put(member, json={"role": "reviewer", "permissions": ["identity"]})
    assert changed.json()["permissions"] == ["identity"]
    mine = http.get("/v1/me", headers=as_(key)).json()["projects"]
    assert [(one["role"], one["permissions"]) for one in mine] == [("reviewer", ["identity"])]
    assert [one["name"] for one in http.get("/v1/projects/default/members").json()["items"]] == ["emil"]
    assert http.delete(member).status_code == 204
    assert http.delete(member).json()["code"] == "member_unknown"
    assert http.get("/v1/me", headers=as_(key)).json()["projects"] == []
    nobody = http.put("/v1/projects/default/members/nobody", json={"role": "viewer"})
    assert nobody.json()["code"] == "person_unknown"


def test_what_people_did_is_on_record_under_their_name(http: TestClient, owner: Any) -> None:
    key = sign_in(http, "fred", is_site_admin=True)
    assert http.post("/v1/people", json={"name": "gina"}, headers=as_(key)).json()["created_by"] == "fred"
    found = owner("SELECT action FROM audit_events WHERE actor = 'fred' ORDER BY id")
    assert [row[0] for row in found] == ["session.begun", "person.created"]


def test_a_key_gives_nobody_a_way_in_and_no_key_a_successor(http: TestClient) -> None:
    sign_in(http, "hugo")
    project = "/v1/projects/default"
    site = http.post("/v1/keys", json={"name": "site-way-in", "days": 1}).json()
    mine = http.post(f"{project}/keys", json={"name": "way-in", "role": "admin", "days": 1}).json()
    new = {"name": "successor", "role": "viewer", "days": 365}
    tried: list[tuple[dict[str, Any], str, str, dict[str, Any] | None]] = [
        (site, "POST", "/v1/people/hugo/links", None),
        (site, "PATCH", "/v1/people/hugo", {"email": "gate@example.org"}),
        (site, "PATCH", "/v1/people/hugo", {"is_site_admin": True}),
        (site, "POST", "/v1/people", {"name": "gate", "email": "gate@example.org"}),
        (site, "POST", "/v1/people", {"name": "gate", "is_site_admin": True}),
        (site, "POST", "/v1/keys", {"name": "successor", "days": 365}),
        (site, "DELETE", f"/v1/keys/{site['id']}", None),
    ]
    for key in (site, mine):
        tried += [
            (key, "POST", f"{project}/keys", new),
            (key, "DELETE", f"{project}/keys/{mine['id']}", None),
            (key, "PUT", f"{project}/members/hugo", {"role": "admin"}),
            (key, "DELETE", f"{project}/members/hugo", None),
        ]
    for key, method, path, body in tried:
        answer = http.request(method, path, json=body, headers=as_(key["key"]))
        assert (answer.status_code, answer.json()["code"]) == (403, "key_not_allowed"), (method, path)
    plain = http.post("/v1/people", json={"name": "gate-plain"}, headers=as_(site["key"]))
    assert plain.status_code == 201
    assert [status(http, key["key"]) for key in (site, mine)] == [200, 200]


def test_who_gives_a_way_in_has_every_permission_that_it_opens(settings: Settings) -> None:
    token = {"Authorization": f"Bearer {settings.token}"}
    with TestClient(create_app(settings), headers=token) as http:
        sign_in(http, "ines")
        ines = {"role": "viewer", "permissions": ["identity"]}
        assert http.put("/v1/projects/default/members/ines", json=ines).status_code == 200
        assert http.post("/v1/people/ines/links").status_code == 201
    with TestClient(create_app(replace(settings, token_permissions="none")), headers=token) as http:
        root = sign_in(http, "root", is_site_admin=True)
        for answer in (
            http.post("/v1/people/ines/links", headers=as_(root)),
            http.patch("/v1/people/ines", json={"email": "root@example.org"}, headers=as_(root)),
        ):
            assert (answer.status_code, answer.json()["permission"]) == (403, "identity")
        assert http.put("/v1/projects/default/members/ines", json={"role": "viewer"}).status_code == 200
        assert http.post("/v1/people/ines/links", headers=as_(root)).status_code == 201


def test_keys_end_with_the_membership_or_the_person_that_made_them(http: TestClient, owner: Any) -> None:
    kim = sign_in(http, "kim", is_site_admin=True)
    http.put("/v1/projects/default/members/kim", json={"role": "admin"})

    def make(path: str, name: str, who: dict[str, str] | None = None, **role: str) -> dict[str, Any]:
        body = {"name": name, "days": 30, **role}
        return dict(http.post(path, json=body, headers=who).json())

    keys = "/v1/projects/default/keys"
    theirs = make(keys, "kims", as_(kim), role="admin")
    site = make("/v1/keys", "kims-site", as_(kim))
    others = make(keys, "not-kims", role="admin")
    assert http.delete("/v1/projects/default/members/kim").status_code == 204
    assert [status(http, key["key"]) for key in (theirs, site, others)] == [401, 200, 200]
    assert http.patch("/v1/people/kim", json={"is_on": False}).status_code == 200
    assert [status(http, key["key"]) for key in (site, others)] == [401, 200]
    revoked = "SELECT object_id, project_id IS NULL FROM audit_events WHERE action = 'key.revoked'"
    found = {(str(one), is_site) for one, is_site in owner(revoked)}
    assert {(theirs["id"], False), (site["id"], True)} <= found
    assert others["id"] not in {one for one, _ in found}


def test_keys_end_where_who_made_them_may_do_less(http: TestClient) -> None:
    member, keys = "/v1/projects/default/members/mia", "/v1/projects/default/keys"
    mia = sign_in(http, "mia")

    def make(path: str, name: str, **given: Any) -> str:
        answer = http.post(path, json={"name": name, "days": 30, **given}, headers=as_(mia))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["key"])

    http.put(member, json={"role": "admin", "permissions": ["identity"]})
    plain, seeing = (
        make(keys, "plain", role="viewer"),
        make(keys, "seeing", role="viewer", permissions=["identity"]),
    )
    http.put(member, json={"role": "admin", "permissions": []})
    assert (status(http, plain), status(http, seeing)) == (200, 401)
    http.put(member, json={"role": "reviewer"})
    assert status(http, plain) == 401

    assert http.patch("/v1/people/mia", json={"is_site_admin": True}).status_code == 200
    site, inside = make("/v1/keys", "mias-site"), make(keys, "inside", role="viewer")
    http.put(member, json={"role": "admin"})
    assert (status(http, site), status(http, inside)) == (
        200,
        200,
    )  # what a site admin is in a project takes nothing away
    assert http.patch("/v1/people/mia", json={"is_site_admin": False}).status_code == 200
    assert (status(http, site), status(http, inside)) == (401, 200)


def test_unused_links_end_with_the_sessions(http: TestClient) -> None:
    http.post("/v1/people", json={"name": "lena"})

    def kept(method: str, path: str, **values: Any) -> int:
        code = http.post("/v1/people/lena/links").json()["code"]
        assert http.request(method, path, json=values or None).is_success
        http.patch("/v1/people/lena", json={"is_on": True})
        return http.post("/v1/sessions", json={"code": code}).status_code

    assert kept("PATCH", "/v1/people/lena", display_name="Lena") == 201
    assert kept("DELETE", "/v1/people/lena/sessions") == 401
    assert kept("PATCH", "/v1/people/lena", is_on=False) == 401
    assert kept("PATCH", "/v1/people/lena", email="lena@example.org") == 401
