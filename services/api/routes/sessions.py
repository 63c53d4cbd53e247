"""Sign in with a one-time link or an identity provider's token, sign out, and say who acts."""

from fastapi import APIRouter, Request, Response

from segloop import schemas
from segloop.accounts.actor import PERMISSIONS, Kind
from segloop.accounts.links import link
from segloop.accounts.oidc import sign_in
from segloop.accounts.sessions import session
from segloop.database import transaction
from segloop.errors import Conflict, NotFound
from services.api.deps import ActorDep, PartsDep, address_of

router = APIRouter(tags=["people"])


@router.post("/sessions", status_code=201)
def begin_session(
    body: schemas.NewSession, parts: PartsDep, request: Request, response: Response
) -> schemas.Session:
    """Sign in with the code of a one-time link, which opens once; the key is a bearer value for twelve hours."""
    with parts.limits.sign_in(address_of(request)), transaction(parts.engine) as conn:
        person, row, key = link.open_(conn, body.code)
    response.headers["Cache-Control"] = "no-store"
    return schemas.Session(key=key, name=person.name, expires_at=row.expires_at)


@router.post("/sessions/oidc", status_code=201)
def begin_oidc_session(
    body: schemas.NewOidcSession, parts: PartsDep, request: Request, response: Response
) -> schemas.Session:
    """Sign in with an ID token of the installation's identity provider, once, soon after it was issued."""
    if parts.oidc is None:
        raise NotFound("provider_not_set", "No identity provider is set up here; sign in by a one-time link.")
    with parts.limits.sign_in(address_of(request)):
        claims = parts.oidc.check(body.id_token, body.nonce)
        with transaction(parts.engine) as conn:
            person, row, key = sign_in.begin(conn, parts.oidc, claims, body.nonce)
    response.headers["Cache-Control"] = "no-store"
    return schemas.Session(key=key, name=person.name, expires_at=row.expires_at)


@router.delete("/sessions/current", status_code=204)
def end_session(parts: PartsDep, actor: ActorDep) -> None:
    """Sign out: the session key is worth nothing from now on."""
    if actor.kind is not Kind.PERSON:
        raise Conflict("no_session", "This is no session of a person; a key is revoked instead.")
    with transaction(parts.engine) as conn:
        session.end(conn, actor)


@router.get("/me")
def get_me(actor: ActorDep) -> schemas.Me:
    """Say who the bearer value stands for and what they may do."""
    return schemas.Me(
        name=actor.name,
        kind=actor.kind.value,
        is_site_admin=actor.is_site_admin,
        permissions=sorted(one for one in PERMISSIONS if actor.may_somewhere(one)),
        projects=[
            schemas.MyProject(
                project_id=project_id,
                role=role,
                permissions=sorted(one for one in PERMISSIONS if actor.may(one, project_id)),
            )
            for project_id, role in actor.roles.items()
        ],
    )
