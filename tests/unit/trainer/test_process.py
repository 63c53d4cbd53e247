"""What the end of a training process means: also where it could write nothing."""

import sys
from pathlib import Path

import pytest

from segloop.errors import SegloopError
from segloop.nnunet import training_run
from segloop.training.progress import EXIT_NO_ROOM
from services.trainer.process import TrainingProcess


def test_a_training_that_found_no_room_says_so_without_an_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = f"import sys; sys.exit({EXIT_NO_ROOM})"
    process = TrainingProcess(tmp_path, "cpu", 1, 1, {})
    monkeypatch.setattr("sys.executable", _script(tmp_path, command))
    process.start()
    assert process.wait(20)
    with pytest.raises(SegloopError) as failed:
        process.require_finished()
    assert failed.value.code == "disk_full"
    assert "Free some" in failed.value.message


def _script(folder: Path, code: str) -> str:
    """Return a program that does this instead of Python, whatever it is told."""
    script = folder / "python"
    script.write_text(f"#!{sys.executable}\n{code}\n")
    script.chmod(0o700)
    return str(script)


def test_a_full_disk_is_an_exit_status_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training_run.LoopTrainer, "open", open_full)
    monkeypatch.setattr(sys, "argv", ["training_run", str(tmp_path)])
    assert training_run.main() == EXIT_NO_ROOM
    assert not (tmp_path / "outcome.json").exists()
