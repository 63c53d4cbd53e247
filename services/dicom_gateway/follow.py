"""Take each received series one step further: close, upload, segment. Every step can be done again after a crash."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pydicom

from segloop import logs
from segloop.errors import InvalidInput, SegloopError, Unavailable
from services.dicom_gateway.api import Api
from services.dicom_gateway.config import Config
from services.dicom_gateway.deliver import close
from services.dicom_gateway.deliveries import GIVEN_UP, MOST_UNEXPECTED, UNEXPECTED, plan, wait_s
from services.dicom_gateway.early import Brought, Early
from services.dicom_gateway.entry import Entry, Stage
from services.dicom_gateway.spool import DIFFERS, Spool

log = logging.getLogger(__name__)
LOOK_AGAIN_S = 60.0
"""How often it is looked whether the failed job of a series was retried."""


@dataclass(frozen=True)
class Follower:
    """Works on the spool with the API until a result is to be delivered; one at a time."""

    config: Config
    spool: Spool
    api: Api
    early: Early | None = None
    _looked_at: dict[str, float] = field(default_factory=dict)

    def step(self) -> bool:
        """Do what can be done now for each series and say whether anything changed.

        Raises:
            Unavailable: `spool_full`, after all that could be done for others: how far one came could not be written.
        """
        changed = False
        full = list[Unavailable]()
        with _noted(full):  # first: it makes room
            self.spool.sweep(keep_s=self.config.keep_s)
        entries = self.spool.entries()
        for gone in set(self._looked_at) - {entry.key for entry in entries}:
            del self._looked_at[gone]
        uploads = list[Entry]()
        for entry in entries:
            if entry.stage == "receiving":
                with _noted(full):
                    closed = self.spool.close(
                        entry, quiet_s=self.config.quiet_s, settle_s=self.config.settle_s
                    )
                    changed = changed or closed is not None
            elif entry.stage in self._steps and entry.next_try <= time.time():
                if self.early is not None and self.early.is_under_way(entry):
                    continue
                if entry.stage == "closed" and entry.project:
                    uploads.append(entry)
                else:
                    with _noted(full):
                        changed = self._advance(entry) or changed
        # One at a time, when all else is done: it may take long, and an urgent one may be here by then.
        uploads.sort(key=lambda entry: entry.priority != "stat")  # then the one longest here
        while uploads and not changed:
            with _noted(full):  # the next where the first one's outcome can't be written
                changed = self._advance(uploads.pop(0))
                break
        if full:
            raise full[0]
        return changed

    @property
    def _steps(self) -> Mapping[Stage, Callable[[Entry], Entry]]:
        return {
            "closed": self._upload,
            "uploaded": self._segment,
            "segmenting": self._watch,
            "failed": self._look_again,
        }

    def _advance(self, entry: Entry) -> bool:
        with logs.bind(request_id=entry.key):
            return self._advance_one(entry)

    def _advance_one(self, entry: Entry) -> bool:
        if entry.stage in ("closed", "uploaded") and self.spool.ready(entry.key) != entry:
            return True  # it is looked at again as it is now
        try:
            after = self._steps[entry.stage](entry)
        except Unavailable as error:
            after = self._later(entry, error.code, error.message)
        except SegloopError as error:
            log.warning("series %s failed: %s", entry.key, error.code)
            after = replace(entry, stage="failed", code=error.code, message=error.message)
        except Exception as error:
            # Its text may hold what a header says. One series must not hold up the others.
            log.error("series %s: %s", entry.key, type(error).__name__)
            after = self._later(entry, UNEXPECTED, "Something unexpected went wrong; it is tried again.")
        if after == entry:
            return False
        if after.stage != entry.stage:
            after = replace(after, tries=0, next_try=0.0, touched=time.time())
        # Others may have changed it meanwhile, as where more of it came: then it is looked at again.
        written = self.spool.update(entry.key, lambda now: after if now == entry else now)
        if written == after and after.stage != entry.stage:
            log.info("series %s: %s", entry.key, after.stage)
        return written is not None and written != entry

    def _later(self, entry: Entry, code: str, message: str) -> Entry:
        tries = entry.tries + 1 if entry.code == code else 1
        if code == UNEXPECTED and tries >= MOST_UNEXPECTED:  # or the patient's images would be kept for ever
            log.error("series %s failed: %s", entry.key, code)
            return replace(entry, stage="failed", code=code, message=GIVEN_UP)
        wait = wait_s(tries - 1)
        log.info("series %s waits %.0f s: %s", entry.key, wait, code)
        return replace(entry, code=code, message=message, tries=tries, next_try=time.time() + wait)

    def _upload(self, entry: Entry) -> Entry:
        files = sorted(self.spool.files(entry).glob("*.dcm"))
        if not files:
            raise InvalidInput("nothing_received", "No file of this series could be kept; send it again.")
        if not entry.project:  # first it is said where it goes and how urgent it is
            entry = self._routed(entry, files)
            text = (
                f"The rule {entry.rule} leaves it alone."
                if entry.rule
                else f"No rule takes this series of {len(files)} images."
            )
            return (
                entry if entry.project else replace(entry, stage="ignored", code="not_routed", message=text)
            )
        if entry.n_differing:
            raise InvalidInput(
                DIFFERS,
                f"{entry.n_differing} of its images came again with other content, and the first of each was kept, so it may be a "
                "mixture. Have the whole series sent again: what comes then counts. Or, if the first are right, segment it.",
            )
        volume_id = self._brought(entry, len(files))
        if not volume_id:
            volume_id, is_new = self.api.upload(files, project=entry.project)
            if self.early is not None:
                self.early.note(entry, Brought(volume_id, is_new, len(files), entry.project))
        return replace(entry, stage="uploaded", volume_id=volume_id, code="", message="")

    def _brought(self, entry: Entry, n_files: int) -> str:
        """Return the volume that was made while the series came, where it is of all of it; another is taken back."""
        brought = None if self.early is None else self.early.take(entry)
        if self.early is None or brought is None:
            return ""
        if (brought.n_files, brought.project) == (n_files, entry.project):
            self.early.note(entry, brought)
            return brought.volume_id
        self.early.drop(brought)
        return ""

    def _routed(self, entry: Entry, files: Sequence[Path]) -> Entry:
        header = pydicom.dcmread(files[0], stop_before_pixels=True)
        rule = self.config.rule_for(header, caller=entry.caller, n_slices=len(files))
        if rule is None or rule.project is None:
            return replace(entry, rule="" if rule is None else rule.name)
        return replace(
            entry,
            rule=rule.name,
            project=rule.project,
            priority=rule.priority,
            outputs=rule.outputs,
            destinations=rule.destinations,
        )

    def _segment(self, entry: Entry) -> Entry:
        job_id = entry.job_id or self.api.segment(
            entry.volume_id, project=entry.project, priority=entry.priority
        )
        return replace(entry, stage="segmenting", job_id=job_id, code="", message="")

    def _watch(self, entry: Entry) -> Entry:
        job = self.api.job(entry.job_id)
        if job["state"] == "succeeded":
            wanted = plan(self.config.destinations, entry.destinations, entry.outputs)
            due = entry.deliveries or wanted  # where more was ordered meanwhile, all of it was planned then
            return close(
                replace(
                    entry, stage="delivering", mask_id=job["mask_id"], code="", message="", deliveries=due
                )
            )
        if job["state"] in ("failed", "cancelled"):
            error = job["error"] or {"code": "job_cancelled", "message": "The job was cancelled."}
            raise InvalidInput(error["code"], error["message"])
        return entry

    def _look_again(self, entry: Entry) -> Entry:
        """A job that failed can be retried by a person for as long as the series is here: then it is followed again."""
        at = time.monotonic()
        if not entry.job_id or not entry.volume_id or entry.mask_id or entry.message == GIVEN_UP:
            return entry  # it was not the job that failed
        if at - self._looked_at.get(entry.key, -LOOK_AGAIN_S) < LOOK_AGAIN_S:
            return entry
        self._looked_at[entry.key] = at
        try:
            state = self.api.job(entry.job_id)["state"]
        except SegloopError:  # why the series failed stays what is said of it
            return entry
        if state in ("failed", "cancelled"):
            return entry
        return replace(entry, stage="segmenting", code="", message="")


@contextmanager
def _noted(full: list[Unavailable]) -> Iterator[None]:
    """Let others go on where the spool can't be written, and note it."""
    try:
        yield
    except Unavailable as error:
        full.append(error)
