"""Security headers on every answer."""

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": with that, browsers say "Origin: null" even to the pages themselves.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
HSTS = "max-age=31536000"


class SecurityHeaders:
    """ASGI middleware: adds the headers above, the content security policy of the path, and over TLS also HSTS.

    `is_https` says that browsers come by https though this process doesn't see it. A header that the app set itself stays.
    """

    def __init__(self, app: ASGIApp, *, policy: Callable[[str], str], is_https: bool = False) -> None:
        self._app, self._policy, self._is_https = app, policy, is_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = ALWAYS | {"Content-Security-Policy": self._policy(scope["path"])}
        if self._is_https or scope.get("scheme") == "https":
            wanted["Strict-Transport-Security"] = HSTS

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in wanted.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, answer)
