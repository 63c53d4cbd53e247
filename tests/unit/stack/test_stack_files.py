"""Files of an installation: secrets stay private and stay the same, logs stay bounded."""

import json
from pathlib import Path

import pytest

from segloop import cli
from segloop.errors import InvalidInput
from segloop.stack import control, credentials, process
from segloop.stack.home import LONGEST_HOME, Home, open_home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "run").mkdir()
    return Home(tmp_path, None)


def test_secrets_are_generated_once_and_readable_by_their_owner_only(home: Home) -> None:
    first = credentials.load_or_create(home)
    assert credentials.load_or_create(home) == first
    assert (home.root / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert len({first.postgres_owner, first.postgres_app, first.token, first.valkey}) == 4


def test_a_secret_that_an_upgrade_needs_is_added_and_the_others_stay(home: Home) -> None:
    before = credentials.load_or_create(home)
    path = home.root / "credentials.json"
    kept = json.loads(path.read_text())
    del kept["ticket_key"]
    path.write_text(json.dumps(kept))
    after = credentials.load_or_create(home)
    assert after.ticket_key and after.ticket_key != before.ticket_key
    assert after.postgres_app == before.postgres_app


def test_a_data_folder_with_too_long_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="SEGLOOP_HOME"):
        open_home(tmp_path / ("x" * LONGEST_HOME))


def test_a_grown_log_is_rotated_and_only_some_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LOG_LIMIT_BYTES", 10)
    log = tmp_path / "api.log"
    for number in range(6):
        log.write_text(f"{number} is long enough to rotate")
        process.rotate(log)
    kept = {path.name: path.read_text()[0] for path in tmp_path.iterdir()}
    assert kept == {"api.log.1": "5", "api.log.2": "4", "api.log.3": "3"}


def test_status_of_a_folder_where_nothing_ran_says_stopped(tmp_path: Path) -> None:
    assert control.status(tmp_path).startswith("Segloop is stopped")


def test_an_unknown_option_is_refused_except_for_pytest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["status", "--nonsense"])
    assert "unrecognized arguments: --nonsense" in capsys.readouterr().err
