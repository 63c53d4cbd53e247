"""Which addresses webhooks may be sent to: hosts that operations named, and what those names stand for."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from segloop.errors import InvalidInput

HTTPS_PORT = 443


@dataclass(frozen=True)
class Target:
    """Where a webhook is sent: `path` with its query, and whether the host is this machine, by explicit permission."""

    scheme: str
    host: str
    port: int
    path: str
    is_loopback: bool

    @property
    def authority(self) -> str:
        """Return the value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        standard = {"https": HTTPS_PORT, "http": 80}[self.scheme]
        return host if self.port == standard else f"{host}:{self.port}"


def read_hosts(text: str) -> frozenset[tuple[str, int]]:
    """Return the (host, port) of a comma-separated list such as `hooks.example.org, 127.0.0.1:9000`; without a port 443.

    Raises:
        InvalidInput: `settings_invalid`.
    """
    found = set()
    for entry in filter(None, (entry.strip() for entry in text.split(","))):
        try:
            split = urlsplit(f"//{entry}")
            host, port = split.hostname, split.port
        except ValueError:
            host, port = None, None
        if not host or split.path or split.query or split.username:
            raise InvalidInput(
                "settings_invalid", f"SEGLOOP_WEBHOOK_HOSTS: {entry!r} is no host or host:port."
            )
        found.add((host, port or HTTPS_PORT))
    return frozenset(found)


def parse(url: str, hosts: frozenset[tuple[str, int]]) -> Target:
    """Return where a URL leads, if that is allowed.

    Raises:
        InvalidInput: `webhook_url_invalid`, `webhook_host_not_allowed`, `webhook_not_https`.
    """
    try:
        split = urlsplit(url)
        host, port = split.hostname, split.port
    except ValueError:
        host, port = None, None
    if not host or split.scheme not in ("https", "http") or split.username is not None or split.fragment:
        raise InvalidInput(
            "webhook_url_invalid",
            "Give a URL such as https://hooks.example.org/segloop, without a user name and fragment.",
        )
    port = port or {"https": HTTPS_PORT, "http": 80}[split.scheme]
    if (host, port) not in hosts:
        raise InvalidInput(
            "webhook_host_not_allowed",
            "Webhooks go only to hosts that operations allow (SEGLOOP_WEBHOOK_HOSTS); ask them to add this one.",
        )
    is_loopback = host == "localhost" or _is_loopback(host)
    if split.scheme != "https" and not is_loopback:
        raise InvalidInput("webhook_not_https", "Webhooks go over https only; give an https:// URL.")
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    return Target(split.scheme, host, port, path, is_loopback)


def is_allowed(address: str, target: Target) -> bool:
    """Say whether an IP address, to which the target's name resolved, may be spoken to.

    A name on the list may stand for a private address, as in any hospital, but for this machine only where the list says
    so, and never for link-local ones, behind which clouds keep credentials.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if target.is_loopback:
        return ip.is_loopback
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
