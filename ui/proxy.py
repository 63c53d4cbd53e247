"""One origin for the browser: streams /api to the API and serves the pages, both for signed-in sessions only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from streamlit.web.server.starlette import App

from segloop import logs
from segloop.settings import Settings
from segloop.web.bodies import BodyLimits
from segloop.web.headers import SecurityHeaders
from ui.cookies import Cookies
from ui.front import address_of, most, policy_of
from ui.notice import Notice
from ui.oidc import Oidc
from ui.sign_in import SCOPE_KEY, SignIn

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE"]
FORWARDED = {
    "content-type",
    "content-length",
    "range",
    "if-none-match",
    "if-range",
    "idempotency-key",
    "x-content-sha256",
    "x-operation",
    "x-label",
    "x-parent-hash",
    "x-hash",
}
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "server", "date"}


def make_api_proxy(client: httpx.AsyncClient) -> Starlette:
    """Return an ASGI app that streams every request to the API as the person whose browser asks."""

    async def forward(request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name in FORWARDED}
        headers |= {"authorization": f"Bearer {request.scope[SCOPE_KEY]}", "accept-encoding": "identity"}
        headers |= {"x-forwarded-for": address_of(request.scope)}
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        has_body = request.method in ("POST", "PUT")
        upstream = client.build_request(
            request.method,
            httpx.URL(path=path, query=request.url.query.encode()),
            headers=headers,
            content=request.stream() if has_body else None,
        )
        try:
            answer = await client.send(upstream, stream=True)
        except httpx.TransportError:
            detail = "The API can't be reached; it may be starting. Try again in a few seconds."
            body = {
                "title": "Temporarily unavailable",
                "status": 503,
                "detail": detail,
                "code": "api_unavailable",
            }
            return JSONResponse(body, 503, {"Retry-After": "5"}, media_type="application/problem+json")
        kept = {name: value for name, value in answer.headers.items() if name not in HOP_BY_HOP}
        # Said always, so that no middleware compresses voxels on the fly.
        kept.setdefault("content-encoding", "identity")
        return StreamingResponse(_chunks(answer), answer.status_code, kept)

    return Starlette(routes=[Route("/{path:path}", forward, methods=METHODS)])


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()


def make_app(settings: Settings) -> App:
    """Return the UI: pages at /, the API at /api."""
    timeout = httpx.Timeout(10.0, read=300.0, write=300.0)
    api = httpx.AsyncClient(base_url=settings.api_url, timeout=timeout)
    is_https = settings.public_url.startswith("https://")
    sign_in = Middleware(
        SignIn,
        cookies=Cookies.of(settings),
        notice=Notice.of(settings),
        api=api,
        oidc=Oidc(settings) if settings.oidc_issuer else None,
    )

    @asynccontextmanager
    async def start(app: App) -> AsyncIterator[None]:
        # Once more: Streamlit, on its start, gave the server's loggers handlers that write addresses in full.
        logs.configure(settings.log_level)
        yield

    return App(
        Path(__file__).with_name("app.py"),
        routes=[Mount("/api", app=make_api_proxy(api))],
        middleware=[
            Middleware(SecurityHeaders, policy=policy_of(settings), is_https=is_https),
            Middleware(BodyLimits, most=most),
            sign_in,
        ],
        lifespan=start,
    )


def main() -> None:
    """Serve the UI on the host and port of `SEGLOOP_UI_URL`."""
    settings = Settings.from_env()
    logs.configure(settings.log_level)
    address = urlsplit(settings.ui_url)
    uvicorn.run(
        make_app(settings), host=address.hostname or "127.0.0.1", port=address.port or 8501, log_config=None
    )


if __name__ == "__main__":
    main()
