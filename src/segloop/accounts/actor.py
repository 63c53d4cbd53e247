"""The one who acts, and what they may do where."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from segloop.accounts.roles import Role
from segloop.errors import Forbidden, InvalidInput, NotFound

LOCAL_ACTOR = "local"
PERMISSIONS = {
    "identity": "see whose CT it is, and have results with the patient's name in them",
    "export": "have CTs for research, de-identified",
}
"""What is not everybody's, by its name."""
NONE = "none"


class Kind(StrEnum):
    """What stands behind a bearer value: the installation's own token, a service account's key, a person's session."""

    INSTALLATION = "installation"
    KEY = "key"
    PERSON = "person"


@dataclass(frozen=True)
class Actor:
    """Who acts. `name` is what `created_by` holds; `reference` is the id of the key or session that they came with.

    Roles and permissions are by project id. A site admin has every role everywhere, and `site_permissions` everywhere.
    A ticket opens the reading of one object, and carries no permission.
    """

    name: str
    kind: Kind = Kind.INSTALLATION
    reference: str = ""
    person_id: str | None = None
    is_site_admin: bool = False
    roles: Mapping[str, Role] = field(default_factory=dict)
    permissions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    site_permissions: frozenset[str] = frozenset()

    @property
    def projects(self) -> frozenset[str] | None:
        """The ids of the projects that the actor has a role in, or None for all of them."""
        return None if self.is_site_admin else frozenset(self.roles)

    def without_permissions(self) -> "Actor":
        """Return the actor as a ticket lets them in."""
        return replace(self, permissions={}, site_permissions=frozenset())

    def require(self, project_id: str, role: Role) -> None:
        """Check that the actor has a role, or one above it, in a project.

        Raises:
            NotFound: `project_unknown` where they have none: a project that isn't theirs is as one that isn't there.
            Forbidden: `role_missing`.
        """
        if self.is_site_admin:
            return
        mine = self.roles.get(project_id)
        if mine is None:
            raise NotFound("project_unknown", "There is no such project.")
        if not mine.covers(role):
            raise Forbidden(
                "role_missing",
                f"This needs the role '{role}' in this project; you are '{mine}'. Ask an admin of the project for it.",
                role=role,
            )

    def role_in(self, project_id: str) -> str:
        """Return what the actor is in a project, as a word for people; empty for nothing."""
        return "site admin" if self.is_site_admin else str(self.roles.get(project_id, ""))

    def require_site_admin(self) -> None:
        """Check that the actor may do what concerns the whole installation.

        Raises:
            Forbidden: `role_missing`.
        """
        if not self.is_site_admin:
            raise Forbidden("role_missing", "Only a site admin may do this. Ask one.", role="site admin")

    def require_no_key(self) -> None:
        """Check that no API key acts: what gives others a way in must not outlast a key's day, nor reach beyond it.

        Raises:
            Forbidden: `key_not_allowed`.
        """
        if self.kind is Kind.KEY:
            raise Forbidden(
                "key_not_allowed", "An API key may not do this. Sign in as a person and do it so."
            )

    def may(self, permission: str, project_id: str | None) -> bool:
        """Say whether the actor has a permission in a project; for what is in none (None), only a site admin can."""
        mine = frozenset() if project_id is None else self.permissions.get(project_id, frozenset())
        return permission in self.site_permissions or permission in mine

    def may_somewhere(self, permission: str) -> bool:
        """Say whether the actor has a permission in any project."""
        return any(permission in found for found in (self.site_permissions, *self.permissions.values()))

    def require_permission(self, permission: str, project_id: str | None) -> None:
        """Check that the actor has a permission in a project, or (None) for what is in none.

        Raises:
            Forbidden: `permission_missing`.
        """
        if not self.may(permission, project_id):
            raise Forbidden(
                "permission_missing",
                f"This needs the permission '{permission}' ({PERMISSIONS[permission]}), which you don't have. Ask an admin "
                "of the project for it, or who runs this installation.",
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
