"""Read uploaded bytes in a child process with limits, so that no file can hurt or fill the process that serves people.

The child has limits of memory and time, and neither network nor other processes (`confine`). Where that can't be had it reads
nothing: a reader that a file took over must not reach the database beside it.

`python -m segloop.imaging.sandbox` is the child: it reads the name of a FOLDER, a line, from its standard input, takes
FOLDER/request.json and leaves FOLDER/answer.json and FOLDER/output. A task that reads while its file comes takes the rest of the input.
"""

import errno
import fcntl
import json
import logging
import os
import resource
import signal
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import BoundedSemaphore, Lock, Timer
from typing import Any, BinaryIO

from segloop.errors import InvalidInput, Unavailable
from segloop.imaging.confine import confine, hide, is_possible

log = logging.getLogger(__name__)

READY = "--ready"
EXIT_NO_ROOM = 4
"""The exit status of a child that found no room on the disk, where there may be none to write an answer."""
_NOT_THE_FILE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
PIPE_BYTES, MOST_ANSWER_BYTES = 1 << 20, 64 << 20
LOOK_S = 0.005
"""How often it is looked for a file that a child is about to put into its output."""
PLACE_WAIT_S = 60.0
"""How long a caller waits for its turn before it is told to come back; the client's own time limit is longer."""


class Sandbox:
    """Runs tasks of `imaging.derive`, at most `n_children` at a time. Thread-safe.

    With `spare`, a child stands ready for the next task with its libraries loaded; each serves one task only.
    """

    def __init__(self, *, memory_bytes: int, limit_s: int, n_children: int = 2, spare: bool = False) -> None:
        hide()  # what this process knows is not for a child that a file took over
        self._memory_bytes, self._limit_s = memory_bytes, limit_s
        self._places = BoundedSemaphore(n_children)
        self._lock, self._has_spare = Lock(), spare
        self._spare: subprocess.Popen[bytes] | None = _start(ready=True) if spare else None
        self._is_confined: bool | None = None

    def require_confined(self) -> None:
        """Check, once, that this host lets the reader be cut off from the network; without that it reads nothing.

        Raises:
            Unavailable: `parser_unconfined`.
        """
        if self._is_confined is None:
            self._is_confined = is_possible()
            if not self._is_confined:
                log.error(
                    "no upload will be read: this host does not let its reader be cut off from the network (seccomp)"
                )
        if not self._is_confined:
            raise Unavailable(
                "parser_unconfined",
                "Files can't be read safely on this host: its kernel or container runtime lacks seccomp filters. Tell operations.",
            )

    def close(self) -> None:
        """End the child that stands ready."""
        with self._lock:
            self._has_spare = False
            child, self._spare = self._spare, None
        if child is not None:
            child.communicate()  # its input ends, and so does it

    @contextmanager
    def place(self, *, wait_s: float = PLACE_WAIT_S) -> Iterator[None]:
        """Hold one of the places from before the file is on scratch until its child has ended.

        Raises:
            Unavailable: `parser_busy` when none became free in time.
        """
        if not self._places.acquire(timeout=wait_s):
            raise Unavailable(
                "parser_busy", "Many files are being checked; complete the upload again in a minute."
            )
        try:
            yield
        finally:
            self._places.release()

    def run(self, task: str, folder: Path, **arguments: object) -> dict[str, Any]:
        """Do a task on `folder`/input and return its answer; what it wrote lies in `folder`/output.

        The child sees none of our environment: no password, no address.

        Raises:
            InvalidInput: what the task found; `volume_too_large` or `parse_failed` where it met a limit or crashed.
            Unavailable: `parser_unavailable` where the server, not the file, is to blame.
        """
        return self.begin(task, folder, **arguments).finish()

    def begin(self, task: str, folder: Path, **arguments: object) -> "Reading":
        """Begin what `run` does; for a task that reads its file while it comes.

        Raises:
            Unavailable: as `run`.
        """
        request = {"task": task, "arguments": arguments, "memory_bytes": self._memory_bytes}
        try:
            (folder / "output").mkdir()
            (folder / "request.json").write_text(json.dumps(request | {"limit_s": self._limit_s}))
            reading = Reading(self._take(), folder, limit_s=self._limit_s, ended=self._refill)
        except OSError as error:
            raise _not_the_files_fault() from error
        reading.send(f"{folder}\n".encode())
        return reading

    def _take(self) -> "subprocess.Popen[bytes]":
        with self._lock:
            child, self._spare = self._spare, None
        if child is not None and child.poll() is None:
            return child
        return _start(ready=False)

    def _refill(self) -> None:
        """Let another child get ready, now that it takes nothing from the one that worked."""
        with self._lock, suppress(OSError):  # the next task starts its own, then
            if self._has_spare and self._spare is None:
                self._spare = _start(ready=True)


