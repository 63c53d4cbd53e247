"""Migrations are numbered and linear, make exactly the declared tables, and can be taken back."""

import os
import subprocess
import sys
import uuid

from segloop.stack import postgres
from tests.conftest import ROOT, Stack


def test_migrations_are_numbered_without_gaps() -> None:
    names = sorted(path.name[:4] for path in (ROOT / "migrations/versions").glob("*.py"))
    assert names == [f"{number:04d}" for number in range(1, len(names) + 1)]


def test_up_check_down_up(stack: Stack) -> None:
    name = f"test_{uuid.uuid4().hex[:12]}"
    postgres.create_database(stack.servers.credentials, stack.servers.ports["postgres"], name)
    environment = os.environ | {"SEGLOOP_OWNER_DATABASE_URL": stack.url(name, owner=True)}
    for step in (["upgrade", "head"], ["check"], ["downgrade", "base"], ["upgrade", "head"]):
        command = [sys.executable, "-m", "alembic", *step]
        done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
