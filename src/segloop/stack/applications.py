"""Segloop's own processes as the supervisor runs them: migrations first, then everything at once."""

import os
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path

import httpx

from segloop import alive
from segloop.errors import Unavailable
from segloop.settings import PREFIX, Settings
from segloop.stack.servers import Servers
from segloop.stack.service import MIGRATIONS, Service

# The repository: services, ui and migrations are run from the tree.
ROOT = Path(__file__).parents[3]
GATEWAY_FILE = "gateway.yaml"
"""In the home; where it is, the DICOM gateway runs with it."""
_FOR_THE_GATEWAY = ("token", "api_url", "gateway_spool", "scratch", "log_level")
"""Settings that it is given; for it, the others do not exist."""


def environment(servers: Servers, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of every process; secrets and folders that the user set win over generated ones."""
    home, keys, ports = servers.home, servers.credentials, servers.ports
    scratch = home.root / "scratch"
    scratch.mkdir(mode=0o700, exist_ok=True)
    generated = {
        "SEGLOOP_TOKEN": keys.token,
        "SEGLOOP_METRICS_TOKEN": keys.metrics_token,
        "SEGLOOP_TICKET_KEY": keys.ticket_key,
        "SEGLOOP_PSEUDONYM_KEY": keys.pseudonym_key,
        "SEGLOOP_IDENTITY_KEY": keys.identity_key,
        "SEGLOOP_WEBHOOK_KEY": keys.webhook_key,
        "SEGLOOP_SCRATCH": str(scratch),
    }
    fixed = {
        "SEGLOOP_API_URL": f"http://127.0.0.1:{ports['api']}",
        "SEGLOOP_UI_URL": f"http://127.0.0.1:{ports['ui']}",
        # `services` and `ui` are folders of the repository, not installed packages.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), environ.get("PYTHONPATH", "")])),
        "PYTHONUNBUFFERED": "1",
    }
    chosen = {name: value for name, value in environ.items() if value}
    return {**generated, **chosen, **fixed, **servers.environment()}


def services(servers: Servers, environ: Mapping[str, str]) -> list[Service]:
    """Describe migrations, API, relay, both workers, UI and Flower, and the DICOM gateway where it is configured."""
    for_pages, ports = environment(servers, environ), servers.ports
    # The pages alone speak to the identity provider as its client.
    full = {name: value for name, value in for_pages.items() if name != "SEGLOOP_OIDC_CLIENT_SECRET"}
    # Who a patient is, only the API can find out; webhooks' secrets are opened by who shows and who uses them.
    nameless = {name: value for name, value in full.items() if not name.startswith("SEGLOOP_IDENTITY_")}
    plain = {name: value for name, value in nameless.items() if name != "SEGLOOP_WEBHOOK_KEY"}
    environments = {
        MIGRATIONS: full,
        "api": _with_database(full),
        "relay": _with_database(nameless, worker=True),
    }
    for worker_name in ("worker_gpu", "trainer"):
        environments[worker_name] = _with_database(plain, worker=True)
    plain = _with_database(plain) | {"SEGLOOP_DATABASE_URL": "unused"}
    if secret := for_pages.get("SEGLOOP_OIDC_CLIENT_SECRET"):
        environments["ui"] = plain | {"SEGLOOP_OIDC_CLIENT_SECRET": secret}
    own = tuple(service.name for service in servers.services)

    def python(name: str, *arguments: str, after: tuple[str, ...] = (MIGRATIONS,)) -> Service:
        return Service(name, (sys.executable, "-m", *arguments), ROOT, environments.get(name, plain), after)

    def web(service: Service, path: str = "/") -> Service:
        port = ports[service.name]
        return replace(service, port=port, check=lambda: _answers(f"http://127.0.0.1:{port}{path}"))

    def worker(name: str, queue: str) -> Service:
        arguments = [
            "celery",
            "-A",
            f"services.{name}.app",
            "worker",
            "-Q",
            queue,
            "-n",
            f"{queue}@%h",
        ]
        arguments += ["--pool=threads", "--loglevel=INFO"]
        # Its job comes back through the lease, so waiting for a running inference would only make `down` slow. A training
        # saves its state when it is told to stop.
        limit_s = 20.0 if name == "trainer" else 8.0
        started = replace(
            python(name, *arguments), ready_line=" ready.", stop_limit_s=limit_s, essential=False
        )
        return _alive(started, full, queue)

    api = [
        "uvicorn",
        "--factory",
        "services.api.main:create_app",
        "--host=127.0.0.1",
        f"--port={ports['api']}",
        # Requests that wait for a job to change would hold up a stop.
        "--timeout-graceful-shutdown=5",
    ]
    flower = [
        "celery",
        "-A",
        "services.flower",
        "flower",
        "--address=127.0.0.1",
        f"--port={ports['flower']}",
    ]
    return [
        replace(python(MIGRATIONS, "alembic", "upgrade", "head", after=own), one_shot=True),
        web(python("api", *api), "/ready"),
        _alive(python("relay", "services.api.relay"), full, "relay"),
        worker("worker_gpu", "segmentation"),
        worker("trainer", "training"),
        replace(web(python("ui", "ui.proxy")), essential=False),
        replace(web(python("flower", *flower), "/healthcheck"), essential=False),
        *_gateway(servers, plain),
    ]


def _gateway(servers: Servers, given: Mapping[str, str]) -> list[Service]:
    """Describe the gateway, which reaches nothing but the API and PACS and so gets no other secret."""
    file = servers.home.root / GATEWAY_FILE
    if not file.exists():
        return []
    kept = {"SEGLOOP_GATEWAY_SPOOL": str(servers.home.root / "gateway"), **given}
    for field in fields(Settings):
        name = PREFIX + field.name.upper()
        if field.name not in _FOR_THE_GATEWAY:
            kept.pop(name, None)
            if field.default is MISSING:
                kept[name] = "unused"
    command = (sys.executable, "-m", "services.dicom_gateway", str(file))
    gateway = Service(
        "gateway", command, ROOT, kept, (MIGRATIONS,), ready_line="listening as", essential=False
    )
    return [_alive(gateway, given, "gateway")]


def _alive(service: Service, given: Mapping[str, str], name: str) -> Service:
    return replace(service, check=lambda: alive.check(Path(given["SEGLOOP_SCRATCH"]), name))


def _with_database(environment: Mapping[str, str], *, worker: bool = False) -> dict[str, str]:
    """Return an environment with one role's address of the database: the API's, or that of processes that act for nobody."""
    others = ("SEGLOOP_OWNER_DATABASE_URL", "SEGLOOP_WORKER_DATABASE_URL")
    found = {name: value for name, value in environment.items() if name not in others}
    return found | ({"SEGLOOP_DATABASE_URL": environment[others[1]]} if worker else {})


def _answers(url: str) -> None:
    # A page that asks for a key or a password is an answer.
    response = httpx.get(url, timeout=5)
    if response.status_code >= 500:
        raise Unavailable("not_ready", f"It answers with {response.status_code}.")
