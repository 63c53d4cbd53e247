"""Errors whose message is fit for the user; each carries a stable code.

Families decide behaviour: the API maps them to HTTP, a worker decides between
failing the job and giving it back. Anything that is not a `SegloopError` is
`internal` to the user and a traceback in the log.
"""


class SegloopError(Exception):
    """An error the user may read: a stable `code` and a `message` that says what to do next."""

    def __init__(self, code: str, message: str, **details: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class InvalidInput(SegloopError):
    """The request or file is wrong; sending it again unchanged can't help."""


class TooLarge(InvalidInput):
    """The body is longer than this is made for."""


class NotFound(SegloopError):
    """The object is absent, or not the caller's to see: the answer is the same."""


class Conflict(SegloopError):
    """The object's present state forbids this."""


class Unauthorized(SegloopError):
    """Nobody is signed in, or the token or ticket is not valid."""


class Forbidden(SegloopError):
    """The actor is known and may not do this."""


class TooMany(SegloopError):
    """The caller asks too often; `retry_after_s` in the details says when to come back."""


class Unavailable(SegloopError):
    """Something this needs is down; the same request may work later."""
