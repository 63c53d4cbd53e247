"""Signing in to the embedded UI: a one-time link sets a signed cookie; without it, nothing answers."""

import fcntl
import hashlib
import hmac
import json
import time
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "segloop_session"
LIFETIME_S = 12 * 3600
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Segloop</title>
<body style="font-family:system-ui;max-width:34rem;margin:18vh auto;padding:0 1rem;line-height:1.5">
<h1>Segloop</h1><p><strong>{reason}</strong></p>
<p>Get a fresh link on the machine that runs Segloop:</p><pre>./segloop admin link</pre>
<p>Each link opens once. Research use only; not a medical device.</p></body></html>"""


def issue(key: str, *, now: float | None = None) -> str:
    """Return a session value that is good for twelve hours."""
    expires = str(int((time.time() if now is None else now) + LIFETIME_S))
    return f"{expires}.{_sign(expires, key)}"


def is_valid(session: str, key: str, *, now: float | None = None) -> bool:
    """Say whether a session value is ours and not over."""
    expires, _, signature = session.partition(".")
    if not hmac.compare_digest(signature.encode(), _sign(expires, key).encode()):
        return False
    return int(expires) > (time.time() if now is None else now)


def use_link(path: Path, key: str) -> bool:
    """Take a one-time key off the list in `path`; False when it is not on it (any more)."""
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            keys = json.load(file)
            left = [known for known in keys if not hmac.compare_digest(known.encode(), key.encode())]
            if len(left) == len(keys):
                return False
            file.seek(0)
            json.dump(left, file)
            file.truncate()
            return True
    except (OSError, ValueError):
        return False


class SignIn:
    """ASGI middleware: lets signed-in browsers through, HTTP and websocket alike, and explains itself to others."""

    def __init__(self, app: ASGIApp, *, key: str, link_file: Path) -> None:
        self._app, self._key, self._link_file = app, key, link_file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if is_valid(_cookie(headers), self._key) and _same_origin(scope, headers):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401})
        else:
            await self._refuse_or_open(scope)(scope, receive, send)

    def _refuse_or_open(self, scope: Scope) -> Response:
        link = parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])[0]
        if link and scope["path"] == "/" and use_link(self._link_file, link):
            response = RedirectResponse("/", status_code=303)
            response.set_cookie(
                COOKIE, issue(self._key), max_age=LIFETIME_S, httponly=True, samesite="strict", path="/"
            )
            return response
        reason = "This link was used already, or is not valid." if link else "You are not signed in."
        return HTMLResponse(PAGE.format(reason=reason), status_code=401)


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _same_origin(scope: Scope, headers: Headers) -> bool:
    # A page of another origin may neither change anything nor open the socket, whatever its cookies.
    origin = headers.get("origin")
    if origin is None or (scope["type"] == "http" and scope["method"] in ("GET", "HEAD")):
        return True
    return origin.partition("://")[2] == headers.get("host")


def _sign(text: str, key: str) -> str:
    return hmac.new(key.encode(), f"ui-session:{text}".encode(), hashlib.sha256).hexdigest()
