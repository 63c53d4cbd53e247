"""One id for each request: taken from the caller or made, in every log line of the request, in its answer and in its jobs."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from segloop import logs

HEADER = "X-Request-Id"
_KEY = "segloop.request_id"


class RequestId:
    """Accepts an id of hex digits and dashes, 16 to 64 of them; a name can't be one. For any other it makes its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if logs.is_request_id(given) else logs.new_request_id()
        scope[_KEY] = request_id

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with logs.bind(request_id=request_id):
            await self._app(scope, receive, answer)


def of(request: Request) -> str:
    """Return the id of a request, also outside what `RequestId` binds."""
    return str(request.scope.get(_KEY) or logs.new_request_id())
