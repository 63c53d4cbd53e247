"""Every operation by everybody: who is let in, who is told what is missing, and that foreign objects are as absent ones."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import text

from segloop.database import metadata, open_engine, transaction
from segloop.settings import Settings
from services.api import refusal_counts, rules
from services.api.main import create_app
from tests import worlds

VIEWER, ANNOTATOR, REVIEWER, ADMIN = ROLES = ("viewer", "annotator", "reviewer", "admin")
SITE, ANYBODY, SIGNED_IN = "site", "anybody", "signed in"
# Who may do what, said once more and independently of services/api/rules.py: a new operation needs its line in both.
# "+" asks for the permission `identity` as well, "=" for `export`.
EXPECTED = {
    "health.health": ANYBODY,
    "health.ready": ANYBODY,
    "health.metrics": SITE,
    "sessions.begin_session": ANYBODY,
    "sessions.begin_oidc_session": ANYBODY,
    "sessions.end_session": SIGNED_IN,
    "sessions.get_me": SIGNED_IN,
    "people.list_people": SITE,
    "people.create_person": SITE,
    "people.change_person": SITE,
    "people.end_sessions": SITE,
    "people.create_link": SITE,
    "members.list_members": ADMIN,
    "members.save_member": ADMIN,
    "members.remove_member": ADMIN,
    "keys.list_project_keys": ADMIN,
    "keys.create_project_key": ADMIN,
    "keys.revoke_project_key": ADMIN,
    "keys.list_site_keys": SITE,
    "keys.create_site_key": SITE,
    "keys.revoke_site_key": SITE,
    "audit.list_events": SITE,
    "audit.get_head": SITE,
    "audit.export_events": SITE,
    "projects.list_projects": SIGNED_IN,
    "projects.create_project": SITE,
    "projects.get_project": VIEWER,
    "projects.list_label_sets": VIEWER,
    "projects.append_label_set": ADMIN,
    "uploads.start_upload": ANNOTATOR,
    "uploads.get_upload": ANNOTATOR,
    "uploads.put_part": ANNOTATOR,
    "uploads.complete_upload": ANNOTATOR,
    "uploads.abort_upload": ANNOTATOR,
    "volume_upload.upload_volume": ANNOTATOR,
    "volumes.list_volumes": VIEWER,
    "volumes.get_volume": VIEWER,
    "volumes.withdraw_volume": SITE,
    "volumes.make_ticket": VIEWER,
    "volumes.get_content": VIEWER,
    "volumes.get_level": VIEWER,
    "volumes.get_thumbnail": VIEWER,
    "jobs.create_job": SIGNED_IN,
    "jobs.list_jobs": SIGNED_IN,
    "jobs.get_job": VIEWER,
    "jobs.get_history": VIEWER,
    "jobs.cancel_job": ANNOTATOR,
    "jobs.retry_job": ANNOTATOR,
    "masks.list_masks": VIEWER,
    "masks.get_mask": VIEWER,
    "masks.get_statistics": VIEWER,
    "masks.make_ticket": VIEWER,
    "masks.get_content": VIEWER,
    "masks.get_level": VIEWER,
    "compare.compare_masks": VIEWER,
    "deidentified.get_deidentified": "=viewer",
    "dicom.get_result": "+viewer",
    "drafts.open_draft": ANNOTATOR,
    "drafts.list_drafts": VIEWER,
    "drafts.get_draft": VIEWER,
    "drafts.get_level": VIEWER,
    "drafts.get_changes": VIEWER,
    "drafts.finalize_draft": ANNOTATOR,
    "drafts.discard_draft": ANNOTATOR,
    "draft_entries.put_entry": ANNOTATOR,
    "draft_entries.list_entries": VIEWER,
    "draft_tools.run_tool": ANNOTATOR,
    "feedback.give_feedback": ANNOTATOR,
    "feedback.list_feedback": VIEWER,
    "feedback.get_statistics": VIEWER,
    "identities.look_at_identities": "+signed in",
    "identities.search_identities": "+signed in",
    "gateways.put_gateway": SITE,
    "gateways.list_gateways": SITE,
    "gateways.put_series": SITE,
    "gateways.claim_order": SITE,
    "gateways.put_order_result": SITE,
    "gateways.test_peer": SITE,
    "gateways.get_order": VIEWER,
    "received_series.list_series": SIGNED_IN,
    "received_series.look_at_identities": "+signed in",
    "received_series.get_series": VIEWER,
    "received_series.redeliver": ANNOTATOR,
    "received_series.route": ANNOTATOR,
    "model_versions.list_model_versions": VIEWER,
    "model_versions.list_figures": VIEWER,
    "model_versions.get_model_version": VIEWER,
    "model_versions.get_lineage": VIEWER,
    "model_versions.list_comparisons": VIEWER,
    "model_versions.promote_model_version": ADMIN,
    "model_versions.reject_model_version": ADMIN,
    "model_versions.list_versions_of_patient": VIEWER,
    "training.get_policy": VIEWER,
    "training.change_policy": ADMIN,
    "training.get_state": VIEWER,
    "training.list_cases": VIEWER,
    "training.freeze_patients": ADMIN,
    "training.list_runs": VIEWER,
    "training.get_run": VIEWER,
    "webhooks.make_webhook": ADMIN,
    "webhooks.list_webhooks": ADMIN,
    "webhooks.remove_webhook": ADMIN,
    "webhooks.list_deliveries": ADMIN,
    "webhooks.try_webhook": ADMIN,
    "webhooks.replay_delivery": ADMIN,
    "worklist.get_worklist": VIEWER,
}
TABLES = {
    "volume_id": "volumes",
    "mask_id": "masks",
    "draft_id": "drafts",
    "job_id": "jobs",
    "upload_id": "uploads",
    "model_version_id": "model_versions",
    "training_run_id": "training_runs",
    "series_id": "received_series",
    "order_id": "gateway_orders",
    "webhook_id": "webhooks",
    "delivery_id": "webhook_deliveries",
    "key_id": "api_keys",
    "label_set_id": "label_sets",
}
OTHERS = {"number": "1", "level": "0", "sequence": "1", "form": "seg", "aet": "A", "key": "k"}


@dataclass(frozen=True)
class Operation:
    """An operation as the API serves it."""

    name: str
    method: str
    path: str

    @property
    def of_project(self) -> bool:
        return "{project}" in self.path or any(f"{{{kind}}}" in self.path for kind in TABLES)


def operations(routes: Any, prefix: str = "") -> Iterator[Operation]:
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            yield Operation(rules.name_of(route.endpoint), sorted(route.methods)[0], prefix + route.path)
        elif hasattr(route, "original_router"):
            inner = route.original_router.routes
            yield from operations(inner, "" if "/health" in {one.path for one in inner} else "/v1")


@dataclass
class Site:
    """A running API, two worlds, and a bearer value for each of those who try."""

    http: TestClient
    here: worlds.World
    there: worlds.World
    tag: str
    bearers: dict[str, str]
    operations: list[Operation]

    def ask(self, who: str, operation: Operation, world: worlds.World | None, **given: Any) -> Any:
        """Return the answer to an operation on the objects of a world, or on ones that are nowhere."""
        path = re.sub(r"{(\w+)}", lambda match: self._fill(match[1], world), operation.path)
        if operation.name == "compare.compare_masks":
            given["params"] = {"with": self._fill("mask_id", world)}
        return self.send(who, operation.method, path, **given)

    def send(self, who: str, method: str, path: str, **given: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.bearers[who]}"} if who != "nobody" else {}
        return self.http.request(method, path, headers=headers, **given)

    def _fill(self, parameter: str, world: worlds.World | None) -> str:
        if parameter in OTHERS:
            return OTHERS[parameter]
        if parameter == "project":
            return "nowhere" if world is None else world.slug
        if parameter == "name":
            return "spare"
        return str(uuid.uuid4()) if world is None else world.id(TABLES[parameter])


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    owner = open_engine(settings.owner_database_url)
    with TestClient(create_app(settings), raise_server_exceptions=False) as http:
        tag = uuid.uuid4().hex[:6]
        with transaction(owner) as conn:
            here, there = worlds.make(conn, f"here{tag}"), worlds.make(conn, f"there{tag}")
        found = Site(http, here, there, tag, {"site": settings.token}, list(operations(http.app.routes)))  # type: ignore[attr-defined]
        for who in (*ROLES, "knower", "foreigner", "spare"):
            found.bearers[who] = _sign_in(found, f"{who}{tag}" if who != "spare" else "spare", here, there)
        yield found
    owner.dispose()


def _sign_in(site: Site, name: str, here: worlds.World, there: worlds.World) -> str:
    """Make a person with the role that the name begins with, and return a session key."""
    site.send("site", "POST", "/v1/people", json={"name": name})
    role = next((role for role in ROLES if name.startswith(role)), "viewer")
    body: dict[str, Any] = {"role": role}
    project = here.slug
    if name.startswith("knower"):
        body["permissions"] = ["identity"]
    if name.startswith("foreigner"):
        body, project = {"role": "admin", "permissions": ["identity", "export"]}, there.slug
    saved = site.send("site", "PUT", f"/v1/projects/{project}/members/{name}", json=body)
    assert saved.status_code == 200, saved.text
    code = site.send("site", "POST", f"/v1/people/{name}/links").json()["code"]
    return str(site.send("nobody", "POST", "/v1/sessions", json={"code": code}).json()["key"])


def refusals(site: Site, **given: Any) -> list[dict[str, Any]]:
    """Return the refusals on record, oldest first, as somebody sees them (a site admin, unless another is given)."""
    who = given.pop("who", "site")
    answer = site.send(who, "GET", "/v1/audit", params={"action": "access.refused", "limit": 200, **given})
    assert answer.status_code == 200, answer.text
    return list(reversed(answer.json()["items"]))


def told(answer: Any) -> tuple[int, Any]:
    """Return what an answer says, less the address that was asked."""
    if "problem" not in answer.headers.get("content-type", ""):
        return answer.status_code, answer.content
    body = answer.json()
    for name in ("instance", "request_id"):
        body.pop(name)
    return answer.status_code, body


def test_every_operation_has_its_line_in_both_tables(site: Site) -> None:
    names = {operation.name for operation in site.operations}
    assert len(names) == len(site.operations)
    assert names == set(EXPECTED), "say in EXPECTED who may do it"
    assert names == set(rules.RULES), "say in services/api/rules.py who may do it"


def test_everybody_does_what_they_may_and_nothing_else(site: Site) -> None:
    wrong = []
    for operation in sorted(site.operations, key=lambda one: (one.method == "DELETE", one.path)):
        least = EXPECTED[operation.name]
        for who in ("nobody", "foreigner", *ROLES, "knower", "site"):
            if operation.name == "sessions.end_session" and who not in ("nobody", "site"):
                continue
            answer = site.ask(who, operation, site.here)
            verdict = _verdict(site, operation, who, answer)
            if verdict != _wanted(operation, least, who):
                wrong.append((operation.name, who, verdict, told(answer)))
            if verdict == "let in" and operation.method == "DELETE":
                break  # the next one would find it gone
    assert not wrong


def _wanted(operation: Operation, least: str, who: str) -> str:
    mark, least = least[0], least.lstrip("+=")
    if least == ANYBODY:
        return "let in"
    if who == "nobody":
        return "unauthorized"
    if who == "site":
        return "let in"
    if least == SITE:
        return "role_missing"
    if who == "foreigner" and operation.of_project:
        return "as absent"
    rank = {"knower": 0, "foreigner": 3}.get(who, ROLES.index(who) if who in ROLES else 0)
    if least in ROLES and rank < ROLES.index(least):
        return "role_missing"
    if (mark == "=" and who != "foreigner") or (mark == "+" and who not in ("knower", "foreigner")):
        return "permission_missing"
    return "let in"


def _verdict(site: Site, operation: Operation, who: str, answer: Any) -> str:
    status, body = told(answer)
    if status == 500:
        return f"500 {answer.text}"
    if status in (401, 403) and body["code"] in ("unauthorized", "role_missing", "permission_missing"):
        return str(body["code"])
    of_project = operation.of_project and EXPECTED[operation.name] != SITE
    if status == 404 and of_project and told(site.ask(who, operation, None)) == (status, body):
        return "as absent"
    return "let in"


def test_every_look_at_another_projects_object_is_on_its_projects_record(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal_counts, "MOST_A_MINUTE", 10_000)
    wrong = []
    for operation in site.operations:
        if not operation.of_project:
            continue
        before = len(refusals(site, by=f"foreigner{site.tag}"))
        absent = site.ask("foreigner", operation, None)
        n_absent = len(refusals(site, by=f"foreigner{site.tag}")) - before
        answer = site.ask("foreigner", operation, site.here)
        new = refusals(site, by=f"foreigner{site.tag}", project=site.here.slug)
        new = new[-1:] if len(refusals(site, by=f"foreigner{site.tag}")) > before + n_absent else []
        ids = {site.here.id(table) for table in (*TABLES.values(), "projects")}
        is_told = [one["object_id"] for one in new if one["object_id"] in ids] and operation.path.endswith(
            new[0]["detail"]["route"].partition(" ")[2]
        )
        if not is_told or n_absent != (absent.status_code == 403) or answer.status_code not in (403, 404):
            wrong.append((operation.name, answer.status_code, n_absent, new))
    assert not wrong


def test_a_projects_admins_see_who_was_refused_in_it_and_nobody_elses(site: Site) -> None:
    volume = site.here.id("volumes")
    assert site.send("viewer", "POST", f"/v1/volumes/{volume}/drafts", json={}).status_code == 403
    assert site.send("admin", "DELETE", f"/v1/volumes/{volume}").status_code == 403
    assert (
        site.send("viewer", "GET", f"/v1/volumes/{volume}/deidentified").json()["code"]
        == "permission_missing"
    )
    assert site.send("viewer", "GET", f"/v1/projects/{site.here.slug}/members").status_code == 403
    assert site.send("foreigner", "GET", f"/v1/volumes/{volume}").status_code == 404
    mine = refusals(site, who="admin", project=site.here.slug)
    assert [(one["actor"].removesuffix(site.tag), one["object_type"], one["object_id"], one["detail"]["code"],
        one["detail"]["route"]) for one in mine] == [
        ("viewer", "volume", volume, "role_missing", "POST /volumes/{volume_id}/drafts"),
        ("admin", "volume", volume, "role_missing", "DELETE /volumes/{volume_id}"),
        ("viewer", "volume", volume, "permission_missing", "GET /volumes/{volume_id}/deidentified"),
        ("viewer", "project", site.here.project_id, "role_missing", "GET /projects/{project}/members"),
        ("foreigner", "volume", volume, "volume_unknown", "GET /volumes/{volume_id}"),
    ]  # fmt: skip
    assert len(refusals(site, who="admin", project=site.here.slug, object_id=volume)) == 4
    assert refusals(site, who="foreigner", project=site.there.slug) == []
    # Ids that are nowhere give no event.
    for who in ("foreigner", "site"):
        by = "local" if who == "site" else f"{who}{site.tag}"
        n = len(refusals(site, by=by))
        assert site.send(who, "GET", f"/v1/volumes/{uuid.uuid4()}").status_code == 404
        assert len(refusals(site, by=by)) == n


def test_no_list_and_no_answer_shows_anything_of_another_project(site: Site) -> None:
    leaks, n = _leaks(site, (*ROLES, "knower"))
    assert not leaks
    assert n > 150, "too few answers were of any worth"


def test_the_code_alone_keeps_projects_apart(site: Site, settings: Settings) -> None:
    owner = open_engine(settings.owner_database_url)
    tables = [table.fullname for table in metadata.tables.values() if table.name not in worlds.NO_PROJECT]

    def switch(how: str) -> None:
        with transaction(owner) as conn:
            for table in tables:
                conn.execute(text(f"ALTER TABLE {table} {how} ROW LEVEL SECURITY"))

    switch("DISABLE")
    try:
        assert _leaks(site, ("admin", "knower"))[0] == []
        for operation in site.operations:
            if operation.of_project and EXPECTED[operation.name] != SITE:
                foreign, absent = (site.ask("foreigner", operation, world) for world in (site.here, None))
                assert told(foreign) == told(absent), operation
    finally:
        switch("ENABLE")
        owner.dispose()


def _leaks(site: Site, everybody: tuple[str, ...]) -> tuple[list[Any], int]:
    """Return what answers in one project show of the other, and how many answers were looked at."""
    ids = {
        str(row.id) for row in site.there.rows.values() if hasattr(row, "id") and not isinstance(row.id, int)
    }
    hidden = ids | {site.there.slug}
    shared = [site.there.rows[table] for table in worlds.NO_PROJECT]
    hidden -= {str(getattr(row, "id", "")) for row in shared}
    leaks, n = [], 0
    for operation in site.operations:
        if operation.method != "GET":
            continue
        for who in everybody:
            answer = site.ask(who, operation, site.here)
            n += answer.status_code == 200
            assert answer.status_code != 500, operation
            leaks += [(operation.name, who, one) for one in hidden if one in answer.text]
    return leaks, n


BODIES: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("admin", "POST", "/v1/jobs", {"kind": "segment", "project_id": "HERE", "input": {"volume_id": "volumes"}}, ""),
    ("admin", "POST", "/v1/jobs", {"kind": "segment", "project_id": "HERE", "input": {"upload_id": "uploads"}}, ""),
    ("admin", "POST", "/v1/jobs", {"kind": "segment", "project_id": "HERE", "input": {"received_series_id": "received_series"}}, ""),
    ("admin", "POST", "/v1/jobs", {"kind": "evaluate", "project_id": "HERE", "input": {"model_version_id": "model_versions"}}, ""),
    ("admin", "POST", "/v1/jobs", {"kind": "segment", "project_id": "HERE", "input": {"volume_id": "HERE:volumes"},
        "parameters": {"model_version_id": "model_versions"}}, ""),
    ("admin", "POST", "/v1/jobs", {"kind": "selftest", "project_id": "SLUG"}, "project_unknown"),
    ("admin", "GET", "/v1/jobs?project_id=SLUG", {}, "project_unknown"),
    ("admin", "GET", "/v1/audit?project=SLUG", {}, "project_unknown"),
    ("admin", "GET", "/v1/audit/export?project=SLUG", {}, "project_unknown"),
    ("admin", "GET", "/v1/received-series?project=SLUG", {}, "project_unknown"),
    ("knower", "POST", "/v1/identities", {"volume_ids": ["volumes"]}, "items"),
    ("knower", "POST", "/v1/identities/search", {"project": "SLUG", "text": "x"}, "project_unknown"),
    ("knower", "POST", "/v1/received-series/identities", {"received_series_ids": ["received_series"]}, "items"),
    ("admin", "POST", "/v1/received-series/HERE:received_series/route", {"project": "SLUG"}, "project_unknown"),
    ("admin", "POST", "/v1/received-series/HERE:received_series/redeliver", {"mask_id": "masks"}, "mask_unknown"),
    ("admin", "POST", "/v1/volumes/HERE:volumes/drafts", {"base_mask_id": "masks"}, "mask_unknown"),
    ("admin", "POST", "/v1/volumes/HERE:volumes/drafts", {"label_set_id": "label_sets"}, "label_set_unknown"),
    ("admin", "GET", "/v1/masks/HERE:masks/compare?with=masks", {}, "mask_unknown"),
    ("admin", "POST", "/v1/projects/HERE/uploads", {"size_bytes": 9, "purpose": "mask", "volume_id": "volumes"}, "volume_unknown"),
    ("admin", "POST", "/v1/projects/HERE/uploads", {"size_bytes": 9, "purpose": "mask", "volume_id": "HERE:volumes",
        "parent_id": "masks"}, "mask_unknown"),
    ("admin", "POST", "/v1/projects/HERE/test-patients", {"volume_ids": ["volumes"]}, "volume_unknown"),
    ("admin", "DELETE", "/v1/projects/HERE/keys/api_keys", {}, "key_unknown"),
    ("admin", "POST", "/v1/webhooks/HERE:webhooks/deliveries/webhook_deliveries/replay", {}, ""),
    ("viewer", "GET", "/v1/jobs?volume_id=volumes", {}, "items"),
    ("viewer", "GET", "/v1/received-series?volume_id=volumes", {}, "items"),
    ("viewer", "GET", "/v1/projects/HERE/worklist?volume=volumes", {}, "items"),
]  # fmt: skip


@pytest.mark.parametrize(("who", "method", "path", "body", "said"), BODIES, ids=range(len(BODIES)))
def test_foreign_objects_in_bodies_and_queries_are_as_absent_ones(
    site: Site, who: str, method: str, path: str, body: dict[str, Any], said: str
) -> None:
    def answer(world: worlds.World | None) -> tuple[int, Any]:
        given = {"json": _named(body, site, world)} if body else {}
        return told(site.send(who, method, _named(path, site, world), **given))

    by = f"{who}{site.tag}"
    absent, n_refused = answer(None), len(refusals(site, by=by))
    foreign = answer(site.there)
    assert foreign == absent
    new = refusals(site, by=by)[n_refused:]
    is_told = absent[0] == 404 or path.endswith("identities")  # a filter of a list is no look at an object
    assert {one["project_id"] for one in new} == ({site.there.project_id} if is_told else set())
    code = "left_out" if said == "items" else absent[1]["code"]
    assert all(one["detail"]["code"] == code for one in new)
    assert absent[0] == 404 or said == "items", absent
    assert said in str(absent[1])


def _named(value: Any, site: Site, world: worlds.World | None) -> Any:
    """Put ids in the place of tables' names: of this project where HERE says so, else of the other world or nowhere."""
    if isinstance(value, dict):
        return {key: _named(item, site, world) for key, item in value.items()}
    if isinstance(value, list):
        return [_named(item, site, world) for item in value]
    if not isinstance(value, str):
        return value
    tables = "|".join(TABLES.values())
    value = re.sub(f"HERE:({tables})", lambda match: site.here.id(match[1]), value)
    value = value.replace("SLUG", "nowhere" if world is None else world.slug).replace("HERE", site.here.slug)
    if "/" not in value:
        return site._fill(_kind(value), world) if value in tables.split("|") else value
    head, _, last = value.partition("?")
    head = "/".join(
        site._fill(_kind(part), world) if part == "api_keys" or part == "webhook_deliveries" else part
        for part in head.split("/")
    )
    last = re.sub(f"=({tables})$", lambda match: f"={site._fill(_kind(match[1]), world)}", last)
    return f"{head}?{last}" if last else head


def _kind(table: str) -> str:
    return next(kind for kind, name in TABLES.items() if name == table)
