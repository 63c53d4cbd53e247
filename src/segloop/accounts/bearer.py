"""Who a bearer value stands for: one function for each kind of value."""

import hmac
from dataclasses import dataclass

from segloop.accounts.actor import LOCAL_ACTOR, Actor
from segloop.accounts.keys import key
from segloop.accounts.sessions import session
from segloop.database import Connection, Engine, transaction
from segloop.errors import Unauthorized

INSTALLATION = "installation"
"""The reference of the installation's own token, which has no row."""


@dataclass(frozen=True)
class Bearers:
    """The values this installation takes: its own token, keys of service accounts, and session keys."""

    token: str
    site_permissions: frozenset[str]

    def actor(self, engine: Engine, authorization: str | None) -> Actor:
        """Return who an `Authorization: Bearer` header stands for; what they may do is read anew each time.

        Raises:
            Unauthorized: `unauthorized`, without saying what was wrong; `key_revoked` and `key_expired` to who has the key's secret.
        """
        value = (authorization or "").removeprefix("Bearer ")
        # compare_digest takes ASCII text only; bytes take anything a header can hold.
        if hmac.compare_digest(value.encode(), self.token.encode()):
            return self.installation()
        found = None
        if value.startswith((f"{key.PREFIX}_", f"{session.PREFIX}_")):
            with transaction(engine) as conn:
                found = self._of_row(conn, value)
        return _require(found)

    def again(self, engine: Engine, reference: str) -> Actor:
        """Return who came before with a key or session of this reference (see `reference_of`), if it is good still.

        Raises:
            Unauthorized: `unauthorized`, `key_revoked`, `key_expired`.
        """
        kind, _, row_id = reference.partition(":")
        if kind == INSTALLATION:
            return self.installation()
        with transaction(engine) as conn:
            if kind == key.PREFIX:
                found = key.actor_by_id(conn, row_id)
            else:
                found = session.actor_by_id(conn, row_id, site_permissions=self.site_permissions)
        return _require(found)

    def installation(self) -> Actor:
        """Return the actor behind the installation's own token: a site admin."""
        return Actor(LOCAL_ACTOR, is_site_admin=True, site_permissions=self.site_permissions)

    def _of_row(self, conn: Connection, value: str) -> Actor | None:
        if value.startswith(f"{key.PREFIX}_"):
            return key.resolve(conn, value)
        return session.resolve(conn, value, site_permissions=self.site_permissions)


def reference_of(actor: Actor) -> str:
    """Return what `Bearers.again` finds the actor by; it opens nothing by itself."""
    prefix = {"key": key.PREFIX, "person": session.PREFIX}.get(actor.kind)
    return INSTALLATION if prefix is None else f"{prefix}:{actor.reference}"


def _require(actor: Actor | None) -> Actor:
    if actor is None:
        raise Unauthorized("unauthorized", "Sign in first: send the header 'Authorization: Bearer <token>'.")
    return actor
