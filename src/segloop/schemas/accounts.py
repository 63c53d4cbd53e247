"""Bodies about who acts, people, members of projects and API keys."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from segloop.accounts.people.table import NAME
from segloop.accounts.roles import Role
from segloop.schemas.base import Body, Result, example

Permissions = Annotated[list[Literal["identity", "export"]], Field(default_factory=list, max_length=10)]
Name = Annotated[str, Field(pattern=NAME)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254, to_lower=True)]
KeyName = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9._-]{0,62}$")]
Days = Annotated[int, Field(ge=1, le=730)]


class MyProject(BaseModel):
    """A project that the actor has a role in."""

    project_id: str
    role: Role
    permissions: list[str]


class Me(BaseModel):
    """Who the bearer value stands for, and what they may do: `permissions` are those that they have anywhere."""

    name: str
    kind: Literal["installation", "person", "key"]
    is_site_admin: bool
    permissions: list[str]
    projects: list[MyProject]


class NewSession(Body):
    """The code of a one-time link."""

    model_config = example({"code": "q7m4Rk0h2J8y..."})

    code: Annotated[str, Field(min_length=1, max_length=200)]


class NewOidcSession(Body):
    """An ID token of the identity provider, and the nonce that it was asked for with: at least 128 random bits."""

    model_config = example({"id_token": "eyJhbGciOiJSUzI1NiIs...", "nonce": "7f2Jx0cQm3b1R9s8VtYw5A"})

    id_token: Annotated[str, Field(min_length=1, max_length=20_000)]
    nonce: Annotated[str, Field(min_length=20, max_length=200)]


class Session(BaseModel):
    """A session: its key is shown this once."""

    key: str
    name: str
    expires_at: datetime


class NewPerson(Body):
    """A person of this installation: the name is what others see as author, and stays.

    By the `email` their account at the identity provider is found the first time.
    """

    model_config = example({"name": "anna", "display_name": "Anna Moser", "email": "anna.moser@example.org"})

    name: Name
    display_name: Annotated[str, Field(max_length=200)] = ""
    is_site_admin: bool = False
    email: Email | None = None


class PersonChange(Body):
    """What to change of a person; who is switched off or gets an `email`, be it the same, is signed out at once.

    The next sign-in with that e-mail address binds the person to an account at the identity provider anew.
    """

    model_config = example({"is_on": False})

    display_name: Annotated[str | None, Field(max_length=200)] = None
    is_site_admin: bool | None = None
    is_on: bool | None = None
    email: Email | None = None


class Person(Result):
    """Somebody who can sign in, while `switched_off_at` is null."""

    name: str
    display_name: str
    email: str | None
    issuer: str | None
    is_site_admin: bool
    switched_off_at: datetime | None
    created_by: str
    created_at: datetime


class SignInLink(BaseModel):
    """The code of a link that signs in once, shown this once."""

    code: str
    expires_at: datetime


class MemberChange(Body):
    """What a member is in a project."""

    model_config = example({"role": "annotator", "permissions": ["identity"]})

    role: Role
    permissions: Permissions


class Member(Result):
    """A member of a project; `is_on` says whether they can sign in at all."""

    name: str
    display_name: str
    is_on: bool
    role: Role
    permissions: list[str]
    created_by: str
    created_at: datetime


class NewSiteKey(Body):
    """A key of a service account that is a site admin."""

    model_config = example({"name": "gateway", "permissions": ["identity"], "days": 365})

    name: KeyName
    permissions: Permissions
    days: Days = 90


class NewApiKey(NewSiteKey):
    """A key of a service account with a role in one project."""

    model_config = example({"name": "pacs", "role": "annotator", "permissions": [], "days": 90})

    role: Role


class ApiKey(Result):
    """A key of a service account, without its secret; `acts_as` is the author of what it does."""

    id: str
    name: str
    acts_as: str
    role: Role | None
    permissions: list[str]
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_by: str
    created_at: datetime


class ShownApiKey(ApiKey):
    """A new key with its value, which is shown this once."""

    key: str
