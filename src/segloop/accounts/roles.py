"""Roles in a project, each of which may do what the ones before it may."""

from enum import StrEnum


class Role(StrEnum):
    """What somebody is in one project; site admins stand above all of them."""

    VIEWER = "viewer"
    ANNOTATOR = "annotator"
    REVIEWER = "reviewer"
    ADMIN = "admin"

    def covers(self, wanted: "Role") -> bool:
        """Say whether this role may do what another may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(wanted)
