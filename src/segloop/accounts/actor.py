"""The one who acts. Until people can sign in, there is one local actor behind one generated token."""

import hmac
from dataclasses import dataclass

from segloop.errors import Unauthorized

LOCAL_ACTOR = "local"


@dataclass(frozen=True)
class Actor:
    """Who acts, and the one object and scope a ticket narrows them to (both None for a full sign-in)."""

    name: str
    object_id: str | None = None
    scope: str | None = None


def authenticate(authorization: str | None, *, token: str) -> Actor:
    """Return the actor of an `Authorization: Bearer` header.

    Raises:
        Unauthorized: `unauthorized`, without saying what was wrong.
    """
    given = (authorization or "").removeprefix("Bearer ")
    # compare_digest takes ASCII text only; bytes take anything a header can hold.
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise Unauthorized(
            "unauthorized",
            "Sign in first: send the header 'Authorization: Bearer <token>'.",
        )
    return Actor(LOCAL_ACTOR)
