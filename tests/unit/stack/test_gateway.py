"""The stack runs the DICOM gateway where it is configured, with no secret that it has no use for."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from segloop.stack import home, lock, servers
from segloop.stack.applications import GATEWAY_FILE, services
from segloop.stack.service import Service
from tests.orthanc import free_port


@pytest.fixture
def folder() -> Iterator[Path]:
    """A home that any account can enter."""
    with tempfile.TemporaryDirectory(prefix="segloop-gateway-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "home"


def test_the_pages_alone_have_the_secret_of_the_identity_providers_client(folder: Path) -> None:
    opened = home.open_home(folder)
    given = {"SEGLOOP_OIDC_CLIENT_SECRET": "cl1ent", "SEGLOOP_OIDC_ISSUER": "https://login.example.org"}
    with lock.Lock(opened):
        found = services(servers.describe(opened, {}), given | {"PATH": "/usr/bin:/bin"})
    assert [one.name for one in found if "cl1ent" in one.environment.values()] == ["ui"]
    assert all(one.environment["SEGLOOP_OIDC_ISSUER"] for one in found if one.name in ("api", "ui"))


def gateway(folder: Path, *, config: str | None) -> Service | None:
    opened = home.open_home(folder)
    if config is not None:
        (opened.root / GATEWAY_FILE).write_text(config)
    with lock.Lock(opened):
        described = servers.describe(opened, {})
        keys = described.credentials
        found = {
            one.name: one for one in services(described, {"PACS_TOKEN": "t0ken", "PATH": "/usr/bin:/bin"})
        }
    one = found.get("gateway")
    if one is not None:
        given = one.environment
        assert (given["SEGLOOP_TOKEN"], given["PACS_TOKEN"]) == (keys.token, "t0ken")
        assert not one.essential
        values = set(given.values())
        for secret in (
            keys.ticket_key,
            keys.pseudonym_key,
            keys.identity_key,
            keys.s3_secret_key,
            keys.webhook_key,
        ):
            assert secret not in values
        assert not any(keys.postgres_app in value or keys.valkey in value for value in values)
    return one


def test_without_a_configuration_there_is_none(folder: Path) -> None:
    assert gateway(folder, config=None) is None


@pytest.mark.parametrize("config", ["good", "bad"])
def test_it_starts_with_what_the_stack_gives_it_or_says_what_is_wrong(folder: Path, config: str) -> None:
    text = f"port: {free_port()}\n" if config == "good" else "prt: 1\n"
    found = gateway(folder, config=text)
    assert found is not None
    process = subprocess.Popen(
        found.command, cwd=found.folder, env=dict(found.environment), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    lines, end = [], time.monotonic() + 60
    for line in process.stderr:
        lines.append(line)
        if found.ready_line in line or time.monotonic() > end:
            break
    process.terminate()
    rest = process.communicate(timeout=30)[1]
    if config == "good":
        assert found.ready_line in lines[-1] and process.returncode == 0
    else:
        assert process.returncode == 1 and "gateway_config" in "".join(lines) + rest
