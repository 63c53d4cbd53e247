"""Webhooks: who is told of what, and what became of each message."""

from fastapi import APIRouter

from segloop import schemas
from segloop.projects import table as projects_table
from segloop.webhooks import manage, table
from services.api.deps import (
    ActorDep,
    ConnectionDep,
    CursorDep,
    LimitDep,
    PartsDep,
    next_cursor,
    require_uuid,
)

router = APIRouter(tags=["webhooks"])


@router.post("/projects/{project}/webhooks", status_code=201)
def make_webhook(
    project: str, body: schemas.NewWebhook, conn: ConnectionDep, actor: ActorDep, parts: PartsDep
) -> schemas.MadeWebhook:
    """Have a project's events sent to a URL, signed with the secret that is shown in this answer only."""
    row, secret = manage.subscribe(
        conn,
        manage.rules_of(parts.settings),
        project_id=projects_table.get(conn, project).id,
        actor=actor.name,
        url=body.url,
        events=body.events,
    )
    return schemas.MadeWebhook(**schemas.Webhook.model_validate(row).model_dump(), secret=secret)


@router.get("/projects/{project}/webhooks")
def list_webhooks(project: str, conn: ConnectionDep) -> schemas.Page[schemas.Webhook]:
    """List a project's webhooks, oldest first."""
    rows = table.list_(conn, project_id=projects_table.get(conn, project).id)
    return schemas.Page(items=[schemas.Webhook.model_validate(row) for row in rows])


@router.delete("/webhooks/{webhook_id}", status_code=204)
def remove_webhook(webhook_id: str, conn: ConnectionDep, actor: ActorDep) -> None:
    """Remove a webhook; what still waits to be sent to it is given up."""
    manage.unsubscribe(conn, require_uuid(webhook_id), actor=actor.name)


@router.get("/webhooks/{webhook_id}/deliveries")
def list_deliveries(
    webhook_id: str, conn: ConnectionDep, before: CursorDep, limit: LimitDep = 50
) -> schemas.Page[schemas.WebhookDelivery]:
    """List the messages to a webhook, newest first; those that ended more than 30 days ago are not kept."""
    table.get(conn, require_uuid(webhook_id))
    rows = table.list_deliveries(conn, webhook_id=webhook_id, limit=limit, before=before)
    return schemas.Page(
        items=[schemas.WebhookDelivery.model_validate(row) for row in rows],
        next_cursor=next_cursor([(row.created_at, row.id) for row in rows], limit),
    )


@router.post("/webhooks/{webhook_id}/test", status_code=202)
def try_webhook(webhook_id: str, conn: ConnectionDep, actor: ActorDep) -> schemas.WebhookDelivery:
    """Send the event `webhook.test` to this webhook; its delivery says how that went."""
    row = manage.try_out(conn, require_uuid(webhook_id), actor=actor.name)
    return schemas.WebhookDelivery.model_validate(row)


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/replay", status_code=202)
def replay_delivery(
    webhook_id: str, delivery_id: str, conn: ConnectionDep, actor: ActorDep
) -> schemas.WebhookDelivery:
    """Send a message again, with the same id and body, whatever became of it."""
    row = manage.replay(conn, require_uuid(webhook_id), require_uuid(delivery_id), actor=actor.name)
    return schemas.WebhookDelivery.model_validate(row)
