"""What reads uploads reaches no network, starts nothing and touches no other process, even if a file took it over."""

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from segloop.errors import Unavailable
from segloop.imaging import confine, sandbox
from segloop.imaging.sandbox import Sandbox

GIB = 2**30
# Runs within the child at the moment it opens the uploaded file: what a file that took over its reader would do.
TAKEN_OVER = """
import ctypes, json, os, signal, socket, subprocess, sys, threading
def attempt(call):
    try:
        return repr(call())
    except OSError as error:
        return type(error).__name__
def connected():
    with socket.create_connection(("127.0.0.1", {port}), timeout=5) as made:
        return made.getpeername()
def io_uring():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(425, 4, ctypes.create_string_buffer(120)) < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
def in_a_thread():
    found = []
    one = threading.Thread(target=lambda: found.append("ran"))
    one.start()
    one.join()
    return found
def everything(event, arguments):
    if event == "open" and str(arguments[0]).endswith("/input") and not os.path.exists({seen!r}):
        parent = os.getppid()
        file = open({seen!r}, "w")
        file.write(json.dumps(dict(
            connect=attempt(connected),
            datagram=attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
            local=attempt(lambda: socket.socket(socket.AF_UNIX)),
            pair=attempt(socket.socketpair),
            resolve=attempt(lambda: socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM) and connected()),
            ring=attempt(io_uring),
            program=attempt(lambda: subprocess.run(["/bin/true"])),
            execute=attempt(lambda: os.execv("/bin/true", ["true"])),
            fork=attempt(os.fork),
            signal=attempt(lambda: os.kill(parent, signal.SIGCONT)),
            memory=attempt(lambda: os.close(os.pidfd_open(parent))),
            environment=attempt(lambda: open(f"/proc/{{parent}}/environ").read()),
            written=attempt(lambda: open(f"/proc/{{parent}}/mem", "r+b")),
            owner=attempt(lambda: __import__("fcntl").fcntl(0, 8, parent)),
            priority=attempt(lambda: os.setpriority(os.PRIO_PROCESS, parent, 19)),
            affinity=attempt(lambda: os.sched_setaffinity(parent, os.sched_getaffinity(0))),
            thread=attempt(in_a_thread),
            limits=attempt(lambda: __import__("resource").prlimit(parent, 7)),
        )))
        file.close()
sys.addaudithook(everything)
"""
REFUSED = "PermissionError"


def ct(folder: Path) -> Path:
    array = np.arange(64, dtype=np.int16).reshape(4, 4, 4)
    image = nib.Nifti1Image(array, np.diag([2.0, 2.0, 3.0, 1.0]))  # type: ignore[no-untyped-call]
    (folder / "input").write_bytes(image.to_bytes())
    return folder


def test_a_reader_that_was_taken_over_reaches_nobody_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            pass  # it does answer: to this process
        seen = tmp_path / "seen"
        (tmp_path / "sitecustomize.py").write_text(TAKEN_OVER.format(port=port, seen=str(seen)))
        monkeypatch.syspath_prepend(str(tmp_path))
        for spare in (False, True):  # one that starts for this file, and one that stood ready
            folder = tmp_path / f"spare {spare}"
            folder.mkdir()
            seen.unlink(missing_ok=True)
            reader = Sandbox(memory_bytes=2 * GIB, limit_s=60, spare=spare)
            found = reader.run("volume", ct(folder))
            reader.close()
            assert found["shape"] == [4, 4, 4]  # and the file is read as ever
            tried = json.loads(seen.read_text())
            assert tried.pop("thread") == "['ran']"
            assert tried == dict.fromkeys(tried, REFUSED)
            assert len(tried) == 17


def test_threads_that_run_already_are_confined_too() -> None:
    code = """
import socket, threading
from segloop.imaging.confine import confine
go, found = threading.Event(), []
def later():
    go.wait()
    try:
        socket.socket()
    except PermissionError:
        found.append("refused")
one = threading.Thread(target=later)
one.start()
confine()
go.set()
one.join()
assert found == ["refused"], found
"""
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_a_filter_is_made_for_either_machine_and_its_jumps_stay_within() -> None:
    for machine in confine._MACHINES:
        program = confine._program(machine)
        n = len(program) // 8
        assert len(program) % 8 == 0 and 60 < n < 200
        for at in range(n):
            if int.from_bytes(program[8 * at : 8 * at + 2], sys.byteorder) in (
                confine._EQUAL,
                confine._BITS_SET,
            ):
                assert at + 1 + max(program[8 * at + 2], program[8 * at + 3]) < n


def test_where_it_can_not_be_confined_nothing_is_read_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A machine of a kind that the filter doesn't know stands for a kernel without it."""
    (tmp_path / "sitecustomize.py").write_text("import platform; platform.machine = lambda: 'vax'")
    monkeypatch.syspath_prepend(str(tmp_path))
    reader = Sandbox(memory_bytes=2 * GIB, limit_s=60)
    with caplog.at_level(logging.ERROR, sandbox.__name__), pytest.raises(Unavailable) as refused:
        reader.run("volume", ct(tmp_path))
    assert refused.value.code == "parser_unavailable"
    assert "can't be confined" in caplog.text
    assert not list((tmp_path / "output").iterdir())
    for _ in range(2):
        with pytest.raises(Unavailable) as told:
            reader.require_confined()
        assert told.value.code == "parser_unconfined"
    assert caplog.text.count("no upload will be read") == 1
    monkeypatch.undo()
    Sandbox(memory_bytes=2 * GIB, limit_s=60).require_confined()
