"""The part `stow` of the configuration: where STOW-RS is served, and who may send."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from services.dicom_gateway.credentials import SECRETS, Certificates, Credential, read_credential
from services.dicom_gateway.parts import Limits
from services.dicom_gateway.values import only, port
from services.dicom_gateway.web import read_tls

FEWEST_CHARACTERS = 12


@dataclass(frozen=True)
class Stow:
    """Where STOW-RS is served; the name of who sent is the name of the credential. Without certificates it is plain HTTP."""

    port: int
    senders: Mapping[str, Credential]
    host: str = "127.0.0.1"
    certificates: Certificates = field(default_factory=Certificates)
    limits: Limits = field(default_factory=Limits)


def read_stow(given: Mapping[str, Any]) -> Stow:
    """Return what the configuration says.

    Raises:
        ValueError: nobody may send, a secret is short, or secrets would cross a network in plain text.
        KeyError, TypeError: an entry is missing or of the wrong kind.
    """
    only(given, {"host", "port", "senders", "plain_http", "max_part_bytes", "max_parts", "tls"})
    senders = {
        str(name): read_credential(only(one, set(SECRETS)))
        for name, one in only(given["senders"], None).items()
    }
    if not senders:
        raise ValueError("stow has no senders: nobody could send")
    for name, one in senders.items():
        if len(one.bearer or one.password) < FEWEST_CHARACTERS:
            raise ValueError(f"sender {name!r} needs a secret of at least {FEWEST_CHARACTERS} characters")
    if len({one.header for one in senders.values()}) < len(senders):
        raise ValueError("two senders of stow have the same credential")
    certificates = read_tls(given.get("tls", {}))
    host = str(given.get("host", "127.0.0.1"))
    if not certificates.certificate and not _is_loopback(host) and given.get("plain_http") is not True:
        raise ValueError(
            "stow needs tls with a certificate, or plain_http: true where a proxy before it speaks TLS"
        )
    limits = Limits(
        int(given.get("max_part_bytes", Limits.part_bytes)), int(given.get("max_parts", Limits.parts))
    )
    return Stow(port(given["port"]), senders, host, certificates, limits)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
