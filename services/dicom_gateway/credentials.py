"""Secrets and certificates of one peer. The configuration names where they are, and never holds them."""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segloop.errors import InvalidInput
from segloop.settings import secret

SECRETS = frozenset({"bearer_env", "bearer_file", "user", "password_env", "password_file"})
CERTIFICATES = frozenset({"certificate", "key", "ca"})


@dataclass(frozen=True)
class Credential:
    """A bearer token, or a user with a password, or neither."""

    bearer: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def header(self) -> str:
        """The value of `Authorization`; empty where there is nothing to say."""
        if self.bearer:
            return f"Bearer {self.bearer}"
        if self.user:
            return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return ""


@dataclass(frozen=True)
class Certificates:
    """PEM files: our own certificate with its key, and the authority that a peer's must come from."""

    certificate: str = ""
    key: str = ""
    ca: str = ""

    def client(self) -> ssl.SSLContext:
        """Return a context that checks the peer's name and authority: the given one, else those of the system."""
        context = ssl.create_default_context(cafile=self.ca or None)
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key or None)
        return context

    def server(self) -> ssl.SSLContext:
        """Return a context that demands a client certificate where an authority is given."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key or None)
        context.verify_mode = ssl.CERT_REQUIRED if self.ca else ssl.CERT_NONE
        return context


def read_credential(given: Mapping[str, Any]) -> Credential:
    """Return what `bearer_env` or `bearer_file`, or `user` with `password_env` or `password_file`, lead to.

    Raises:
        ValueError: both kinds or half of one, or a secret that is missing.
    """
    bearer, password, user = _secret(given, "bearer"), _secret(given, "password"), str(given.get("user", ""))
    if bool(user) != bool(password) or (bearer and user) or ":" in user:
        raise ValueError("give bearer_env or bearer_file, or user with password_env or password_file")
    return Credential(bearer, user, password)


def read_certificates(given: Mapping[str, Any]) -> Certificates:
    """Return the files that `certificate`, `key` and `ca` name.

    Raises:
        ValueError: one is missing or no PEM, or the key is not the certificate's.
    """
    found = Certificates(*(str(given.get(name, "")) for name in ("certificate", "key", "ca")))
    if found.key and not found.certificate:
        raise ValueError("key has no certificate with it")
    try:
        if found.certificate:
            found.server()
        found.client()
    except OSError as error:
        raise ValueError(f"the certificate, key or ca can't be used ({error})") from error
    return found


def _secret(given: Mapping[str, Any], kind: str) -> str:
    variable, file = given.get(f"{kind}_env"), given.get(f"{kind}_file")
    if variable and file:
        raise ValueError(f"give {kind}_env or {kind}_file, not both")
    if not variable and not file:
        return ""
    try:
        found = secret(str(variable)) if variable else Path(str(file)).read_text().strip()
    except (OSError, InvalidInput) as error:
        raise ValueError(f"{variable or file} can't be read or is not set") from error
    if not found:
        raise ValueError(f"{variable or file} is empty")
    return found
