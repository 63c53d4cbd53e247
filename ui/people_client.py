"""What the page People asks of the API: people, members of projects, keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from segloop import schemas
from segloop.accounts.roles import Role
from ui.api_client import ApiClient


@dataclass(frozen=True)
class PeopleClient:
    """Calls the API as the signed-in person; a key's place is a project's slug, or None for the whole installation."""

    api: ApiClient

    def people(self) -> list[schemas.Person]:
        """Return everybody, by name."""
        return self.api.page(schemas.Person, "/v1/people")

    def add_person(self, name: str, display_name: str, email: str) -> None:
        """Make a person; by an e-mail address the identity provider's account is found."""
        body = {"name": name, "display_name": display_name, "email": email or None}
        self.api.call("POST", "/v1/people", json=body)

    def change_person(self, name: str, **values: bool | str) -> None:
        """Switch a person on or off, make them site admin or not, give them an e-mail address."""
        self.api.call("PATCH", f"/v1/people/{quote(name)}", json=values)

    def end_sessions(self, name: str) -> None:
        """Sign a person out everywhere."""
        self.api.call("DELETE", f"/v1/people/{quote(name)}/sessions")

    def link(self, name: str) -> schemas.SignInLink:
        """Return a link that signs a person in once."""
        return schemas.SignInLink.model_validate(self.api.call("POST", f"/v1/people/{quote(name)}/links"))

    def members(self, project: str) -> list[schemas.Member]:
        """Return a project's members, by name."""
        return self.api.page(schemas.Member, f"/v1/projects/{project}/members")

    def save_member(self, project: str, name: str, role: Role, permissions: Sequence[str]) -> None:
        """Make a person a member, or change what they are."""
        body = {"role": role, "permissions": list(permissions)}
        self.api.call("PUT", f"/v1/projects/{project}/members/{quote(name)}", json=body)

    def remove_member(self, project: str, name: str) -> None:
        """End a membership."""
        self.api.call("DELETE", f"/v1/projects/{project}/members/{quote(name)}")

    def keys(self, project: str | None) -> list[schemas.ApiKey]:
        """Return the keys of a place, newest first."""
        return self.api.page(schemas.ApiKey, _keys(project))

    def add_key(
        self, project: str | None, name: str, role: Role | None, permissions: Sequence[str], days: int
    ) -> schemas.ShownApiKey:
        """Return a new key with its value, which is shown this once."""
        body = {"name": name, "permissions": list(permissions), "days": days}
        body |= {} if role is None else {"role": role}
        return schemas.ShownApiKey.model_validate(self.api.call("POST", _keys(project), json=body))

    def revoke_key(self, project: str | None, key_id: str) -> None:
        """Revoke a key."""
        self.api.call("DELETE", f"{_keys(project)}/{key_id}")


def _keys(project: str | None) -> str:
    return "/v1/keys" if project is None else f"/v1/projects/{project}/keys"
