"""The compose file's own commands on the same servers and packages, each process with its image's files only.

No image is built: servers come from the wheels, ports are other ones, and containers' names become 127.0.0.1.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import minio
import psycopg2
import pytest
import redis
from minio.error import S3Error

from segloop.stack import binaries, home, lock, postgres, servers, supervisor
from segloop.stack import ports as stack_ports
from tests.architecture import compose, images
from tests.conftest import ROOT, Stack

PORTS = {"postgres": 5432, "valkey": 6379, "s3": 8333, "api": 8000, "ui": 8501, "flower": 5555}
SECRETS = compose.secrets()
RIGHTS = """
SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
       (SELECT datacl::text FROM pg_database WHERE datname = 'segloop'),
       (SELECT datdba::regrole::text || datlocprovider::text || datlocale FROM pg_database WHERE datname = 'segloop'),
       (SELECT nspowner::regrole::text || nspacl::text FROM pg_namespace WHERE nspname = 'public')
FROM pg_roles WHERE rolname LIKE 'segloop%' ORDER BY rolname
"""


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose.load(SECRETS)["services"][name]
    return found


def environment(name: str) -> dict[str, str]:
    given = service(name).get("environment", {})
    return {key: "" if value is None else str(value) for key, value in given.items()}  # as compose does


@contextmanager
def running(command: list[str], given: dict[str, str], folder: Path, log: Path) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(command, env=given, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until(works: Any, log: Path, *, limit_s: float = 60) -> None:
    limit = time.monotonic() + limit_s
    while not works():
        assert time.monotonic() < limit, log.read_text()[-3000:]
        time.sleep(0.3)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, stack: Stack) -> Iterator[servers.Servers]:
    """A new cluster as the Postgres image leaves it before our script runs, and the ports of one more installation."""
    folder = Path(os.path.realpath(f"/tmp/segloop-compose-{os.getpid()}"))
    opened = home.open_home(folder)
    with lock.Lock(opened):
        described = servers.describe(opened, {})
        (server,) = [one for one in described.services if one.name == "postgres"]
        alone = supervisor.Supervisor(opened, [replace(server, initialize=lambda: None)])
        try:
            alone.start()
            yield described
        finally:
            alone.stop()
            subprocess.run(["rm", "-rf", str(folder)], check=True)


def rights(password: str, port: int) -> list[Any]:
    connection = postgres.connect(password, port, database="segloop")
    with connection.cursor() as cursor:
        cursor.execute(RIGHTS)
        found = cursor.fetchall()
    connection.close()
    return found


@pytest.fixture(scope="module")
def roles(cluster: servers.Servers) -> servers.Servers:
    """The cluster after the script that compose mounts."""
    psql = binaries.locate(cluster.home).postgres_bin
    given = environment("postgres") | {
        "PATH": f"{psql}:{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(cluster.ports["postgres"]),
        "PGPASSWORD": cluster.credentials.postgres_superuser,
    }
    subprocess.run(["sh", str(ROOT / "deploy/postgres-roles.sh")], check=True, env=given, capture_output=True)
    return cluster


def test_the_roles_script_makes_what_the_embedded_stack_makes(roles: servers.Servers, stack: Stack) -> None:
    embedded = rights(stack.servers.credentials.postgres_superuser, stack.servers.ports["postgres"])
    assert rights(roles.credentials.postgres_superuser, roles.ports["postgres"]) == embedded
    assert len(embedded) == 4
    with pytest.raises(psycopg2.OperationalError):
        postgres.connect("wrong", roles.ports["postgres"], user=postgres.APP, database="segloop")


@pytest.fixture(scope="module")
def broker(roles: servers.Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Valkey with the command of the compose file; its port."""
    folder, port = tmp_path_factory.mktemp("valkey"), roles.ports["valkey"]
    program, *arguments = service("valkey")["command"]
    assert program == "valkey-server"
    extra = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command = [str(binaries.locate(roles.home).valkey), *arguments, *extra]
    with (
        running(command, {}, folder, folder / "log"),
        redis.Redis(port=port, password=SECRETS["VALKEY_PASSWORD"]) as client,
    ):
        wait_until(lambda: listens(port), folder / "log")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        yield port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_broker_asks_for_its_password(broker: int) -> None:
    with redis.Redis(port=broker) as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.ping()


