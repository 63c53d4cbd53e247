"""Received files on disk, durable before the sender hears so, and how far each series has come. No file name tells of a patient."""

import errno
import filecmp
import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from segloop.errors import Conflict
from services.dicom_gateway.ended import Ended
from services.dicom_gateway.entry import ENDED, Entry, Route, Stage
from services.dicom_gateway.senders import Senders
from services.dicom_gateway.state_file import Piece, kept, sync, write, write_state
from services.dicom_gateway.states import States, generation, stem

FILES = "files"
DIFFERS = "instance_differs"
_UNFINISHED = ".unfinished"
ROOM = 64 * 1024 * 1024
"""Bytes of the disk that no image gets: how far each series has come must still be written when it is full."""


class Spool:
    """The gateway's folder. Thread-safe: associations store into it while the follower works on it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.senders = Senders()
        self.arrived = threading.Event()
        self._lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for unfinished in folder.glob(f"*{_UNFINISHED}"):  # being made or removed when the process died
            shutil.rmtree(unfinished)
        self._states = States(folder)
        self._ended = Ended(folder / "ended")
        self._drafts = folder / f"drafts{_UNFINISHED}"
        self._drafts.mkdir(exist_ok=True, mode=0o700)

    def draft(self) -> Path:
        """Return a fresh name for a file that is still coming; what a process that died left there is removed at start."""
        return self._drafts / secrets.token_hex(8)

    def store(
        self, caller: str, series: str, instance: str, *pieces: Piece, route: Route = "c-store"
    ) -> bool:
        """Keep a received file, given in pieces, and return whether it is new; it is on disk when this returns. Where that fails nothing is left.

        `series` and `instance` are UIDs; files of one series from one caller lie together. What comes after a series was
        closed begins it again, with what was there before; so does what is sent again of a series that failed.

        Raises:
            Conflict: `instance_differs` where the same instance is there with other bytes.
        """
        draft = self.draft()
        try:
            write(draft, pieces)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        return self.take(caller, series, instance, draft, route=route)

    def take(self, caller: str, series: str, instance: str, draft: Path, *, route: Route) -> bool:
        """Do as `store` with a file that was written under a name of `draft`; there it is gone afterwards.

        Raises:
            Conflict: as `store`.
        """
        try:
            self._require_room()
            sync(draft)
            folder, is_new = self._take(caller, series, instance, draft, route)
        finally:
            draft.unlink(missing_ok=True)
        sync(folder)  # without the lock: others store meanwhile. Also for what another just put there.
        self.arrived.set()
        return is_new

    def _take(self, caller: str, series: str, instance: str, draft: Path, route: Route) -> tuple[Path, bool]:
        """Give a file its place and return the folder, and whether it is new there."""
        name, stem = _name(instance), stem_of(caller, series)
        with self._lock:
            latest = self._states.latest(stem)
            file = None if latest is None else self.files(latest) / name
            if latest is not None and latest.stage == "failed" and latest.code == DIFFERS:
                mixture, latest = latest, self._begin(caller, stem, latest, route=route, afresh=True)
                text = "It was sent again, and another entry goes on with what came then."
                self.write(replace(mixture, stage="ignored", code="series_grew", message=text))
            elif latest is not None and file is not None and file.exists():
                if filecmp.cmp(file, draft, shallow=False):
                    if latest.stage == "failed":
                        self._begin(caller, stem, latest, route=route)
                    return file.parent, False
                if latest.stage in ("receiving", "closed"):
                    self.write(replace(latest, n_differing=latest.n_differing + 1))
                raise _differs()
            entry = (
                latest
                if latest is not None and latest.stage == "receiving"
                else self._begin(caller, stem, latest, route=route)
            )
            file = self.files(entry) / name
            draft.rename(file)
            return file.parent, True

    def add_series(
        self, source: str, series: str, files: Mapping[str, Path], decide: Callable[[Entry], Entry]
    ) -> Entry:
        """Keep a whole series that was pulled, written under names of `draft` by instance: all of it at once, and closed.

        `decide` may say what is to become of a new entry, before anybody sees it. Where all of the series is here already from
        that source, and did not fail, its entry is returned as it is.

        Raises:
            Conflict: `instance_differs`, as `store`.
        """
        self._require_room()
        for draft in files.values():
            sync(draft)
        stem = _short(f"pulled/{source}/{series}")
        with self._lock:
            latest = self._states.latest(stem)
            new = {}
            for instance, draft in files.items():
                file = None if latest is None else self.files(latest) / _name(instance)
                if file is None or not file.exists():
                    new[_name(instance)] = draft
                elif not filecmp.cmp(file, draft, shallow=False):
                    raise _differs()
            if latest is not None and latest.stage != "failed" and not new:
                return latest
            return self._begin(source, stem, latest, route="retrieve", stage="closed", new=new, decide=decide)

    def beside(self, entry: Entry, decide: Callable[[Entry], Entry]) -> Entry:
        """Begin another entry with the files of one that goes on as it is; `decide` says what is to become of it."""
        with self._lock:
            stem = _short(f"{entry.key}/{secrets.token_hex(8)}")
            return self._begin(entry.caller, stem, entry, route=entry.route, stage="closed", decide=decide)

    def entries(self) -> list[Entry]:
        """Return all series, the one touched longest ago first."""
        with self._lock:
            return self._states.all()

    def close(self, entry: Entry, *, quiet_s: float, settle_s: float | None = None) -> Entry | None:
        """Close a series that nothing was added to for so long; None while it grows.

        `settle_s` is the shorter time that is enough where who sent it has released its association.

        Raises:
            Unavailable: `spool_full`.
        """
        with self._lock:
            current = self.get(entry.key)
            if current is None or current.stage != "receiving":
                return None
            since = self.files(current).stat().st_mtime  # of the last file that came
            stem = self.stem(current)
            is_over = settle_s is not None and self.senders.has_settled(stem, settle_s)
            if not is_over and time.time() - since < quiet_s:
                return None
            with kept():
                closed = self.write(replace(current, stage="closed", touched=since))
            self.senders.forget(stem)
            return closed

    def get(self, key: str) -> Entry | None:
        """Return a series by its key, also one that ended and whose files are gone."""
        with self._lock:
            return self._states.get(key) or self._ended.get(key)

    def write(self, entry: Entry) -> Entry:
        """Store how far a series has come, whole or not at all."""
        with self._lock:
            self._states.write(entry)
        return entry

    def update(self, key: str, change: Callable[[Entry], Entry]) -> Entry | None:
        """Change a series as it is now, with nobody between, and return it; None where it is gone.

        One whose files are gone is among the `entries` again.

        Raises:
            Unavailable: `spool_full`; it is as it was.
        """
        with self._lock, kept():
            entry = self.get(key)
            if entry is None:
                return None
            self.files(entry).mkdir(parents=True, exist_ok=True, mode=0o700)
            after = self.write(change(entry))
            self._ended.drop(key)
            return after

    def ready(self, key: str) -> Entry | None:
        """Return a series as it is now, with room for what comes of it; None where its files are gone.

        For what must not be done again and again because its outcome can't be kept.

        Raises:
            Unavailable: `spool_full`.
        """
        with self._lock, kept():
            if not (self._folder / key).exists():  # somebody removed it by hand
                self._states.drop(key)
            entry = self._states.get(key)
            return None if entry is None else self.write(entry)

    def files(self, entry: Entry) -> Path:
        """Return the folder of a series' files."""
        return self._folder / entry.key / FILES

    def count(self, entry: Entry) -> int:
        """Return how many files a series has, or had where they are no longer kept."""
        return entry.n_instances or len(list(self.files(entry).glob("*.dcm")))

    def stem(self, entry: Entry) -> str:
        """Return what the keys of all that came of a series begin with."""
        return stem(entry.key)

    def sweep(self, *, keep_s: float) -> None:
        """Remove series that ended longer ago than they are kept; how those with a result ended is remembered much longer.

        Of one whose result waits for a destination for so long only the files are removed.

        Raises:
            Unavailable: `spool_full` where something could not be written or removed; all else is.
        """
        failed = list[OSError]()
        removals: list[Callable[[], None]] = [self._ended.sweep]
        with self._lock:
            removals += (partial(self._remove, entry, keep_s) for entry in self._states.all())
            for remove in removals:
                try:
                    remove()
                except OSError as error:
                    failed.append(error)
        with kept():
            if failed:
                raise failed[0]

    def _remove(self, entry: Entry, keep_s: float) -> None:
        if time.time() - entry.touched <= keep_s:
            return
        files = list(self.files(entry).glob("*.dcm"))
        without = replace(entry, n_instances=entry.n_instances or len(files))
        if entry.stage in ENDED:
            _make_room(files, partial(self._ended.keep, without))
            going = self._folder / f"{entry.key}{_UNFINISHED}"
            if (self._folder / entry.key).exists():  # nobody removed it by hand
                (self._folder / entry.key).rename(going)
            self._states.drop(entry.key)
            if going.exists():
                shutil.rmtree(going)
        elif entry.stage == "delivering" and files:
            _make_room(files, partial(self.write, without))
            for file in files:
                file.unlink(missing_ok=True)

    def _require_room(self) -> None:
        if shutil.disk_usage(self._folder).free < ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _begin(
        self,
        caller: str,
        stem: str,
        earlier: Entry | None,
        *,
        route: Route,
        stage: Stage = "receiving",
        new: Mapping[str, Path] = MappingProxyType({}),
        decide: Callable[[Entry], Entry] = lambda entry: entry,
        afresh: bool = False,
    ) -> Entry:
        """Begin a series, with the files of what was closed of it before unless `afresh`, and with new ones by their names.

        One that was pushed and is not delivered yet goes no further: a result of a part must not come beside that of the whole.
        """
        number = 0 if earlier is None else generation(earlier) + 1
        key = f"{stem}-{number}"
        now = time.time()
        entry = decide(Entry(key, caller, route=route, stage=stage, received=now, touched=now))
        draft = self._folder / f"{key}{_UNFINISHED}"
        shutil.rmtree(draft, ignore_errors=True)
        try:
            files = draft / FILES
            files.mkdir(parents=True, mode=0o700)
            base = None if afresh else earlier
            linked = [] if base is None else sorted(self.files(base).glob("*.dcm"))
            for file in linked:
                (files / file.name).hardlink_to(file)
            for name, file in new.items():
                file.rename(files / name)
            sync(files)
            write_state(draft, entry)
            if (
                earlier is not None
                and earlier.stage not in ENDED
                and route != "retrieve"
                and self.stem(earlier) == stem  # else the new one is beside it
                and linked
                and not earlier.n_instances
            ):
                # All of it is in the new one. A series that was pulled goes on for who asked for it as it was.
                text = "More of this series came before its result was delivered: it goes on with all of it."
                self.write(replace(earlier, stage="ignored", code="series_grew", message=text, touched=now))
        except OSError:  # the part may go on then: its sender knows that not all of it is here
            shutil.rmtree(draft, ignore_errors=True)
            raise
        draft.rename(self._folder / key)
        self._states.add(entry)
        sync(self._folder)
        return entry


def _make_room(files: Iterable[Path], write: Callable[[], object]) -> None:
    """Write what stays of a series, after its files are gone where there is no room before: they go in any case."""
    try:
        write()
    except OSError:
        for file in files:
            file.unlink(missing_ok=True)
        write()


def stem_of(caller: str, series: str) -> str:
    """Return what the keys of a pushed series begin with; it tells nothing of the series."""
    return _short(f"{caller}/{series}")


def _name(instance: str) -> str:
    return f"{_short(instance)}.dcm"


def _differs() -> Conflict:
    return Conflict(DIFFERS, "This instance is here already, with other content.")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
