"""Who may do what: one line for each operation. The document docs/security.md shows this table."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from segloop.accounts.roles import Role


class Level(Enum):
    """Whom an operation is for where no role in a project decides."""

    ANYBODY = "anybody"
    SIGNED_IN = "signed in"
    SITE_ADMIN = "site admin"
    METRICS = "site admin, or the metrics token"


@dataclass(frozen=True)
class Rule:
    """What an operation needs: a level, or a role in the project of the object that its path names.

    With `within` the objects are named elsewhere, and the route itself asks for the role. `also` maps a query parameter
    to the kind of object that it names. A `ticket` to the object opens it, too. With `no_key` API keys are refused.
    """

    needs: Role | Level
    permission: str | None = None
    within: str = ""
    also: tuple[tuple[str, str], ...] = ()
    ticket: bool = False
    no_key: bool = False


_VIEW, _ANNOTATE, _ADMINISTER = Rule(Role.VIEWER), Rule(Role.ANNOTATOR), Rule(Role.ADMIN)
_SITE, _ANYBODY, _SIGNED_IN = Rule(Level.SITE_ADMIN), Rule(Level.ANYBODY), Rule(Level.SIGNED_IN)
_ADMINISTER_NO_KEY, _SITE_NO_KEY = Rule(Role.ADMIN, no_key=True), Rule(Level.SITE_ADMIN, no_key=True)
_READ = Rule(Role.VIEWER, ticket=True)
_LIST = Rule(Role.VIEWER, within="lists what is in your projects")
_IDENTITY = Rule(Role.VIEWER, permission="identity", within="in projects where you have the permission")
_ACCESS = "an e-mail address, or site admin: with every permission of the person, and not by a key"
_AUDIT = Rule(Role.ADMIN, within="of a project; of all: site admin")

RULES: dict[str, Rule] = {
    "health.health": _ANYBODY,
    "health.ready": _ANYBODY,
    # They count over all projects, so whoever is in only some of them may not see these.
    "health.metrics": Rule(Level.METRICS),
    "sessions.begin_session": _ANYBODY,
    "sessions.begin_oidc_session": _ANYBODY,
    "sessions.end_session": _SIGNED_IN,
    "sessions.get_me": _SIGNED_IN,
    "people.list_people": _SITE,
    "people.create_person": Rule(Level.SITE_ADMIN, within=_ACCESS),
    "people.change_person": Rule(Level.SITE_ADMIN, within=_ACCESS),
    "people.end_sessions": _SITE,
    "people.create_link": Rule(Level.SITE_ADMIN, within="with every permission of the person", no_key=True),
    "members.list_members": _ADMINISTER,
    "members.save_member": _ADMINISTER_NO_KEY,
    "members.remove_member": _ADMINISTER_NO_KEY,
    "keys.list_project_keys": _ADMINISTER,
    "keys.create_project_key": _ADMINISTER_NO_KEY,
    "keys.revoke_project_key": _ADMINISTER_NO_KEY,
    "keys.list_site_keys": _SITE,
    "keys.create_site_key": _SITE_NO_KEY,
    "keys.revoke_site_key": _SITE_NO_KEY,
    "audit.list_events": _AUDIT,
    "audit.get_head": _SITE,
    "audit.export_events": _AUDIT,
    "projects.list_projects": _LIST,
    "projects.create_project": _SITE,
    "projects.get_project": _VIEW,
    "projects.list_label_sets": _VIEW,
    "projects.append_label_set": _ADMINISTER,
    "uploads.start_upload": _ANNOTATE,
    "uploads.get_upload": _ANNOTATE,
    "uploads.put_part": _ANNOTATE,
    "uploads.complete_upload": _ANNOTATE,
    "uploads.abort_upload": _ANNOTATE,
    "volume_upload.upload_volume": _ANNOTATE,
    "volumes.list_volumes": _VIEW,
    "volumes.get_volume": _VIEW,
    "volumes.withdraw_volume": _SITE,
    "volumes.make_ticket": _VIEW,
    "volumes.get_content": _READ,
    "volumes.get_level": _READ,
    "volumes.get_thumbnail": _READ,
    "jobs.create_job": Rule(Role.ANNOTATOR, within="of the body's project; kinds other than segment: admin"),
    "jobs.list_jobs": _LIST,
    "jobs.get_job": _VIEW,
    "jobs.get_history": _VIEW,
    "jobs.cancel_job": Rule(Role.ANNOTATOR, within="kinds other than segment: admin"),
    "jobs.retry_job": Rule(Role.ANNOTATOR, within="kinds other than segment: admin"),
    "masks.list_masks": _VIEW,
    "masks.get_mask": _VIEW,
    "masks.get_statistics": _VIEW,
    "masks.make_ticket": _VIEW,
    "masks.get_content": _READ,
    "masks.get_level": _READ,
    "compare.compare_masks": Rule(Role.VIEWER, also=(("with", "mask_id"),)),
    "deidentified.get_deidentified": Rule(Role.VIEWER, permission="export", also=(("mask_id", "mask_id"),)),
    "dicom.get_result": Rule(Role.VIEWER, permission="identity"),
    "drafts.open_draft": _ANNOTATE,
    "drafts.list_drafts": _VIEW,
    "drafts.get_draft": _VIEW,
    "drafts.get_level": _VIEW,
    "drafts.get_changes": _VIEW,
    "drafts.finalize_draft": _ANNOTATE,
    "drafts.discard_draft": _ANNOTATE,
    "draft_entries.put_entry": _ANNOTATE,
    "draft_entries.list_entries": _VIEW,
    "draft_tools.run_tool": _ANNOTATE,
    "feedback.give_feedback": Rule(Role.ANNOTATOR, within="to accept or reject: reviewer"),
    "feedback.list_feedback": _VIEW,
    "feedback.get_statistics": _VIEW,
    "identities.look_at_identities": _IDENTITY,
    "identities.search_identities": _IDENTITY,
    "gateways.put_gateway": _SITE,
    "gateways.list_gateways": _SITE,
    "gateways.put_series": _SITE,
    "gateways.claim_order": _SITE,
    "gateways.put_order_result": _SITE,
    "gateways.test_peer": _SITE,
    "gateways.get_order": _VIEW,
    "received_series.list_series": _LIST,
    "received_series.look_at_identities": _IDENTITY,
    "received_series.get_series": _VIEW,
    "received_series.redeliver": _ANNOTATE,
    "received_series.route": _ANNOTATE,
    "model_versions.list_model_versions": _VIEW,
    "model_versions.list_figures": _VIEW,
    "model_versions.get_model_version": _VIEW,
    "model_versions.get_lineage": _VIEW,
    "model_versions.list_comparisons": _VIEW,
    "model_versions.promote_model_version": _ADMINISTER,
    "model_versions.reject_model_version": _ADMINISTER,
    "model_versions.list_versions_of_patient": _VIEW,
    "training.get_policy": _VIEW,
    "training.change_policy": _ADMINISTER,
    "training.get_state": _VIEW,
    "training.list_cases": _VIEW,
    "training.freeze_patients": _ADMINISTER,
    "training.list_runs": _VIEW,
    "training.get_run": _VIEW,
    "webhooks.make_webhook": _ADMINISTER,
    "webhooks.list_webhooks": _ADMINISTER,
    "webhooks.remove_webhook": _ADMINISTER,
    "webhooks.list_deliveries": _ADMINISTER,
    "webhooks.try_webhook": _ADMINISTER,
    "webhooks.replay_delivery": _ADMINISTER,
    "worklist.get_worklist": _VIEW,
}


def name_of(endpoint: Callable[..., Any]) -> str:
    """Return the name of an operation: its module and function."""
    return f"{endpoint.__module__.rpartition('.')[2]}.{endpoint.__name__}"


def of(endpoint: Callable[..., Any]) -> Rule:
    """Return the rule of an operation; one that was forgotten is a site admin's alone."""
    return RULES.get(name_of(endpoint), _SITE)
