"""Where somebody works at the pages, for tests of single pages."""

from collections.abc import Sequence

from segloop.accounts.roles import Role
from segloop.schemas import Project
from ui.views.here import Here


def project(slug: str = "default", project_id: str = "p") -> Project:
    """Return a project as the API tells of it."""
    return Project(
        id=project_id, slug=slug, name=slug.title(), created_by="system", created_at="2026-11-24T09:50:00Z"
    )


def here(role: Role = Role.ADMIN, permissions: Sequence[str] = (), *, is_site_admin: bool = False) -> Here:
    """Return somebody's place in the one project that they have."""
    return Here("pia", project(), role, frozenset(permissions), is_site_admin, (project(),))
