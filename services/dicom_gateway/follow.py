"""Take each received series one step further: close, upload, segment, deliver. Every step can be done again after a crash."""

import logging
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom

from segloop.errors import InvalidInput, SegloopError, Unavailable
from services.dicom_gateway.api import Api
from services.dicom_gateway.config import Config, Destination, Rule
from services.dicom_gateway.spool import ENDED, Entry, Spool, Stage

log = logging.getLogger(__name__)
LONGEST_WAIT_S = 300.0
Send = Callable[[bytes, Destination], str]


@dataclass(frozen=True)
class Follower:
    """Works on the spool with the API and the destinations; one at a time."""

    config: Config
    spool: Spool
    api: Api
    send: Send
    scratch: Path

    def step(self) -> bool:
        """Do what can be done now for each series and say whether anything changed."""
        changed = False
        for entry in self.spool.entries():
            if entry.stage == "receiving":
                closed = self.spool.close(entry, quiet_s=self.config.quiet_s)
                changed = changed or closed is not None
            elif entry.stage not in ENDED and entry.next_try <= time.time():
                changed = self._advance(entry) or changed
        self.spool.sweep(keep_s=self.config.keep_s)
        return changed

    def _advance(self, entry: Entry) -> bool:
        steps: Mapping[Stage, Callable[[Entry], Entry]] = {
            "closed": self._upload,
            "uploaded": self._segment,
            "segmenting": self._watch,
            "delivering": self._deliver,
        }
        try:
            after = steps[entry.stage](entry)
        except Unavailable as error:
            after = self._later(entry, error.code, error.message)
        except SegloopError as error:
            log.warning("series %s failed: %s", entry.key, error.code)
            after = replace(self._now(entry), stage="failed", code=error.code, message=error.message)
        except Exception as error:
            # Its text may hold what a header says. One series must not hold up the others.
            log.error("series %s: %s", entry.key, type(error).__name__)
            after = self._later(entry, "internal", "Something unexpected went wrong; it is tried again.")
        if after == entry:
            return False
        if after.stage != entry.stage:
            after = replace(after, tries=0, next_try=0.0, touched=time.time())
            log.info("series %s: %s", entry.key, after.stage)
        self.spool.write(after)
        return after.stage != entry.stage

    def _now(self, entry: Entry) -> Entry:
        """Return the series as it is on disk, where deliveries are noted as they succeed."""
        return self.spool.get(entry.key) or entry

    def _later(self, entry: Entry, code: str, message: str) -> Entry:
        wait_s = min(LONGEST_WAIT_S, 2.0 ** min(entry.tries, 10))
        log.info("series %s waits %.0f s: %s", entry.key, wait_s, code)
        again = time.time() + wait_s
        return replace(self._now(entry), code=code, message=message, tries=entry.tries + 1, next_try=again)

    def _rule(self, entry: Entry) -> Rule:
        rule = next((rule for rule in self.config.rules if rule.name == entry.rule), None)
        if rule is None:
            raise InvalidInput("rule_gone", f"The rule {entry.rule!r} is no longer in the configuration.")
        return rule

    def _upload(self, entry: Entry) -> Entry:
        files = sorted(self.spool.files(entry).glob("*.dcm"))
        if not files:
            raise InvalidInput("nothing_received", "No file of this series could be kept; send it again.")
        header = pydicom.dcmread(files[0], stop_before_pixels=True)
        rule = self.config.rule_for(header, caller=entry.caller, n_slices=len(files))
        if rule is None or rule.project is None:
            return replace(entry, stage="done", rule="" if rule is None else rule.name, code="not_routed")
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="segloop-gateway-") as folder:
            archive = Path(folder) / "series.zip"
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
                for file in files:
                    target.write(file, file.name)
            volume_id = self.api.upload(archive, project=rule.project)
        return replace(entry, stage="uploaded", rule=rule.name, volume_id=volume_id)

    def _segment(self, entry: Entry) -> Entry:
        rule = self._rule(entry)
        assert rule.project is not None
        job_id = self.api.segment(entry.volume_id, project=rule.project, priority=rule.priority)
        return replace(entry, stage="segmenting", job_id=job_id)

    def _watch(self, entry: Entry) -> Entry:
        job = self.api.job(entry.job_id)
        if job["state"] == "succeeded":
            return replace(entry, stage="delivering", mask_id=job["mask_id"], code="", message="")
        if job["state"] in ("failed", "cancelled"):
            error = job["error"] or {"code": "job_cancelled", "message": "The job was cancelled."}
            raise InvalidInput(error["code"], error["message"])
        return entry

    def _deliver(self, entry: Entry) -> Entry:
        rule = self._rule(entry)
        late: SegloopError | None = None
        body: bytes | None = None
        for name in rule.destinations:
            if name in entry.delivered:
                continue
            body = self.api.seg(entry.mask_id) if body is None else body
            try:
                how = self.send(body, self.config.destinations[name])
            except SegloopError as error:
                # The others get theirs meanwhile. What may still succeed counts before what never will.
                late = error if late is None or isinstance(error, Unavailable) else late
                continue
            entry = self.spool.write(replace(entry, delivered={**entry.delivered, name: how}))
        if late is not None:
            raise late
        return replace(entry, stage="done", code="", message="")
