"""Signing in to the pages: a one-time link gives a session of the API, whose key the browser carries sealed in a cookie."""

import base64
import hashlib
import json
import os
import time
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

import httpx
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "segloop_session"
LIFETIME_S = 12 * 3600
SCOPE_KEY = "segloop.session"
"""Under which the session key of a signed-in browser is in the ASGI scope."""
_NONCE_BYTES = 12
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Segloop</title>
<body style="font-family:system-ui;max-width:34rem;margin:18vh auto;padding:0 1rem;line-height:1.5">
<h1>Segloop</h1><p><strong>{reason}</strong></p>
<p>Get a fresh link on the machine that runs Segloop:</p><pre>./segloop admin link</pre>
<p>Each link opens once. Research use only; not a medical device.</p></body></html>"""
USED, SIGNED_OUT = "This link was used already, or is not valid.", "You are not signed in."
AWAY = "The API can't be reached; it may be starting. Try the same link again in a few seconds."


def seal(session: str, key: str, *, now: float | None = None) -> str:
    """Return a session key as a cookie's value, which is good for twelve hours and tells the browser nothing."""
    expires = (time.time() if now is None else now) + LIFETIME_S
    nonce = os.urandom(_NONCE_BYTES)
    sealed = _cipher(key).encrypt(nonce, json.dumps([session, expires]).encode(), None)
    return base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(value: str, key: str, *, now: float | None = None) -> str | None:
    """Return the session key of a cookie's value, or None where it is not ours or over."""
    try:
        raw = base64.urlsafe_b64decode(value.encode())
        session, expires = json.loads(_cipher(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None))
    except (InvalidTag, ValueError):
        return None
    return str(session) if expires > (time.time() if now is None else now) else None


class SignIn:
    """ASGI middleware: lets signed-in browsers through, HTTP and websocket alike, and explains itself to others."""

    def __init__(self, app: ASGIApp, *, key: str, api: httpx.AsyncClient) -> None:
        self._app, self._key, self._api = app, key, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        session = unseal(_cookie(headers), self._key)
        link = parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])[0]
        if scope["type"] == "http" and link and scope["path"] == "/":
            await (await self._open(link))(scope, receive, send)
        elif session is not None and _same_origin(scope, headers):
            await self._app({**scope, SCOPE_KEY: session}, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401})
        else:
            await _refusal(SIGNED_OUT)(scope, receive, send)

    async def _open(self, link: str) -> Response:
        try:
            answer = await self._api.post("/v1/sessions", json={"code": link})
        except httpx.TransportError:
            return _refusal(AWAY, 503)
        if answer.status_code != 201:
            return _refusal(AWAY, 503) if answer.status_code >= 500 else _refusal(USED)
        response = RedirectResponse("/", status_code=303)
        value = seal(answer.json()["key"], self._key)
        response.set_cookie(COOKIE, value, max_age=LIFETIME_S, httponly=True, samesite="strict", path="/")
        return response


def _refusal(reason: str, status_code: int = 401) -> HTMLResponse:
    return HTMLResponse(PAGE.format(reason=reason), status_code=status_code)


def _cipher(key: str) -> AESGCM:
    return AESGCM(hashlib.sha256(f"ui-session:{key}".encode()).digest())


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
