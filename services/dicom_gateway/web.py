"""A peer that speaks DICOMweb: its address, who we are there, and whom we trust."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from services.dicom_gateway.credentials import (
    CERTIFICATES,
    SECRETS,
    Certificates,
    Credential,
    read_certificates,
    read_credential,
)
from services.dicom_gateway.values import only

WEB = frozenset({"url", "tls", *SECRETS})
"""What a web peer's entry may say about how it is reached."""


@dataclass(frozen=True)
class Web:
    """A DICOMweb service by its base URL."""

    url: str
    credential: Credential = field(default_factory=Credential)
    certificates: Certificates = field(default_factory=Certificates)

    def client(self, *, timeout_s: float) -> httpx.Client:
        """Return a client for paths below the base URL; redirects are not followed, so no secret goes elsewhere."""
        headers = {"Authorization": self.credential.header} if self.credential.header else {}
        timeout = httpx.Timeout(timeout_s, connect=15.0)
        return httpx.Client(
            base_url=self.url, headers=headers, verify=self.certificates.client(), timeout=timeout
        )


def read_web(given: Mapping[str, Any]) -> Web:
    """Return how a DICOMweb service is reached; of `given` only `WEB` is read.

    Raises:
        ValueError, KeyError, TypeError: an entry is missing or wrong.
    """
    url = str(given["url"]).rstrip("/") + "/"
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"{url!r} is no web address")
    if httpx.URL(url).userinfo:
        raise ValueError("url holds a name or password; use user with password_env or password_file")
    return Web(url, read_credential(given), read_tls(given.get("tls", {})))


def read_tls(given: Any) -> Certificates:
    """Return the certificates of an entry `tls`."""
    return read_certificates(only(given, CERTIFICATES))


def read_server_tls(given: Any) -> Certificates:
    """Return the certificates of an entry `tls` of our own: with one to show, and an authority that clients must come from.

    Raises:
        ValueError: either is missing. An AE title proves nothing; a door that anybody's TLS opens would prove no more.
    """
    found = read_tls(given)
    if not found.certificate or not found.ca:
        raise ValueError("tls of the receiver needs certificate, key and ca")
    return found
