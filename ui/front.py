"""What every request to the pages passes first: security headers, limits of its body, and where it comes from."""

import base64
import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import streamlit
from starlette.datastructures import Headers
from starlette.types import Scope

from segloop.settings import Settings
from ui import scripts

PAGE_BYTES = 2 * 2**20
"""More than Streamlit's own uploads may have (.streamlit/config.toml); files for the API don't come this way."""


def most(scope: Scope) -> int | None:
    """Return how long the body of a request may be; what is for the API is for the API to count."""
    return None if scope["path"].startswith("/api/") else PAGE_BYTES


def policy_of(settings: Settings) -> Callable[[str], str]:
    """Return the content security policy of the pages, the same for each path.

    Scripts are this server's own, and inline ones (Streamlit's page, `ui/scripts.py`) by their hashes; none is made from text. Styles are
    written by scripts (Emotion, Glide).
    """
    # Signing out is a form, and a browser asks the policy also of where that leads: to the identity provider.
    issuer = urlsplit(settings.oidc_issuer)
    provider = f" {issuer.scheme}://{issuer.netloc}" if issuer.netloc else ""
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {_own_scripts()}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            f"form-action 'self'{provider}",
        )
    )
    return lambda path: policy


def is_own(scope: Scope, headers: Headers) -> bool:
    """Say whether a request may use the browser's cookie: it reads, or it comes from these pages themselves.

    Browsers say where a request comes from, and scripts can't change that; who says nothing is refused.
    """
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
        return True
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    if origin is None:
        return site is not None
    return origin.partition("://")[2] == headers.get("host")


def address_of(scope: Scope) -> str:
    """Return the browser's address, for the API to count by: as the server in front of us tells it where that is trusted."""
    return str((scope.get("client") or ("",))[0])


@cache
def _own_scripts() -> str:
    page = (Path(streamlit.__file__).with_name("static") / "index.html").read_text()
    digests = (
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        for script in (*re.findall(r"<script>(.*?)</script>", page, re.DOTALL), *scripts.ALL)
    )
    return " ".join(f"'sha256-{digest}'" for digest in digests)
