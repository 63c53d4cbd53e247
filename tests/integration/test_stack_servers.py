"""The embedded servers: closed to strangers, durable, healed when killed."""

import io
import os
import signal
import subprocess
import time
import uuid

import minio
import psycopg2
import pytest
import redis
import urllib3

from segloop.settings import Settings
from segloop.stack import binaries, postgres, seaweed
from tests.conftest import Stack


def test_the_settings_fixture_reaches_all_three_servers(settings: Settings, stack: Stack) -> None:
    connection = psycopg2.connect(settings.database_url.replace("+psycopg2", ""))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, count(*) FROM information_schema.tables WHERE table_name = 'jobs'"
        )
        assert cursor.fetchone() == ("segloop_app", 1)
    connection.close()
    assert redis.Redis.from_url(settings.redis_url).ping()
    s3 = seaweed.client(stack.servers.credentials, stack.servers.ports["s3"])
    assert list(s3.list_objects(settings.s3_bucket)) == []


def test_objects_are_written_through_to_the_disk(stack: Stack) -> None:
    found = stack.servers
    assert seaweed.fsync_is_on(found.home, found.credentials, binaries.locate(found.home), found.ports)


@pytest.mark.parametrize(("access_key", "secret_key"), [(None, None), ("segloop", "wrong" * 8)])
def test_the_object_store_refuses_a_stranger(
    stack: Stack, access_key: str | None, secret_key: str | None
) -> None:
    address = f"127.0.0.1:{stack.servers.ports['s3']}"
    pool = urllib3.PoolManager(retries=False)
    stranger = minio.Minio(
        address,
        access_key=access_key,
        secret_key=secret_key,
        secure=False,
        region="us-east-1",
        http_client=pool,
    )
    with pytest.raises(minio.S3Error) as refusal:
        stranger.put_object(seaweed.BUCKET, "theft", io.BytesIO(b"x"), 1)
    assert refusal.value.code in (
        "AccessDenied",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
    )


def test_the_object_stores_inner_ports_refuse_a_stranger(stack: Stack) -> None:
    ports = stack.servers.ports
    pool = urllib3.PoolManager(retries=False, timeout=3)
    delete = pool.request(
        "POST",
        f"http://127.0.0.1:{ports['master']}/col/delete?collection={seaweed.BUCKET}",
    )
    assert delete.status == 404
    command = seaweed.shell_command(binaries.locate(stack.servers.home), ports)
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(
            command,
            check=False,
            input="fs.ls /buckets\nexit\n",
            text=True,
            capture_output=True,
            env={},
            timeout=2,
        )


def test_a_bucket_with_objects_cannot_be_removed(stack: Stack) -> None:
    keys, port, bucket = (
        stack.servers.credentials,
        stack.servers.ports["s3"],
        f"full-{uuid.uuid4().hex[:8]}",
    )
    seaweed.make_bucket(keys, port, bucket)
    s3 = seaweed.client(keys, port)
    s3.put_object(bucket, "kept", io.BytesIO(b"kept"), 4)
    with pytest.raises(minio.S3Error):
        s3.remove_bucket(bucket)
    assert s3.get_object(bucket, "kept").read() == b"kept"


def test_wrong_passwords_are_refused(stack: Stack) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        postgres.connect("wrong", stack.servers.ports["postgres"], user=postgres.APP)
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=stack.servers.ports["valkey"], password="wrong").ping()


def test_the_services_role_cannot_change_tables_or_bypass_row_security(
    database_url: str,
) -> None:
    connection = psycopg2.connect(database_url.replace("+psycopg2", ""))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == (False, False, False, False)
        for forbidden in (
            "CREATE TABLE mine (x int)",
            "DROP TABLE jobs",
            "ALTER TABLE jobs DISABLE TRIGGER ALL",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(forbidden)
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("SET ROLE segloop_owner")
    connection.close()


@pytest.mark.parametrize("server", ["postgres", "valkey", "seaweed"])
def test_a_killed_server_comes_back_with_its_data(stack: Stack, server: str) -> None:
    keys, ports = stack.servers.credentials, stack.servers.ports
    mark = uuid.uuid4().hex
    s3 = seaweed.client(keys, ports["s3"])
    s3.put_object(seaweed.BUCKET, mark, io.BytesIO(b"kept"), 4)
    child = stack.supervisor.children[server]
    assert child.process is not None
    before, restarts = child.process.pid, child.restarts

    os.kill(before, signal.SIGKILL)
    child.process.wait()
    stack.supervisor.tick()
    assert not stack.supervisor.is_healthy()
    began = time.monotonic()
    stack.supervisor.start(limit_s=30)

    assert time.monotonic() - began < 20
    assert child.restarts == restarts + 1 and child.process.pid != before
    assert s3.get_object(seaweed.BUCKET, mark).read() == b"kept"
    redis.Redis(port=ports["valkey"], password=keys.valkey).ping()
    postgres.connect(keys.postgres_superuser, ports["postgres"]).close()
