"""Backup and restore as commands: nothing acknowledged before is missing after, and nothing is overwritten or taken on trust."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from segloop.settings import Settings
from segloop.stack import state
from segloop.stack.backup import manifest
from segloop.stack.backup.create import store_of
from segloop.stack.home import open_home
from tests.conftest import ROOT

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="segloop-test-"))
    open_home(folder)
    started = segloop(folder, "up")
    assert started.returncode == 0, started.stderr
    yield folder
    assert segloop(folder, "down").returncode == 0
    shutil.rmtree(folder)


def segloop(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEGLOOP_")}
    environment |= {"SEGLOOP_HOME": str(home), "SEGLOOP_WITHOUT": "ui,worker_gpu,trainer,flower,relay"}
    command = [sys.executable, "-m", "segloop.cli", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=280
    )


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    return path


@pytest.fixture
def new_home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="segloop-test-"))
    yield folder
    shutil.rmtree(folder)


def rows(home: Path) -> dict[str, int]:
    """Return how many rows each table has, in all schemas, as the superuser sees them."""
    keys = json.loads((home / "credentials.json").read_text())
    port = state.ports(home)["postgres"]
    connection = psycopg2.connect(
        host="127.0.0.1", port=port, user="postgres", password=keys["postgres_superuser"], dbname="segloop"
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'identity')"
        )
        found = {}
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT count(*) FROM {table}")
            counted = cursor.fetchone()
            assert counted is not None
            found[table] = counted[0]
    connection.close()
    return found


@pytest.mark.slow
def test_what_was_acknowledged_before_a_backup_is_there_after_a_restore_voxel_for_voxel(home: Path) -> None:
    done = segloop(home, "bench", "restore", "--short")
    assert done.returncode == 0, done.stderr
    measured = json.loads((home / "bench.jsonl").read_text().splitlines()[-1])
    assert measured["n_volumes"] == 2 and measured["restore_s"] < 600
    assert "segloop-drill" not in done.stderr and not home.with_name(home.name + "-drill").exists()


@pytest.mark.slow
def test_a_restored_installation_has_every_row_and_right_and_its_keys(
    home: Path, new_home: Path, tmp_path: Path, passphrase: Path
) -> None:
    store_of(state.environment(home)).put_bytes("comparisons/a/b", b"figures")
    made = segloop(home, "backup", str(tmp_path / "backup"), "--passphrase-file", str(passphrase))
    assert made.returncode == 0, made.stderr
    assert PASSPHRASE not in made.stdout
    token = json.loads((home / "credentials.json").read_text())["token"].encode()
    assert not any(token in path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())
    before = rows(home)

    again = segloop(home, "backup", str(tmp_path / "backup"), "--keys-apart")
    assert again.returncode == 1 and "nothing is overwritten" in again.stderr

    restored = segloop(new_home, "restore", str(tmp_path / "backup"), "--passphrase-file", str(passphrase))
    assert restored.returncode == 0, restored.stderr
    try:
        # The backup is on record in the original, after its own snapshot.
        before["public.audit_events"] -= 1
        assert rows(new_home) == before
        assert (new_home / "credentials.json").read_text() == (home / "credentials.json").read_text()
        assert store_of(state.environment(new_home)).read("comparisons/a/b") == b"figures"
        # The application's role has its rights again, and no more.
        connection = psycopg2.connect(
            Settings.from_env(state.environment(new_home)).database_url.replace("+psycopg2", "")
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM jobs")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege), connection.cursor() as cursor:
            cursor.execute("DELETE FROM audit_events")
        connection.close()
        over = segloop(new_home, "restore", str(tmp_path / "backup"), "--passphrase-file", str(passphrase))
        assert over.returncode == 1 and "nothing is overwritten" in over.stderr
    finally:
        segloop(new_home, "down")


def test_a_damaged_backup_a_wrong_passphrase_and_missing_keys_are_refused(
    home: Path, new_home: Path, tmp_path: Path, passphrase: Path
) -> None:
    store_of(state.environment(home)).put_bytes("comparisons/c/d", b"figures")
    backup = tmp_path / "backup"
    assert segloop(home, "backup", str(backup), "--passphrase-file", str(passphrase)).returncode == 0

    wrong = tmp_path / "wrong"
    wrong.write_text("another passphrase")
    refused = segloop(new_home, "restore", str(backup), "--passphrase-file", str(wrong))
    assert refused.returncode == 1 and "does not open" in refused.stderr

    copy = backup / manifest.OBJECTS / "comparisons/c/d"
    copy.write_bytes(b"Figures")
    refused = segloop(new_home, "restore", str(backup), "--passphrase-file", str(passphrase))
    assert refused.returncode == 1 and "comparisons/c/d" in refused.stderr
    assert not list(new_home.iterdir())

    (backup / manifest.FILE).unlink()
    refused = segloop(new_home, "restore", str(backup), "--passphrase-file", str(passphrase))
    assert refused.returncode == 1 and "no complete backup" in refused.stderr

    apart = tmp_path / "apart"
    made = segloop(home, "backup", str(apart), "--keys-apart")
    assert made.returncode == 0 and "THE KEYS ARE NOT IN IT" in made.stdout
    assert not (apart / manifest.KEYS).exists()
    refused = segloop(new_home, "restore", str(apart))
    assert refused.returncode == 1 and "--keys CREDENTIALS_JSON" in refused.stderr


def test_a_store_that_lost_an_object_that_a_row_names_makes_no_backup(home: Path, tmp_path: Path) -> None:
    environment = state.environment(home)
    connection = psycopg2.connect(environment["SEGLOOP_OWNER_DATABASE_URL"].replace("+psycopg2", ""))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE lost AS SELECT 'volumes/0/original'::text AS object_key")
        try:
            made = segloop(home, "backup", str(tmp_path / "backup"), "--keys-apart")
        finally:
            cursor.execute("DROP TABLE lost")
    connection.close()
    assert made.returncode == 1 and "volumes/0/original" in made.stderr
    assert not (tmp_path / "backup" / manifest.FILE).exists()