class Reading:
    """A task that a child works on: feed it with `send`, then take its answer by `finish`, or `give_up`."""

    def __init__(
        self, child: "subprocess.Popen[bytes]", folder: Path, *, limit_s: int, ended: Callable[[], None]
    ) -> None:
        self._child, self._folder, self._limit_s, self._ended = child, folder, limit_s, ended
        self._is_overdue = False

    def send(self, *pieces: bytes) -> bool:
        """Give the child pieces of its file, waiting until it takes them; False where it takes no more, and `finish` says why."""
        stdin = self._child.stdin
        assert stdin is not None
        watch = Timer(self._limit_s, self._end_overdue)
        watch.daemon = True
        watch.start()
        try:
            for piece in pieces:
                left = memoryview(piece)
                while left:
                    if stdin.closed:
                        return False
                    left = left[stdin.write(left) :]
        except BrokenPipeError:
            return False
        finally:
            watch.cancel()
        return True

    def output(self, name: str) -> BinaryIO:
        """End the child's input and open a file of its output as soon as it is there.

        What the child says at its end, by `finish`, decides whether the file is of any use.

        Raises:
            InvalidInput, Unavailable: as `finish`, where the child ends without the file, or takes too long to make it.
        """
        self._end_input()
        end = time.monotonic() + self._limit_s
        while True:
            if time.monotonic() > end:
                self._end_overdue()
            has_ended = self._child.poll() is not None
            try:
                return _open_plain(self._folder / "output", name)
            except FileNotFoundError:
                if has_ended:
                    self.finish()
                    log.error("the reader of an upload said that all is well, and made nothing")
                    raise _its_readers_fault() from None
            except OSError:
                raise _is_no_file() from None
            time.sleep(LOOK_S)

    def finish(self) -> dict[str, Any]:
        """End the child's input and return its answer.

        Raises:
            InvalidInput, Unavailable: as `Sandbox.run`.
        """
        try:
            self._end_input()
            self._child.wait(self._limit_s)
        except subprocess.TimeoutExpired:
            self._is_overdue = True
            self.give_up()
        if self._is_overdue:
            raise InvalidInput(
                "parse_failed", f"Reading this file took more than {self._limit_s} s, so it was not taken."
            )
        self._ended()
        _require_plain(self._folder)
        return _answer(self._folder, self._child.returncode)

    def give_up(self) -> None:
        """End the child; nothing is taken from it."""
        self._child.kill()
        self._end_input()
        self._child.wait()
        self._ended()

    def _end_overdue(self) -> None:
        self._is_overdue = True
        self._child.kill()

    def _end_input(self) -> None:
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):
            self._child.stdin.close()


