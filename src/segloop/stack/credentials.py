"""Passwords and keys of one installation, generated on first use and kept in one file that only its owner can read."""

import json
import secrets
from dataclasses import asdict, dataclass, fields

from segloop.stack.home import Home


@dataclass(frozen=True)
class Credentials:
    """Every secret of the embedded stack; none has a default and none is ever logged."""

    postgres_superuser: str
    postgres_owner: str
    postgres_app: str
    postgres_worker: str
    postgres_identity: str
    valkey: str
    s3_access_key: str
    s3_secret_key: str
    seaweed_volume_jwt: str
    seaweed_filer_jwt: str
    seaweed_filer_read_jwt: str
    token: str
    metrics_token: str
    ticket_key: str
    pseudonym_key: str
    identity_key: str
    webhook_key: str


def load_or_create(home: Home) -> Credentials:
    """Read the installation's secrets; make those that are missing, such as a new one after an upgrade."""
    path = home.root / "credentials.json"
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    names = [field.name for field in fields(Credentials)]
    credentials = Credentials(**{name: known.get(name) or secrets.token_hex(24) for name in names})
    if asdict(credentials) != known:
        home.write_private(path, json.dumps(asdict(credentials), indent=2))
    return credentials
