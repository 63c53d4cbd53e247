"""The supervisor: starts services in the order of their dependencies, keeps them up, and stops them in reverse."""

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from segloop.errors import Unavailable
from segloop.stack import process
from segloop.stack.child import Child, State
from segloop.stack.home import Home
from segloop.stack.service import Service

log = logging.getLogger(__name__)

POLL_S = 0.05
FIRST_BACKOFF_S = 0.2
CRASHES_ALLOWED, CRASH_WINDOW_S = 5, 60.0
FAILING_BACKOFF_S, LONGEST_BACKOFF_S = 15.0, 300.0
PROBE_EVERY_S, MISSES_ALLOWED = 15.0, 4


class Supervisor:
    """Runs a table of services; one thread, no locks: `tick` does what is due and returns.

    The kernel ends children with the thread that started them, so call `tick` from a thread that stays.
    """

    def __init__(self, home: Home, services: Sequence[Service]) -> None:
        self._home = home
        self.children = {service.name: Child(service) for service in services}

    def start(self, *, limit_s: float = 120.0, wanted: Callable[[], bool] = lambda: True) -> None:
        """Tick until every service is healthy or known to keep failing, or `wanted` says that nobody needs that any more.

        Raises:
            Unavailable: an essential service failed for good, or not all had started after `limit_s`.
        """
        limit = time.monotonic() + limit_s
        while wanted() and not self.is_settled():
            self.tick()
            if time.monotonic() > limit:
                self._give_up_late(limit_s)
            time.sleep(POLL_S)

    def is_healthy(self) -> bool:
        """Say whether every service is up."""
        return all(child.is_up for child in self.children.values())

    def is_settled(self) -> bool:
        """Say whether every service is up, or keeps failing and isn't essential."""
        return all(child.is_settled for child in self.children.values())

    def tick(self) -> None:
        """Start what may start, restart what died, probe what is due, and note changes in run/state.json.

        Raises:
            Unavailable: `crash_loop` when an essential service died too often; the caller stops the rest.
        """
        before = [(child.state, child.restarts) for child in self.children.values()]
        try:
            for child in self.children.values():
                self._advance(child)
        finally:
            if before != [(child.state, child.restarts) for child in self.children.values()]:
                self.write_state("starting")

    def stop(self, *, phase: str = "stopped") -> None:
        """Stop everything, each service before those it needs, and leave `phase` as the last word in run/state.json."""
        remaining = dict(self.children)
        while remaining:
            needed = {name for child in remaining.values() for name in child.service.after}
            leaving = [child for name, child in remaining.items() if name not in needed]
            for child in leaving:
                if child.process is not None and child.process.poll() is None:
                    child.process.send_signal(child.service.stop_signal)
            for child in leaving:
                self._finish_stopping(child)
                del remaining[child.service.name]
            self.write_state("stopping")
        self.write_state(phase)

    def _finish_stopping(self, child: Child) -> None:
        began = time.monotonic()
        if child.process is not None:
            process.stop(child.process, child.service.stop_limit_s)
            self._pid_file(child).unlink(missing_ok=True)
            log.info("%s stopped after %.1f s", child.service.name, time.monotonic() - began)
        if child.state is not State.FAILED:
            child.state = State.STOPPED

    def write_state(self, phase: str) -> None:
        """Replace run/state.json, which `segloop status` and `segloop up` read."""
        if phase == "starting" and self.is_settled():
            phase = "healthy" if self.is_healthy() else "degraded"
        rows = [child.to_row() for child in self.children.values()]
        self._home.write_private(
            self._home.run / "state.json",
            json.dumps({"phase": phase, "supervisor": os.getpid(), "services": rows}),
        )

    def _advance(self, child: Child) -> None:
        now = time.monotonic()
        if child.state in (State.WAITING, State.RESTARTING, State.FAILING):
            if now >= child.not_before and all(self.children[name].is_up for name in child.service.after):
                self._spawn(child)
        elif child.process is not None and child.process.poll() is not None:
            self._ended(child, child.process.returncode)
        elif child.state is State.STARTING:
            self._await_ready(child, now)
        elif child.state is State.HEALTHY and now >= child.next_probe:
            self._probe(child, now)

    def _spawn(self, child: Child) -> None:
        service = child.service
        service.prepare()
        log_file = self._home.log / f"{service.name}.log"
        process.rotate(log_file)
        child.log_offset = log_file.stat().st_size if log_file.exists() else 0
        child.process = process.spawn(
            service.command,
            folder=service.folder,
            environment=service.environment,
            log=log_file,
            death_signal=service.death_signal,
            drop=self._home.drop if service.unprivileged else {},
        )
        process.remember(self._pid_file(child), child.process)
        child.state, child.since, child.started_at = (
            State.STARTING,
            time.monotonic(),
            time.time(),
        )
        log.info("%s started, pid %s", service.name, child.process.pid)

    def _await_ready(self, child: Child, now: float) -> None:
        service = child.service
        if service.one_shot:
            return
        try:
            self._check(child)
            if not child.initialized:
                service.initialize()
                child.initialized = True
        except Exception as error:
            child.problem = f"{type(error).__name__}: {error}"[:300]
            if now - child.since > service.start_limit_s and child.process:
                log.error(
                    "%s not ready after %.0f s: %s",
                    service.name,
                    service.start_limit_s,
                    child.problem,
                )
                child.process.kill()
            return
        child.state, child.problem, child.misses, child.failing = State.HEALTHY, "", 0, 0
        child.next_probe = now + PROBE_EVERY_S
        log.info("%s healthy after %.1f s", service.name, now - child.since)

    def _check(self, child: Child) -> None:
        if child.service.ready_line:
            with open(self._home.log / f"{child.service.name}.log", "rb") as output:
                output.seek(child.log_offset)
                if child.service.ready_line.encode() not in output.read():
                    raise Unavailable("not_ready", "It has not said yet that it is ready.")
        child.service.check()

    def _probe(self, child: Child, now: float) -> None:
        child.next_probe = now + PROBE_EVERY_S
        process.truncate(self._home.log / f"{child.service.name}.log")
        try:
            child.service.check()
            child.misses = 0
        except Exception as error:
            child.misses += 1
            log.warning("%s missed probe %d: %s", child.service.name, child.misses, error)
            if child.misses > MISSES_ALLOWED and child.process:
                child.process.kill()

    def _ended(self, child: Child, code: int) -> None:
        name, now = child.service.name, time.monotonic()
        process.kill_group(child.process.pid if child.process else 0)
        self._pid_file(child).unlink(missing_ok=True)
        if child.service.one_shot and code == 0:
            child.state, child.process = State.FINISHED, None
            return
        child.crashes = [then for then in child.crashes if then > now - CRASH_WINDOW_S] + [now]
        child.problem = child.problem or f"exited with {code}"
        if child.failing or len(child.crashes) > CRASHES_ALLOWED or child.service.one_shot:
            self._give_up(child, code, now)
            return
        child.state, child.restarts = State.RESTARTING, child.restarts + 1
        child.not_before = now + FIRST_BACKOFF_S * 2 ** (len(child.crashes) - 1)
        log.warning("%s ended with %s; restart %d", name, code, child.restarts)

    def _give_up_late(self, limit_s: float) -> None:
        """Go on without what has not started in time, unless it is essential."""
        late = [child for child in self.children.values() if not child.is_settled]
        if any(child.service.essential for child in late):
            names = ", ".join(child.service.name for child in late)
            raise Unavailable("not_healthy", f"Not healthy after {limit_s:.0f} s: {names}.")
        for child in late:
            child.failing, child.problem = 1, child.problem or f"not ready after {limit_s:.0f} s"
        self.write_state("starting")

    def _give_up(self, child: Child, code: int, now: float) -> None:
        """Fail the stack for an essential service; else try again now and then, and leave the others alone."""
        name, log_file = child.service.name, f"{self._home.log / child.service.name}.log"
        if child.service.essential:
            child.state = State.FAILED
            raise Unavailable("crash_loop", f"{name} keeps failing (exit {code}). See {log_file}")
        wait_s = min(FAILING_BACKOFF_S * 2**child.failing, LONGEST_BACKOFF_S)
        child.state, child.failing, child.not_before = State.FAILING, child.failing + 1, now + wait_s
        child.restarts += 1
        log.error("%s keeps failing (exit %s); next try in %.0f s. See %s", name, code, wait_s, log_file)

    def _pid_file(self, child: Child) -> Path:
        return self._home.run / f"{child.service.name}.pid"
