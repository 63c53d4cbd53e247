"""What every request passes before any route: security headers, and limits of its body."""

import re

from fastapi import FastAPI
from starlette.types import Scope

from segloop.settings import Settings
from segloop.web.bodies import BodyLimits
from segloop.web.headers import SecurityHeaders

JSON_BYTES = 4 * 2**20
"""FastAPI reads a JSON body before anybody is asked who they are, so it must be short."""
BYTES = re.compile(
    r"/v1/(uploads/[^/]+/parts/[^/]+|projects/[^/]+/volumes|drafts/[^/]+/entries/[^/]+)", re.ASCII
)
"""Operations whose body is bytes: they count them as they come, once they know who sends them."""
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"
"""For answers that are no page: whatever is in them, a browser runs and loads nothing."""
DOCUMENTATION = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def install(app: FastAPI, settings: Settings) -> None:
    """Put the limits and headers around the app. No CORS: pages of other origins read nothing."""
    app.add_middleware(BodyLimits, most=most)
    app.add_middleware(SecurityHeaders, policy=policy, is_https=settings.public_url.startswith("https://"))


def most(scope: Scope) -> int | None:
    """Return how long the body of a request may be; None where the operation itself counts."""
    return None if BYTES.fullmatch(scope["path"]) else JSON_BYTES


def policy(path: str) -> str:
    """Return the content security policy of an answer: the pages /docs and /redoc load their own scripts."""
    return DOCUMENTATION if path.startswith(("/docs", "/redoc")) else NOTHING
