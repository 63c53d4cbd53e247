"""The process that reads uploaded bytes meets its limits, and what it says comes back."""

import json
import os
import signal
import zlib
from datetime import UTC, datetime
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

from segloop.errors import InvalidInput
from segloop.imaging.dicom.result import Origin
from segloop.imaging.dicom.seg import make_seg
from segloop.imaging.sandbox import Sandbox
from tests.imported import LABELS, SHAPE, ct, mask

GIB = 2**30


def _input(folder: Path, array: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> Path:
    image = nib.Nifti1Image(array, np.diag([2.0, 2.0, 3.0, 1.0]))  # type: ignore[no-untyped-call]
    (folder / "input").write_bytes(image.to_bytes())
    return folder


def _code(sandbox: Sandbox, folder: Path) -> str:
    with pytest.raises(InvalidInput) as refused:
        sandbox.run("volume", folder)
    return refused.value.code


def test_what_the_child_finds_and_writes_comes_back(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(-1000, 1500, (10, 8, 6)).astype(np.int16)
    sandbox = Sandbox(memory_bytes=2 * GIB, limit_s=60)
    (tmp_path / "check").mkdir()
    found = sandbox.run("volume", _input(tmp_path / "check", array))
    assert (found["shape"], found["hu_like"]) == ([10, 8, 6], True)
    assert [file.name for file in (tmp_path / "check/output").iterdir()] == ["original"]
    assert sandbox.run("levels", _input(tmp_path, array)) == {}
    level = np.frombuffer((tmp_path / "output/level-0").read_bytes(), "<i2").reshape((10, 8, 6), order="F")
    assert np.array_equal(level, array)
    assert json.loads((tmp_path / "output/level-2.json").read_text())["shape"] == [3, 2, 2]


def test_a_file_that_is_fed_to_a_child_which_ends_early_is_refused_with_its_reason(tmp_path: Path) -> None:
    reading = Sandbox(memory_bytes=2 * GIB, limit_s=60).begin("series", tmp_path)
    n_sent = 0
    while reading.send(b"this is no tar " * 10_000) and n_sent < 200:
        n_sent += 1
    assert n_sent < 200, "a child that has ended took everything"
    with pytest.raises(InvalidInput) as refused:
        reading.finish()
    assert refused.value.code == "tar_broken"


def test_a_child_that_is_given_up_is_gone(tmp_path: Path) -> None:
    reading = Sandbox(memory_bytes=2 * GIB, limit_s=60).begin("series", tmp_path)
    reading.give_up()
    assert reading._child.poll() is not None
    assert reading.send(b"more") is False


def test_what_the_file_is_refused_for_comes_back_as_it_was_said(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"these are notes")
    assert _code(Sandbox(memory_bytes=2 * GIB, limit_s=60), tmp_path) == "not_nifti"


def test_a_reader_that_dies_or_takes_too_long_is_a_refusal_and_no_crash(tmp_path: Path) -> None:
    for name, sandbox in {
        "no memory to begin with": Sandbox(memory_bytes=GIB // 16, limit_s=60),
        "no time": Sandbox(memory_bytes=2 * GIB, limit_s=0),
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        assert _code(sandbox, _input(folder, np.zeros((4, 4, 4), np.int16))) == "parse_failed"


def test_of_a_crash_the_log_has_type_and_place_and_nothing_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Libraries quote in their errors what they can't read, over several lines if need be."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "def crash(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('/input'):\n"
        "        print('Canary^Carla', file=sys.stderr)\n"
        "        raise ValueError('can not read\\nCanary^Carla')\n"
        "sys.addaudithook(crash)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = _input(tmp_path, np.zeros((4, 4, 4), np.int16))
    assert _code(Sandbox(memory_bytes=2 * GIB, limit_s=60), folder) == "parse_failed"
    assert "ValueError at " in caplog.text and "Canary" not in caplog.text


def test_the_child_knows_no_secret_of_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGLOOP_TOKEN", "a secret that nobody may see")
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    folder = _input(tmp_path, np.zeros((4, 4, 4), np.int16))
    seen = folder / "sitecustomize.py"
    seen.write_text(f"import os; open({str(folder / 'seen')!r}, 'w').write(repr(dict(os.environ)))")
    monkeypatch.syspath_prepend(str(folder))
    Sandbox(memory_bytes=2 * GIB, limit_s=60).run("volume", _input(folder, np.zeros((8, 8, 8), np.int16)))
    text = (folder / "seen").read_text()
    assert "PYTHONPATH" in text
    assert "that nobody may see" not in text and "PYTHONSTARTUP" not in text


def test_a_child_that_stands_ready_serves_one_task_and_another_takes_its_place(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(-1000, 1500, (10, 8, 6)).astype(np.int16)
    sandbox = Sandbox(memory_bytes=2 * GIB, limit_s=60, spare=True)
    children = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        children.append(sandbox._spare)
        found = sandbox.run("volume", _input(tmp_path / name, array))
        assert found["shape"] == [10, 8, 6]
    children.append(sandbox._spare)
    sandbox.close()
    assert [child.returncode for child in children if child is not None] == [0, 0, 0]
    assert len({child.pid for child in children if child is not None}) == 3


def test_a_ready_child_that_died_is_no_reason_to_fail(tmp_path: Path) -> None:
    sandbox = Sandbox(memory_bytes=2 * GIB, limit_s=60, spare=True)
    assert sandbox._spare is not None
    sandbox._spare.kill()
    sandbox._spare.wait()
    found = sandbox.run("volume", _input(tmp_path, np.zeros((4, 4, 4), np.int16)))
    assert found["shape"] == [4, 4, 4]
    sandbox.close()


def test_a_dicom_mask_that_unpacks_to_more_memory_than_there_is_is_a_refusal(tmp_path: Path) -> None:
    """Deflated to a thousandth of its size, as a bomb would be."""
    series = ct(tmp_path)
    found = make_seg(
        series, mask(), LABELS.labels, Origin("ab" * 32, datetime(2026, 11, 3, tzinfo=UTC), "0.1.0")
    )
    found.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    found.save_as(tmp_path / "small.dcm")
    body = (tmp_path / "small.dcm").read_bytes()
    start = 132 + 12 + read_file_meta_info(tmp_path / "small.dcm").FileMetaInformationGroupLength
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    whole = packer.compress(zlib.decompress(body[start:], -zlib.MAX_WBITS)) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(2**20)) + packer.flush(
        zlib.Z_FULL_FLUSH
    )  # the same each time, after such a flush
    (tmp_path / "input").write_bytes(body[:start] + whole + 2048 * zeros + packer.flush())
    sandbox = Sandbox(memory_bytes=2 * GIB, limit_s=120)
    with pytest.raises(InvalidInput) as refused:
        sandbox.run(
            "dicom_mask",
            tmp_path,
            shape=SHAPE,
            affine=series.geometry.affine.ravel().tolist(),
            labels=LABELS.to_dicts(),
            label_map={},
            ask_if_doubtful=False,
        )
    assert refused.value.code == "volume_too_large"


@pytest.mark.parametrize("kind", ["link", "pipe", "long answer"])
def test_what_a_child_left_that_is_no_plain_file_is_not_followed(tmp_path: Path, kind: str) -> None:
    reading = Sandbox(memory_bytes=2 * GIB, limit_s=60).begin(
        "volume", _input(tmp_path, np.zeros((4, 4, 4), np.int16))
    )
    reading._child.wait()
    if kind == "link":
        (tmp_path / "output/original").unlink()
        (tmp_path / "output/original").symlink_to("/proc/self/environ")
    elif kind == "pipe":
        (tmp_path / "answer.json").unlink()
        os.mkfifo(tmp_path / "answer.json")
    else:
        with (tmp_path / "answer.json").open("ab") as file:
            file.truncate(65 << 20)
    with pytest.raises(InvalidInput) as refused:
        reading.finish()
    assert refused.value.code == "parse_failed"


def test_what_a_child_makes_is_there_to_be_read_before_the_child_has_ended(tmp_path: Path) -> None:
    array = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    reading = Sandbox(memory_bytes=2 * GIB, limit_s=60).begin("volume", _input(tmp_path, array))
    file = reading.output("original")
    assert file is not None
    with file:
        assert file.read() == (tmp_path / "output/original").read_bytes()
    assert reading.finish()["shape"] == [4, 5, 6]


def test_a_child_that_makes_nothing_says_why_in_the_end(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"these are notes")
    reading = Sandbox(memory_bytes=2 * GIB, limit_s=60).begin("volume", tmp_path)
    with pytest.raises(InvalidInput) as refused:
        reading.output("original")
    assert refused.value.code == "not_nifti"


def test_a_child_that_says_all_is_well_and_made_nothing_is_not_believed(tmp_path: Path) -> None:
    reading = Sandbox(memory_bytes=2 * GIB, limit_s=60).begin(
        "volume", _input(tmp_path, np.zeros((4, 4, 4), np.int16))
    )
    reading._child.wait()
    (tmp_path / "output/original").unlink()
    with pytest.raises(InvalidInput) as refused:
        reading.output("original")
    assert refused.value.code == "parse_failed"


def test_a_child_that_takes_too_long_to_make_anything_is_ended(tmp_path: Path) -> None:
    reading = Sandbox(memory_bytes=2 * GIB, limit_s=1).begin("series", tmp_path)
    os.kill(reading._child.pid, signal.SIGSTOP)
    with pytest.raises(InvalidInput) as refused:
        reading.output("original")
    assert refused.value.code == "parse_failed" and "took more than" in refused.value.message
    assert reading._child.poll() is not None


@pytest.mark.parametrize("kind", ["link", "link above", "pipe", "folder"])
def test_what_a_child_makes_is_not_followed_out_of_its_place(tmp_path: Path, kind: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "original").write_text("secret")
    reading = Sandbox(memory_bytes=2 * GIB, limit_s=60).begin(
        "volume", _input(tmp_path, np.zeros((4, 4, 4), np.int16))
    )
    reading._child.wait()
    made = tmp_path / "output/original"
    made.unlink()
    if kind == "link":
        made.symlink_to(elsewhere / "original")
    elif kind == "link above":
        made.parent.rmdir()
        made.parent.symlink_to(elsewhere)
    elif kind == "pipe":
        os.mkfifo(made)
    else:
        made.mkdir()
    with pytest.raises(InvalidInput) as refused:
        reading.output("original")
    assert refused.value.code == "parse_failed"
