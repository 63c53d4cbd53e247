"""Sign in whom an identity provider vouches for: a person who is known, or whom somebody added by their e-mail address."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from segloop.accounts.oidc import token
from segloop.accounts.oidc.discovery import check_issuer
from segloop.accounts.oidc.keys import KeySet
from segloop.accounts.people import person, table
from segloop.accounts.sessions import session
from segloop.audit.record import record
from segloop.database import Connection
from segloop.errors import Conflict, Forbidden
from segloop.settings import Settings

CREATOR = "system"
"""Who made a person that nobody added."""


@dataclass(frozen=True)
class Oidc:
    """The provider that this installation trusts, and whom it lets in."""

    issuer: str
    client_id: str
    keys: KeySet
    trust_email: bool
    create_people: bool
    contact: str

    @classmethod
    def from_settings(cls, settings: Settings) -> "Oidc | None":
        """Return what the settings say, None where they name no provider.

        Raises:
            InvalidInput: `settings_invalid`.
        """
        if not settings.oidc_issuer:
            return None
        check_issuer(settings.oidc_issuer, settings.oidc_client_id)
        return cls(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            keys=KeySet(settings.oidc_issuer),
            trust_email=settings.oidc_trust_email,
            create_people=settings.oidc_create_people,
            contact=settings.contact or "a site admin of this installation",
        )

    def check(self, id_token: str, nonce: str) -> token.Claims:
        """Return whose token this is, as `token.check` does."""
        return token.check(
            id_token, keys=self.keys, issuer=self.issuer, client_id=self.client_id, nonce=nonce
        )


def begin(conn: Connection, oidc: Oidc, claims: token.Claims, nonce: str) -> tuple[Row[Any], Row[Any], str]:
    """Begin a session of the person whom the claims are about; return (person, session, session key).

    The first sign-in of somebody who was added by an e-mail address binds them to the provider's subject, for good.

    Raises:
        Forbidden: `person_not_added`, `email_not_verified`, `person_off`.
        Unauthorized: `token_used`.
    """
    found = table.find_by_subject(conn, issuer=claims.issuer, subject=claims.subject)
    if found is None:
        found = _first_time(conn, oidc, claims)
    if found.switched_off_at is not None:
        raise Forbidden("person_off", f"You are switched off here. Ask {oidc.contact}.")
    row, key = session.begin(conn, found, by="oidc", nonce=nonce)
    return found, row, key


def _first_time(conn: Connection, oidc: Oidc, claims: token.Claims) -> Row[Any]:
    is_verified = claims.is_email_verified or (claims.is_email_verified is None and oidc.trust_email)
    if not claims.email or not is_verified:
        raise Forbidden(
            "email_not_verified",
            "The identity provider gives no verified e-mail address of yours, by which you could be found here. Ask "
            f"{oidc.contact}.",
        )
    subject = {"issuer": claims.issuer, "subject": claims.subject}
    bound = table.bind(conn, claims.email, **subject)
    if bound is not None:
        record(
            conn, actor=bound.name, action="person.bound", object_type="person", object_id=bound.id, by="oidc"
        )
        return bound
    # Another request of the same person was first.
    found = table.find_by_subject(conn, **subject)
    if found is None and oidc.create_people and table.find_by_email(conn, claims.email) is None:
        found = _create(conn, claims)
    if found is None:
        raise Forbidden(
            "person_not_added",
            f"Nobody has added you here, or with another account than this one. Ask {oidc.contact} to add you by the "
            "e-mail address of your account.",
        )
    return found


def _create(conn: Connection, claims: token.Claims) -> Row[Any]:
    mark = hashlib.sha256(f"{claims.issuer} {claims.subject}".encode()).hexdigest()[:12]
    names = [claims.email] if re.fullmatch(table.NAME, claims.email) else []
    for name in (*names, f"oidc-{mark}"):
        try:
            return person.create(
                conn,
                name=name,
                actor=CREATOR,
                display_name=claims.name,
                email=claims.email,
                issuer=claims.issuer,
                subject=claims.subject,
            )
        except Conflict:
            continue  # somebody else has this name
    raise Conflict("person_exists", "Somebody else has your name here. Ask a site admin to add you.")