@pytest.fixture(scope="module")
def store(roles: servers.Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """SeaweedFS with certificates, command, health check and one-shot of the compose file; its S3 port."""
    folder, ports = tmp_path_factory.mktemp("store"), roles.ports
    keys = folder / "keys"
    keys.mkdir()
    dry = images.dry_image("api", tmp_path_factory.mktemp("keys"))
    made = dry.argv([*service("storage_keys")["command"][:-1], str(keys)])
    subprocess.run(made, check=True, env=dry.environment({}), cwd=dry.app)
    (folder / "data").mkdir()
    weed = binaries.locate(roles.home).weed
    given = {name: text.replace("/keys/", f"{keys}/") for name, text in environment("storage").items()}
    given |= {"PATH": os.environ["PATH"], "HOME": str(folder), "GODEBUG": "fips140=on"}
    words = [word.replace("-dir=/data", f"-dir={folder}/data") for word in service("storage")["command"]]
    names = [
        name
        for name in stack_ports.NAMES
        if name.split("_")[0] in ("s3", "master", "volume", "filer", "admin")
    ]
    for name in names:
        flag = name.replace("_grpc", "") + ".port" + (".grpc" if name.endswith("_grpc") else "")
        words.append(f"-{flag}={ports[name]}")
    with running([str(weed), "-logtostderr=true", *words], given, folder, folder / "log"):
        (health,) = [word for word in service("storage")["healthcheck"]["test"] if word.startswith("http")]
        address = health.replace(":8333", f":{ports['s3']}")
        probe = ["curl", "-fsS", address]
        wait_until(
            lambda: subprocess.run(probe, check=False, capture_output=True).returncode == 0, folder / "log"
        )
        (script,) = service("storage_setup")["command"]
        script = script.replace("/usr/bin/weed", str(weed))
        script = script.replace(":9333", f":{ports['master']}.{ports['master_grpc']}")
        script = script.replace(":8888", f":{ports['filer']}.{ports['filer_grpc']}")
        subprocess.run(["/bin/sh", "-c", script], check=True, env=given, capture_output=True, timeout=60)
        yield ports["s3"]


def test_the_object_store_has_its_bucket_and_opens_to_the_right_key_only(store: int) -> None:
    def client(secret: str) -> minio.Minio:
        access = SECRETS["SEGLOOP_S3_ACCESS_KEY"]
        return minio.Minio(f"127.0.0.1:{store}", access, secret, secure=False, region="us-east-1")

    assert client(SECRETS["SEGLOOP_S3_SECRET_KEY"]).bucket_exists("segloop")
    with pytest.raises(S3Error):
        list(client("wrong").list_objects("segloop"))


@pytest.mark.slow
def test_every_process_starts_and_its_own_health_check_passes(
    roles: servers.Servers, broker: int, store: int, tmp_path: Path
) -> None:
    ports = dict(roles.ports)

    def local(text: str) -> str:
        for name, port in PORTS.items():
            host = {"s3": "storage"}.get(name, name)
            for spelled in (f"@{host}:{port}", f"{host}:{port}", f"127.0.0.1:{port}", f"0.0.0.0:{port}"):
                sign = "@" if spelled[0] == "@" else ""
                text = text.replace(spelled, f"{sign}127.0.0.1:{ports[name]}")
            text = text.replace(f"--port={port}", f"--port={ports[name]}")
        return text.replace("0.0.0.0", "127.0.0.1").replace("/scratch", str(tmp_path))

    built = {name: images.dry_image(name, tmp_path / name) for name in images.DOCKERFILES}

    def parts(name: str) -> tuple[images.DryImage, list[str], dict[str, str]]:
        image = service(name)["image"].split("/")[1].split(":")[0]
        words = service(name).get("command") or images.command(image)
        given = {key: local(value) for key, value in environment(name).items()}
        given |= {"OMP_NUM_THREADS": "1"}
        dry = built[image]
        return dry, dry.argv([local(word) for word in words]), dry.environment(given)

    def is_healthy(name: str) -> bool:
        dry, _, given = parts(name)
        kind, *words = service(name)["healthcheck"]["test"]
        # `python` is the image's own, first on its PATH.
        given["PATH"] = f"{dry.python.parent}:{given['PATH']}"
        command = ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else [local(word) for word in words]
        done = subprocess.run(command, check=False, env=given, cwd=dry.app, capture_output=True, timeout=60)
        return done.returncode == 0

    dry, command, given = parts("migrate")
    subprocess.run(command, check=True, env=given, cwd=dry.app, capture_output=True)
    with ExitStack() as all_of_them:
        names = ("api", "relay", "worker_gpu", "worker_stat", "trainer", "ui", "flower")
        for name in names:
            if name in ("api", "ui", "flower"):
                assert not is_healthy(name), f"{name} is healthy before it runs"
            dry, command, given = parts(name)
            all_of_them.enter_context(running(command, given, dry.app, tmp_path / f"{name}.log"))
        for name in names:
            wait_until(lambda name=name: is_healthy(name), tmp_path / f"{name}.log")


def test_the_gateway_starts_with_the_example_beside_compose_and_its_health_check_passes(
    tmp_path: Path,
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    example = (ROOT / "deploy/gateway/gateway.example.yaml").read_text().replace("0.0.0.0", "127.0.0.1")
    (tmp_path / "gateway.yaml").write_text(f"{example}port: {port}\n")
    dry = images.dry_image("dicom_gateway", tmp_path / "image")
    places = {"/etc/segloop": str(tmp_path), "/spool": str(tmp_path / "spool"), "11112": port}

    def local(text: str) -> str:
        for name, here in places.items():
            text = text.replace(name, here)
        return text

    given = dry.environment({name: local(value) for name, value in environment("gateway").items()})

    def is_healthy() -> bool:
        words = dry.argv([local(word) for word in service("gateway")["healthcheck"]["test"][1:]])
        return subprocess.run(words, check=False, capture_output=True, env=given).returncode == 0

    assert not is_healthy()
    command = dry.argv([local(word) for word in images.command("dicom_gateway")])
    with running(command, given, dry.app, tmp_path / "log"):
        wait_until(is_healthy, tmp_path / "log")