def _start(*, ready: bool) -> "subprocess.Popen[bytes]":
    plain = {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # glibc (mallopt(3)) would give a slice's memory back and take it anew several times a slice.
        "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
        "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    }
    command = [sys.executable, "-m", __name__, *([READY] if ready else [])]
    # What it prints is dropped: a traceback may quote the file, and a header names the patient.
    nowhere = subprocess.DEVNULL
    child = subprocess.Popen(
        command, env=plain, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere, bufsize=0
    )
    assert child.stdin is not None
    # Fewer turns between the two; only Linux has it, and it may be refused.
    with suppress(OSError, AttributeError):
        fcntl.fcntl(child.stdin, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return child


def _not_the_files_fault() -> Unavailable:
    return Unavailable(
        "parser_unavailable", "The server can't check files at the moment; complete the upload again soon."
    )


def _its_readers_fault() -> InvalidInput:
    return InvalidInput(
        "parse_failed",
        "This file makes its reader fail, so it was not taken. Write it anew with another program, or tell operations.",
    )


def _is_no_file() -> InvalidInput:
    log.error("the reader of an upload left what is no file; nothing of it was taken")
    return _its_readers_fault()


def _open_plain(folder: Path, name: str) -> BinaryIO:
    """Open a file of a folder that a child can still change, following no link.

    Raises:
        OSError: it is not there, or it is no plain file.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    at = os.open(folder, flags | os.O_DIRECTORY)
    try:
        descriptor = os.open(name, flags, dir_fd=at)
    finally:
        os.close(at)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no plain file")
    return os.fdopen(descriptor, "rb")


def _require_plain(folder: Path) -> None:
    """Check that a child left files and folders only: a link, or what blocks whoever opens it, is the work of a hostile file."""
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            mode = (Path(path) / name).lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise _is_no_file()
    if (folder / "answer.json").exists() and (folder / "answer.json").stat().st_size > MOST_ANSWER_BYTES:
        log.error("the reader of an upload left an answer that is too long; nothing of it was taken")
        raise _its_readers_fault()


def _answer(folder: Path, status: int) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    except (FileNotFoundError, ValueError):
        answer = {"crashed": f"status {status}"}
        if status in (-signal.SIGKILL, EXIT_NO_ROOM):  # the host ran out of memory, or of room
            log.error("the reader of an upload ended with %s", status)
            raise _not_the_files_fault() from None
    if "crashed" in answer:
        log.error("the reader of an upload ended with %s", answer["crashed"])
        raise _its_readers_fault() from None
    if answer.get("server"):
        log.error("the reader of an upload could not work: %s", answer["server"])
        raise _not_the_files_fault()
    if "code" in answer:
        raise InvalidInput(answer["code"], answer["message"], **answer["details"])
    found: dict[str, Any] = answer["found"]
    return found


def main(*, ready: bool) -> None:
    """Be the child: wait for a folder, limit this process, do the task, write the answer whole or not at all."""
    if ready:
        from segloop.imaging import derive

        derive.load_libraries()
    name = sys.stdin.buffer.readline().decode().rstrip("\n")
    if not name:
        return  # nothing came, and the parent has ended
    folder = Path(name)
    os.environ["TMPDIR"] = name
    request: Mapping[str, Any] = json.loads((folder / "request.json").read_text())
    for limit, value, most in (
        (resource.RLIMIT_AS, request["memory_bytes"], request["memory_bytes"]),
        # A signal of its own first: killed at once it would look like a host without memory.
        (resource.RLIMIT_CPU, request["limit_s"], request["limit_s"] + 10),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        resource.setrlimit(limit, (value, most))
    with suppress(
        OSError
    ):  # should the host run out of memory, this process goes, not the one that serves people
        Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        confine()
    except OSError as error:
        _write(folder, {"server": f"it can't be confined: {error.strerror}"})
        return
    try:
        from segloop.imaging import derive

        answer: dict[str, Any] = {
            "found": derive.run(request["task"], folder, request["arguments"], sys.stdin.buffer)
        }
    except InvalidInput as error:
        answer = {"code": error.code, "message": error.message, "details": error.details}
    except MemoryError:
        text = "This file needs more memory than one upload may use. Crop the CT to the region of interest and try again."
        answer = {"code": "volume_too_large", "message": text, "details": {}}
    except OSError as error:
        is_disks = error.errno in _NOT_THE_FILE
        answer = {"server": str(error.strerror)} if is_disks else {"crashed": _where(error)}
    except Exception as error:
        answer = {"crashed": _where(error)}
    _write(folder, answer)


def _where(error: Exception) -> str:
    """Return an error's type and place in the code; its text may quote the file."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


def _write(folder: Path, answer: Mapping[str, Any]) -> None:
    draft = folder / "answer.new"
    try:
        draft.write_text(json.dumps(answer))
        draft.rename(folder / "answer.json")
    except OSError:
        sys.exit(EXIT_NO_ROOM)


if __name__ == "__main__":
    main(ready=READY in sys.argv)
