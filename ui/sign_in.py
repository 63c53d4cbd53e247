"""The front door: lets signed-in browsers in, signs others in by a one-time link or the identity provider, and out again."""

import logging
from dataclasses import asdict
from urllib.parse import parse_qs, urlencode

import httpx
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from segloop.errors import SegloopError, Unavailable
from ui import cookies, oidc
from ui.cookies import PENDING, SESSION, Cookies, Session
from ui.front import address_of, is_own
from ui.notice import HEADERS, Notice, safe_path
from ui.oidc import Oidc, Pending

log = logging.getLogger(__name__)
SCOPE_KEY = "segloop.session"
"""Under which the session key of a signed-in browser is in the ASGI scope."""
LINK, KEY = "/sign-in/link", "key"
"""Where a one-time link's code is sent to, and its name there and in the link."""
USED, NOT_SIGNED_IN = "This link was used already, or is not valid.", "You are not signed in."
AWAY = "The API can't be reached; it may be starting. Try again in a few seconds."
AWAY_FOR_LINK = AWAY.replace("Try again", "Try the same link again")
BYE = "You are signed out."
STILL_IN = (
    "You are not signed out: {wrong}, and your session may still be valid. Go back and try again in a few seconds; if it "
    "stays so, ask a site admin to end all your sessions."
)


class SignIn:
    """ASGI middleware: lets signed-in browsers through, HTTP and websocket alike, and explains itself to others."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        cookies: Cookies,
        notice: Notice,
        api: httpx.AsyncClient,
        oidc: Oidc | None = None,
    ) -> None:
        self._app, self._cookies, self._notice, self._api, self._oidc = app, cookies, notice, api, oidc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        session = self._cookies.session(cookies.read(headers.get("cookie", "")))
        own = await self._own(Request(scope, receive), session) if scope["type"] == "http" else None
        if own is not None:
            await own(scope, receive, send)
        elif session is not None and is_own(scope, headers):
            await self._app({**scope, SCOPE_KEY: session.key}, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401})
        else:
            await self._notice.page(NOT_SIGNED_IN, to=_wanted(scope))(scope, receive, send)

    async def _own(self, request: Request, session: Session | None) -> Response | None:
        """Answer what the front door itself is asked for; None for all else."""
        path, method = request.scope["path"], request.method
        if path == "/" and KEY in request.query_params:
            return self._notice.ask(request.query_params[KEY], action=LINK, field=KEY)
        if path == LINK and method == "POST" and is_own(request.scope, request.headers):
            return await self._open_link(request)
        if path == oidc.SIGNED_OUT:
            return self._notice.page(BYE, 200)
        if path == "/sign-out" and method == "POST" and is_own(request.scope, request.headers):
            return await self._sign_out(session)
        if self._oidc is None or method != "GET" or path not in ("/sign-in", oidc.CALLBACK):
            return None
        try:
            if path == "/sign-in":
                return await self._start(self._oidc, request)
            return await self._finish(self._oidc, request)
        except SegloopError as error:
            status = 503 if isinstance(error, Unavailable) else 401
            return self._notice.page(error.message, status, again=True)

    async def _start(self, provider: Oidc, request: Request) -> Response:
        to = safe_path(request.query_params.get("to", "/"))
        url, pending = await provider.start(to, ask_again="account" in request.query_params)
        response = RedirectResponse(url, 303, HEADERS)
        self._cookies.set(response, PENDING, asdict(pending))
        return response

    async def _finish(self, provider: Oidc, request: Request) -> Response:
        kept = self._cookies.unseal(PENDING, request.cookies.get(self._cookies.name(PENDING), ""))
        if kept is None:
            raise oidc.unknown()
        pending = Pending(**kept)
        id_token = await provider.finish(request.query_params, pending)
        body = {"id_token": id_token, "nonce": pending.nonce}
        answer = await self._begin(request, "/v1/sessions/oidc", body)
        if answer is None or answer.status_code != 201:
            status = 503 if answer is None or answer.status_code >= 500 else answer.status_code
            reason = AWAY if answer is None else _detail(answer)
            return self._notice.page(reason, status, to=pending.to, again=True)
        response = self._let_in(answer, pending.to, by_provider=True)
        self._cookies.drop(response, PENDING)
        return response

    async def _open_link(self, request: Request) -> Response:
        code = parse_qs((await request.body()).decode("latin-1")).get(KEY, [""])[0]
        answer = await self._begin(request, "/v1/sessions", {"code": code})
        if answer is None or answer.status_code >= 500:
            return self._notice.page(AWAY_FOR_LINK, 503)
        if answer.status_code == 429:
            return self._notice.page(_detail(answer), 429)
        return self._notice.page(USED) if answer.status_code != 201 else self._let_in(answer)

    async def _begin(self, request: Request, path: str, body: dict[str, str]) -> httpx.Response | None:
        """Ask the API for a session; None where it can't be reached."""
        headers = {"X-Forwarded-For": address_of(request.scope)}
        try:
            return await self._api.post(path, json=body, headers=headers)
        except httpx.TransportError:
            return None

    def _let_in(self, answer: httpx.Response, to: str = "/", *, by_provider: bool = False) -> Response:
        response = RedirectResponse(to, 303, HEADERS)
        self._cookies.set(response, SESSION, [answer.json()["key"], by_provider])
        return response

    async def _sign_out(self, session: Session | None) -> Response:
        end = oidc.SIGNED_OUT
        if session is not None:
            headers = {"Authorization": f"Bearer {session.key}"}
            try:
                answer = await self._api.delete("/v1/sessions/current", headers=headers)
                wrong = "" if answer.status_code in (204, 401) else "the API gave an error"
            except httpx.TransportError:
                wrong = "the API can't be reached"
            if wrong:
                log.warning("a session was not ended: %s", wrong)
                return self._notice.page(STILL_IN.format(wrong=wrong), 503)
            if session.by_provider and self._oidc is not None:
                end = await self._oidc.end() or end
        # Voxels and pictures that the browser kept would lie on a disk that others use.
        response = RedirectResponse(end, 303, {**HEADERS, "Clear-Site-Data": '"cache"'})
        self._cookies.drop(response, SESSION)
        return response


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return "The API gave an error. Try again in a minute."


def _wanted(scope: Scope) -> str:
    """Return the page that somebody wanted to see, without what other doors take."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    kept = urlencode({name: values for name, values in query.items() if name != KEY}, doseq=True)
    return safe_path(f"{scope['path']}?{kept}" if kept else scope["path"])
