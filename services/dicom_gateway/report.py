"""Tell the API what this gateway is, and where each series stands, whenever that changed and until it is taken."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pydicom

from segloop import __version__
from segloop.errors import SegloopError, Unavailable
from segloop.imaging.dicom.identity import identify
from services.dicom_gateway.api import Api
from services.dicom_gateway.config import Config
from services.dicom_gateway.entry import Entry
from services.dicom_gateway.spool import Spool

log = logging.getLogger(__name__)
ALIVE_S = 30.0
_TEXT = 2000


@dataclass
class Reporter:
    """Remembers what the API took in this process, so a restart reports everything again."""

    config: Config
    spool: Spool
    api: Api
    _alive_at: float = -ALIVE_S
    _taken: dict[str, tuple[Entry, int]] = field(default_factory=dict)
    _refused_at: dict[str, float] = field(default_factory=dict)
    _identities: dict[str, dict[str, str]] = field(default_factory=dict)

    def step(self) -> bool:
        """Report what the API doesn't know yet. False, so that reports of a series that grows have a moment between them.

        Raises:
            Unavailable: the API is away; all that is left is reported on the next step.
        """
        if time.monotonic() - self._alive_at >= ALIVE_S:
            self.api.report_gateway(self.config.aet, gateway_state(self.config))
            self._alive_at = time.monotonic()
        entries = {entry.key: entry for entry in self.spool.entries()}
        for known in (self._taken, self._refused_at, self._identities):
            for key in set(known) - set(entries):
                del known[key]  # type: ignore[attr-defined]
        for entry in entries.values():
            if time.monotonic() - self._refused_at.get(entry.key, -ALIVE_S) >= ALIVE_S:
                self._report(entry)
        return False

    def _report(self, entry: Entry) -> None:
        before = self._taken.get(entry.key)
        if before is not None and before[0] == entry and entry.stage != "receiving":
            return
        n_instances = self.spool.count(entry)
        if before == (entry, n_instances):
            return
        try:
            body = series_report(entry, n_instances, self._identity(entry))
            self.api.report_series(self.config.aet, entry.key, body)
        except Unavailable:
            raise
        except SegloopError as error:
            # It may know the volume or job a little later; others must not wait for that.
            log.warning("a report of series %s was not taken: %s", entry.key, error.code)
            self._refused_at[entry.key] = time.monotonic()
            return
        self._taken[entry.key] = (entry, n_instances)
        self._refused_at.pop(entry.key, None)

    def _identity(self, entry: Entry) -> dict[str, str] | None:
        if entry.key not in self._identities:
            file = next(self.spool.files(entry).glob("*.dcm"), None)
            if file is None:
                return None
            try:
                header = pydicom.dcmread(file, stop_before_pixels=True)
            except Exception:  # whatever a broken file makes of its reader
                return None
            self._identities[entry.key] = identify(header).to_dict()
        return self._identities[entry.key]


def gateway_state(config: Config) -> dict[str, Any]:
    """Return what this gateway is, as `schemas.GatewayState`; no address of a peer and no secret."""
    return {
        "version": __version__,
        "aet": config.aet,
        "host": config.host,
        "port": config.port,
        "destinations": [
            {"name": one.name, "kind": one.kind, "forms": list(one.forms)}
            for one in config.destinations.values()
        ],
        "sources": [{"name": one.name, "kind": one.kind} for one in config.sources.values()],
        "rules": [
            {
                "name": rule.name,
                "project": rule.project,
                "priority": rule.priority,
                "forms": list(rule.outputs),
                "destinations": list(rule.destinations),
                "conditions": rule.conditions,
            }
            for rule in config.rules
        ],
    }


def series_report(entry: Entry, n_instances: int, identity: Mapping[str, str] | None) -> dict[str, Any]:
    """Return where a series stands, as `schemas.SeriesReport`; only `identity` says whose it is."""
    return {
        "route": entry.route,
        "sender": entry.caller,
        "stage": entry.stage,
        "n_instances": n_instances,
        "rule": entry.rule,
        "project": entry.project,
        "code": entry.code,
        "message": entry.message[:_TEXT],
        "volume_id": entry.volume_id or None,
        "job_id": entry.job_id or None,
        "mask_id": entry.mask_id or None,
        "received_at": datetime.fromtimestamp(entry.received, UTC).isoformat(),
        "deliveries": [
            {
                "destination": one.destination,
                "form": one.form,
                "state": one.state,
                "code": one.code,
                "message": one.message[:_TEXT],
                "attempts": one.attempts,
                "mask_id": one.mask_id or None,
                "ended_at": datetime.fromtimestamp(one.ended, UTC).isoformat() if one.ended else None,
            }
            for one in entry.deliveries
        ],
        "identity": None if identity is None else dict(identity),
    }
