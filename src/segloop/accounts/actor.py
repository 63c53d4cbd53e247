"""The one who acts, and what they may do. Until people can sign in, there is one local actor behind one generated token."""

import hmac
from collections.abc import Collection
from dataclasses import dataclass

from segloop.errors import Forbidden, InvalidInput, Unauthorized

LOCAL_ACTOR = "local"
PERMISSIONS = {
    "identity": "see whose CT it is, and have results with the patient's name in them",
    "export": "have CTs for research, de-identified",
}
"""What is not everybody's, by its name."""
NONE = "none"


@dataclass(frozen=True)
class Actor:
    """Who acts, what they may do, and the one object and scope a ticket narrows them to (both None for a full sign-in).

    A ticket carries no permission.
    """

    name: str
    object_id: str | None = None
    scope: str | None = None
    permissions: frozenset[str] = frozenset()

    def may(self, permission: str) -> bool:
        """Say whether the actor has a permission."""
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Check that the actor has a permission.

        Raises:
            Forbidden: `permission_missing`.
        """
        if not self.may(permission):
            raise Forbidden(
                "permission_missing",
                f"This needs the permission '{permission}' ({PERMISSIONS[permission]}), which you don't have. Ask who runs this "
                "installation for it.",
                permission=permission,
            )


def read_permissions(text: str) -> frozenset[str]:
    """Return the permissions of a comma-separated list, none for the word "none".

    Raises:
        InvalidInput: `settings_invalid` where one has no such name: a typing mistake must not pass for a decision.
    """
    names = frozenset(filter(None, (name.strip() for name in text.split(",")))) - {NONE}
    if unknown := names - set(PERMISSIONS):
        raise InvalidInput(
            "settings_invalid",
            f"There is no permission {', '.join(sorted(unknown))}; there are {', '.join(PERMISSIONS)}, and '{NONE}'.",
        )
    return names


def authenticate(authorization: str | None, *, token: str, permissions: Collection[str] = ()) -> Actor:
    """Return the actor of an `Authorization: Bearer` header, with the permissions of the token.

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
    return Actor(LOCAL_ACTOR, permissions=frozenset(permissions))
