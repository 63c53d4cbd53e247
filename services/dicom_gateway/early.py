"""Bring a series to the API while it is still being received, so that its volume is there soon after its last image.

What comes of it counts only where the series is closed with exactly these files; else it is taken back.
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pydicom

from segloop.errors import SegloopError, Unavailable
from services.dicom_gateway.api import Api
from services.dicom_gateway.config import Config
from services.dicom_gateway.entry import ENDED, Entry
from services.dicom_gateway.spool import Spool

log = logging.getLogger(__name__)
IDLE_S, LOOK_S = 0.5, 0.02
SILENT_S, LONGEST_S = 3.0, 120.0
"""A sender that is slower than that holds a place of the API's that others need: its series is brought when it is whole."""
MANY = 1_000_000


class _TooSlow(Exception):
    """The series comes too slowly, or is of another project than it seemed."""


@dataclass(frozen=True)
class Brought:
    """A volume that the first `n_files` of a series are; `is_new` where it was made of them."""

    volume_id: str
    is_new: bool
    n_files: int
    project: str


class Early:
    """Brings one series at a time. Thread-safe; forgotten when the process ends, and brought again then."""

    def __init__(self, config: Config, spool: Spool, api: Api) -> None:
        self._config, self._spool, self._api = config, spool, api
        self._lock = threading.Lock()
        self._under_way = ""
        self._brought: dict[str, Brought] = {}
        self._stored: dict[str, Brought] = {}
        self._parts: list[Brought] = []
        self._tried: set[str] = set()

    def step(self) -> bool:
        """Wait a moment for a series that an open association, or one just released, brings us; bring it, and say whether one was there."""
        self._spool.arrived.wait(IDLE_S)
        time.sleep(LOOK_S)  # more of it is about to come
        self._spool.arrived.clear()
        entries = self._spool.entries()
        self._withdraw({entry.key: entry for entry in entries})
        self._tried &= {entry.key for entry in entries}
        entry = next((one for one in entries if self._is_for_now(one)), None)
        if entry is None:
            return False
        self._tried.add(entry.key)
        with self._lock:
            self._under_way = entry.key
        try:
            brought = self._bring(entry)
            if brought is not None:
                with self._lock:
                    self._brought[entry.key] = brought
        finally:
            with self._lock:
                self._under_way = ""
        return True

    def drop(self, part: Brought) -> None:
        """Have a volume taken back that is of a part of its series; tried until it is answered."""
        with self._lock:
            self._parts.append(part)

    def note(self, entry: Entry, stored: Brought) -> None:
        """Remember the volume that a series is about to go on with: it is taken back where more of it came meanwhile.

        Where the series names it already it stays: so does, perhaps, what was reported of the series.
        """
        with self._lock:
            self._stored[entry.key] = stored

    def is_under_way(self, entry: Entry) -> bool:
        """Say whether a series is being brought at the moment."""
        with self._lock:
            return self._under_way == entry.key

    def take(self, entry: Entry) -> Brought | None:
        """Return what was brought of a series, once."""
        with self._lock:
            return self._brought.pop(entry.key, None)

    def _withdraw(self, entries: Mapping[str, Entry]) -> None:
        with self._lock:
            for key in list(self._brought):  # of which more came before anybody took it
                if key not in entries or entries[key].stage in ENDED:
                    self._parts.append(self._brought.pop(key))
            for key in list(self._stored):
                entry = entries.get(key)
                if entry is not None and entry.code == "series_grew" and not entry.volume_id:
                    self._parts.append(self._stored.pop(key))
                elif entry is None or entry.stage not in ("closed", "uploaded"):
                    del self._stored[key]
            parts, self._parts = self._parts, []
        for part in parts:
            try:
                if part.is_new:
                    self._api.withdraw(part.volume_id)
            except Unavailable:
                self.drop(part)
            except SegloopError as error:  # somebody works with it already: it stays beside the whole one
                log.warning("a volume of a part of a series stays: %s", error.code)

    def _is_for_now(self, entry: Entry) -> bool:
        return (
            entry.stage == "receiving"
            and entry.key not in self._tried
            and self._spool.senders.is_coming(self._spool.stem(entry))
        )

    def _bring(self, entry: Entry) -> Brought | None:
        first = next(self._spool.files(entry).glob("*.dcm"))
        project = self._project(entry, first, n_files=MANY)
        if not project:
            return None
        sent: list[Path] = []
        try:
            volume_id, is_new = self._api.upload(self._files(entry, project, sent), project=project)
        except _TooSlow:
            return None
        except SegloopError as error:  # it is judged when it is whole
            log.info("series %s was not taken while it came: %s", entry.key, error.code)
            return None
        return Brought(volume_id, is_new, len(sent), project)

    def _files(self, entry: Entry, project: str, sent: list[Path]) -> Iterator[Path]:
        folder, stem = self._spool.files(entry), self._spool.stem(entry)
        known = set[Path]()
        began = moved = time.monotonic()
        while True:
            # In this order: what came before its association was released, or before the series was closed, is in the list.
            is_over = self._spool.senders.has_settled(stem, 0.0) or self._is_closed(entry)
            new = sorted(set(folder.iterdir()) - known, key=lambda file: file.stat().st_mtime_ns)
            for file in new:
                yield file
                sent.append(file)
            known.update(new)
            now = time.monotonic()
            if new:
                moved = now
            elif is_over:
                if self._project(entry, min(known), n_files=len(sent)) != project:  # the one that rules see
                    raise _TooSlow
                return
            if now - moved > SILENT_S or now - began > LONGEST_S:
                raise _TooSlow
            if not new:
                time.sleep(LOOK_S)

    def _is_closed(self, entry: Entry) -> bool:
        current = self._spool.get(entry.key)
        return current is None or current.stage != "receiving"

    def _project(self, entry: Entry, file: Path, *, n_files: int) -> str:
        header = pydicom.dcmread(file, stop_before_pixels=True)
        rule = self._config.rule_for(header, caller=entry.caller, n_slices=n_files)
        return "" if rule is None or rule.project is None else rule.project
