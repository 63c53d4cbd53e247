"""An identity provider's description and keys, served for tests, and ID tokens of it, good and forged."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.api_server import serve_app

CLIENT_ID = "segloop"
NONCE = "0123456789abcdefghijkl"


@dataclass
class Provider:
    """What it serves can be changed while it runs; `asked` counts how often its keys were fetched."""

    issuer: str = ""
    said_issuer: str = ""
    keys: dict[str, Any] = field(default_factory=dict)
    is_away: bool = False
    asked: int = 0

    def __post_init__(self) -> None:
        self.new_key("first")

    def new_key(self, key_id: str, *, curve: bool = False) -> None:
        """Make a key, which replaces all others."""
        made = ec.generate_private_key(ec.SECP256R1()) if curve else rsa.generate_private_key(65537, 2048)
        self.keys = {key_id: made}

    def jwks(self) -> dict[str, Any]:
        """Return the public keys, without `alg`, as some providers give them."""
        return {"keys": [_public(key) | {"kid": name, "use": "sig"} for name, key in self.keys.items()]}

    def token(
        self, *, key: Any = None, key_id: str | None = "", algorithm: str = "RS256", **claims: Any
    ) -> str:
        """Return an ID token for the test's client; claims that are None are left out."""
        name, own = next(iter(self.keys.items()))
        now = int(time.time())
        good = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "1",
            "iat": now,
            "exp": now + 300,
            "nonce": NONCE,
        }
        good |= {"email": "anna@example.org", "email_verified": True}
        payload = {k: v for k, v in (good | claims).items() if v is not None}
        headers = {} if key_id is None else {"kid": key_id or name}
        signed_by = own if key is None else key
        return jwt.encode(payload, signed_by, algorithm=algorithm, headers=headers)


def _public(key: Any) -> dict[str, Any]:
    kind: Any = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
    found: dict[str, Any] = json.loads(kind.to_jwk(key.public_key()))
    return found


@contextmanager
def serving(provider: Provider) -> Iterator[str]:
    """Serve it until the block ends, and give its issuer."""

    def describe(request: Request) -> Response:
        if provider.is_away:
            return Response(status_code=503)
        said = provider.said_issuer or provider.issuer
        return JSONResponse(
            {
                "issuer": said,
                "authorization_endpoint": f"{provider.issuer}/auth",
                "token_endpoint": f"{provider.issuer}/token",
                "jwks_uri": f"{provider.issuer}/jwks",
            }
        )

    def keys(request: Request) -> Response:
        provider.asked += 1
        return JSONResponse(provider.jwks())

    routes = [Route("/.well-known/openid-configuration", describe), Route("/jwks", keys)]
    with serve_app(Starlette(routes=routes)) as address:
        provider.issuer = address
        yield address
