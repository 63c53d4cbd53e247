"""Fixtures with real servers: one Postgres, Valkey and SeaweedFS a session; a database a module, a bucket a test."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from minio.error import S3Error
from psycopg2 import sql

from segloop.settings import Settings
from segloop.stack import home as homes
from segloop.stack import lock, postgres, seaweed, servers, supervisor, valkey
from segloop.storage import ObjectStore, open_store

ROOT = Path(__file__).parents[1]
TEMPLATE = "segloop_template"


@dataclass(frozen=True)
class Stack:
    """The servers of this test session and the supervisor that keeps them."""

    servers: servers.Servers
    supervisor: supervisor.Supervisor

    def url(self, database: str, *, owner: bool) -> str:
        """Return the address of a database for one of the two roles."""
        keys = self.servers.credentials
        password, user = (keys.postgres_owner, postgres.OWNER) if owner else (keys.postgres_app, postgres.APP)
        return postgres.url(password, self.servers.ports["postgres"], user=user, database=database)


@pytest.fixture(scope="session")
def server_home() -> Iterator[homes.Home]:
    """A fresh data folder that an unprivileged server may enter, removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="segloop-test-"))
    yield homes.open_home(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def stack(server_home: homes.Home) -> Iterator[Stack]:
    """Real servers with generated passwords, started once for all tests; nothing is migrated."""
    with lock.Lock(server_home):
        described = servers.describe(server_home, {})
        running = supervisor.Supervisor(server_home, described.services)
        try:
            running.start()
            yield Stack(described, running)
        finally:
            running.stop()


@pytest.fixture(scope="session")
def template(stack: Stack) -> str:
    """A migrated database that others are copied from, which takes a tenth of a second instead of a migration."""
    keys, port = stack.servers.credentials, stack.servers.ports["postgres"]
    postgres.create_database(keys, port, TEMPLATE)
    environment = os.environ | {"SEGLOOP_OWNER_DATABASE_URL": stack.url(TEMPLATE, owner=True)}
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    migration = subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert migration.returncode == 0, migration.stderr
    return TEMPLATE


@pytest.fixture(scope="module")
def database(stack: Stack, template: str) -> Iterator[str]:
    """The name of a fresh, migrated database, dropped after the module."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    keys, port = stack.servers.credentials, stack.servers.ports["postgres"]
    postgres.create_database(keys, port, name, template=template)
    yield name
    connection = postgres.connect(keys.postgres_superuser, port)
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    connection.close()


@pytest.fixture(scope="module")
def owner_url(stack: Stack, database: str) -> str:
    """The module's database as the role that owns its tables."""
    return stack.url(database, owner=True)


@pytest.fixture(scope="module")
def database_url(stack: Stack, database: str) -> str:
    """The module's database as the API's role, seeing everything where nothing else is said: the API itself always says it."""
    return stack.url(database, owner=False) + "?options=-csegloop.all%3Don"


@pytest.fixture(scope="module")
def identity_url(stack: Stack, database: str) -> str:
    """The module's database as the role of the identity store, likewise."""
    password, port = stack.servers.credentials.postgres_identity, stack.servers.ports["postgres"]
    return (
        postgres.url(password, port, user=postgres.IDENTITY, database=database)
        + "?options=-csegloop.all%3Don"
    )


@pytest.fixture
def redis_url(stack: Stack) -> str:
    """An empty broker."""
    import redis

    address = valkey.url(stack.servers.credentials.valkey, stack.servers.ports["valkey"])
    with redis.Redis.from_url(address) as client:
        client.flushall()
    return address


@pytest.fixture
def object_store_settings(stack: Stack) -> Iterator[dict[str, str]]:
    """How to reach a fresh, empty bucket, as environment variables; each bucket takes a volume of the store's few."""
    keys, port, bucket = stack.servers.credentials, stack.servers.ports["s3"], f"test-{uuid.uuid4().hex[:12]}"
    seaweed.make_bucket(keys, port, bucket)
    yield {
        "SEGLOOP_S3_ENDPOINT": f"127.0.0.1:{port}",
        "SEGLOOP_S3_ACCESS_KEY": keys.s3_access_key,
        "SEGLOOP_S3_SECRET_KEY": keys.s3_secret_key,
        "SEGLOOP_S3_BUCKET": bucket,
    }
    client = seaweed.client(keys, port)
    end = time.monotonic() + 60
    while True:  # an API that a test left behind may still be making viewer copies
        for item in client.list_objects(bucket, recursive=True):
            client.remove_object(bucket, str(item.object_name))
        try:
            client.remove_bucket(bucket)
            return
        except S3Error:
            if time.monotonic() > end:
                raise
        time.sleep(0.2)


@pytest.fixture
def environment(
    database_url: str,
    owner_url: str,
    identity_url: str,
    redis_url: str,
    object_store_settings: dict[str, str],
    tmp_path: Path,
) -> dict[str, str]:
    """All settings as environment variables, for tests that start a process."""
    return {
        "SEGLOOP_DATABASE_URL": database_url,
        "SEGLOOP_OWNER_DATABASE_URL": owner_url,
        "SEGLOOP_REDIS_URL": redis_url,
        **object_store_settings,
        "SEGLOOP_TOKEN": "test-token",
        "SEGLOOP_TICKET_KEY": "test-ticket-key",
        "SEGLOOP_PSEUDONYM_KEY": "test-pseudonym-key",
        "SEGLOOP_IDENTITY_DATABASE_URL": identity_url,
        "SEGLOOP_IDENTITY_KEY": "test-identity-key",
        "SEGLOOP_SCRATCH": str(tmp_path),
        "SEGLOOP_LEASE_S": "3",
        "SEGLOOP_HEARTBEAT_S": "0.5",
        "SEGLOOP_REAPER_INTERVAL_S": "0.3",
        "SEGLOOP_PARSE_READY": "false",  # loading libraries beforehand takes more than most tests
    }


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """Settings of a service on this session's servers."""
    return Settings.from_env(environment)


@pytest.fixture
def store(settings: Settings) -> ObjectStore:
    """The test's bucket as the product sees it."""
    return open_store(
        endpoint=settings.s3_endpoint,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        bucket=settings.s3_bucket,
    )
