"""The one reader of the environment: every setting is `SEGLOOP_` plus the field's upper-case name."""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

from segloop.errors import InvalidInput

PREFIX = "SEGLOOP_"


@dataclass(frozen=True)
class Settings:
    """All settings of one process, read once at its entry point and passed on.

    Suffixes give units: `_s` seconds, `_bytes` bytes. Settings without a default must be set.
    """

    database_url: str
    redis_url: str
    s3_endpoint: str
    s3_access_key: str
    s3_secret_key: str
    token: str
    ticket_key: str
    pseudonym_key: str
    owner_database_url: str = ""
    worker_database_url: str = ""
    identity_database_url: str = ""
    identity_key: str = ""
    identity_keep_days: int = 0
    webhook_key: str = ""
    webhook_hosts: str = ""
    default_issuer: str = ""
    metrics_token: str = ""
    wrong_sign_ins_per_minute: int = 60
    wrong_credentials_per_minute: int = 600
    posts_per_minute: int = 600
    token_permissions: str = "identity,export"  # noqa: S105
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_client_secret_file: str = ""
    oidc_name: str = ""
    oidc_scopes: str = "openid email profile"
    oidc_trust_email: bool = False
    oidc_create_people: bool = False
    contact: str = ""
    s3_bucket: str = "segloop"
    s3_secure: bool = False
    api_url: str = "http://127.0.0.1:8000"
    ui_url: str = "http://127.0.0.1:8501"
    public_url: str = ""
    lease_s: float = 30.0
    heartbeat_s: float = 10.0
    reaper_interval_s: float = 5.0
    resend_after_s: float = 30.0
    max_failures: int = 3
    max_interruptions: int = 20
    ticket_lifetime_s: int = 900
    worker_takes: str = "all"
    device: str = "auto"
    inference_threads: int = 0
    training_threads: int = 0
    training_processes: int = 1
    training_cache_bytes: int = 20 * 2**30
    model_cache_bytes: int = 4 * 2**30
    max_upload_bytes: int = 4 * 2**30
    part_bytes: int = 8 * 2**20
    parse_memory_bytes: int = 8 * 2**30
    parse_limit_s: int = 300
    parse_ready: bool = True
    gateway_spool: Path = Path("/tmp/segloop-gateway")
    scratch: Path = Path("/tmp")
    log_level: str = "INFO"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read every field from `SEGLOOP_<FIELD>`.

        Raises:
            InvalidInput: `settings_missing` or `settings_invalid`, naming the variables.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, object] = {}
        missing = []
        for field in fields(cls):
            text = environ.get(PREFIX + field.name.upper(), "")
            if text:
                values[field.name] = _parse(field.name, field.type, text)
            elif field.default is MISSING:
                missing.append(PREFIX + field.name.upper())
        if missing:
            raise InvalidInput(
                "settings_missing",
                f"Set these environment variables: {', '.join(missing)}.",
            )
        return cls(**values)  # type: ignore[arg-type]


def child_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a process that needs none of our settings, and so must not see our secrets."""
    environ = os.environ if environ is None else environ
    return {name: value for name, value in environ.items() if not name.startswith(PREFIX)}


def owner_database_url(environ: Mapping[str, str] | None = None) -> str:
    """Return the URL migrations run with; they need no other setting.

    Raises:
        InvalidInput: `settings_missing`.
    """
    url = (os.environ if environ is None else environ).get(PREFIX + "OWNER_DATABASE_URL", "")
    if not url:
        raise InvalidInput("settings_missing", f"Set {PREFIX}OWNER_DATABASE_URL to run migrations.")
    return url


def secret(name: str, environ: Mapping[str, str] | None = None) -> str:
    """Return a secret whose variable the gateway's configuration names.

    Raises:
        InvalidInput: `settings_missing`.
    """
    found = (os.environ if environ is None else environ).get(name, "")
    if not found:
        raise InvalidInput("settings_missing", f"Set {name}, or leave out what names it.")
    return found


def _parse(name: str, kind: object, text: str) -> object:
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if kind in (int, float, Path):
            return kind(text)  # type: ignore[operator]
    except (ValueError, KeyError):
        raise InvalidInput(
            "settings_invalid",
            f"{PREFIX}{name.upper()} has a value that can't be read.",
        ) from None
    return text
