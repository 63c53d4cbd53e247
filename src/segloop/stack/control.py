"""The commands that start, stop and look at the stack: up, down, status and logs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from segloop.errors import NotFound, Unavailable
from segloop.stack import lock, state
from segloop.stack.home import open_home
from segloop.stack.run import PORTS_FILE

START_LIMIT_S, STOP_LIMIT_S, POLL_S = 180.0, 90.0, 0.1
Say = Callable[[str], None]


def up(root: Path, say: Say) -> float:
    """Start the supervisor in the background and wait until all is healthy; returns the seconds that took.

    A stack that already runs is left as it is.

    Raises:
        Unavailable: a service could not be started; the message names the log.
    """
    began = time.monotonic()
    root = open_home(root, os.environ.get("SEGLOOP_RUN_AS", "nobody")).root
    if (now := state.read(root)).is_up:
        say(f"Segloop already runs on {root}")
        _warn(now, root, say)
        return 0.0
    before = state.ports(root) if (root / PORTS_FILE).exists() else {}
    with open(root / "log/supervisor.log", "ab") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "segloop.cli", "up", "--foreground"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"SEGLOOP_HOME": str(root)},
        )
    told: set[str] = set()
    while not (now := state.read(root)).is_up:
        _tell_changes(now, told, say, time.monotonic() - began)
        if supervisor.poll() is not None and now.phase in ("stopped", "failed"):
            raise Unavailable(
                "not_started",
                f"Segloop did not start.\n{_last_lines(root / 'log/supervisor.log', 5)}",
            )
        if time.monotonic() - began > START_LIMIT_S:
            raise Unavailable(
                "not_started",
                f"Not healthy after {START_LIMIT_S:.0f} s; see {root}/log.",
            )
        time.sleep(POLL_S)
    _tell_changes(now, told, say, time.monotonic() - began)
    _warn(now, root, say)
    if before and before != state.ports(root):
        say(
            "WARNING: another program holds one of Segloop's ports, so all its addresses have moved; see below."
        )
    return time.monotonic() - began


def down(root: Path, say: Say) -> None:
    """Stop the stack in order and wait until it is gone; nothing running is fine."""
    now = state.read(root)
    if now.supervisor is None:
        say("Segloop is not running")
        return
    os.kill(now.supervisor, signal.SIGTERM)
    limit = time.monotonic() + STOP_LIMIT_S
    while lock.is_held(root):
        if time.monotonic() > limit:
            raise Unavailable(
                "not_stopped",
                f"Segloop is still stopping after {STOP_LIMIT_S:.0f} s; see {root}/log.",
            )
        time.sleep(POLL_S)
    say("Segloop stopped; the data stays in " + str(root))


def status(root: Path) -> str:
    """Return the table of services: state, pid, port, restarts, uptime."""
    now = state.read(root)
    lines = [f"Segloop is {now.phase} (data folder {root})"]
    lines.append(f"{'SERVICE':<12}{'STATE':<12}{'PID':>8}{'PORT':>8}{'RESTARTS':>10}{'UPTIME':>10}")
    for row in now.services:
        running = row["pid"] is not None and now.supervisor is not None
        uptime = _duration(time.time() - row["started_at"]) if running else "-"
        shown = row["state"] if now.supervisor is not None or row["state"] == "failed" else "stopped"
        pid = row["pid"] if running else "-"
        lines.append(
            f"{row['service']:<12}{shown:<12}{pid:>8}{row['port'] or '-':>8}{row['restarts']:>10}{uptime:>10}"
            + (f"  {row['problem']}; see {root}/log/{row['service']}.log" if row["problem"] else "")
        )
    return "\n".join(lines)


def logs(root: Path, service: str | None, *, follow: bool) -> None:
    """Show the end of one service's log, or of all, through `tail`.

    Raises:
        NotFound: there is no log of that name.
    """
    files = [root / f"log/{service}.log"] if service else sorted((root / "log").glob("*.log"))
    if not files or not all(file.exists() for file in files):
        known = ", ".join(sorted(file.stem for file in (root / "log").glob("*.log"))) or "none yet"
        raise NotFound("no_such_log", f"There is no log of '{service}'. Logs: {known}.")
    subprocess.run(["tail", "-n", "50", *(["-F"] if follow else []), *map(str, files)], check=False)


def _tell_changes(now: state.State, told: set[str], say: Say, seconds: float) -> None:
    for row in now.services:
        text = f"{row['service']} {row['state']}"
        if row["state"] in ("healthy", "finished", "restarting", "failing", "failed") and text not in told:
            told.add(text)
            say(f"  {seconds:5.1f} s  {row['service']:<12} {row['state']}")


def _warn(now: state.State, root: Path, say: Say) -> None:
    for name in now.failing:
        say(f"WARNING: {name} keeps failing; the rest works without it. Its log: {root}/log/{name}.log")


def _last_lines(path: Path, count: int) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-count:])


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"
