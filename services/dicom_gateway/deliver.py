"""Deliver what is due: each (destination, form) by itself, so that one that hangs or is down holds up nothing else."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from segloop import logs
from segloop.errors import InvalidInput, SegloopError, Unavailable
from services.dicom_gateway.api import Api
from services.dicom_gateway.config import Config
from services.dicom_gateway.deliveries import UNEXPECTED, Delivery, after_error, first_failure, settle
from services.dicom_gateway.destinations import Destination
from services.dicom_gateway.entry import Entry
from services.dicom_gateway.spool import Spool

log = logging.getLogger(__name__)
Fetch = Callable[[bool], bytes]
"""Returns the object's file, deflated or not."""
Send = Callable[[Destination, Fetch, Delivery], Delivery]


@dataclass(frozen=True)
class Deliverer:
    """Sends results from the spool; several may work at once where each has destinations of its own."""

    config: Config
    spool: Spool
    api: Api
    send: Send

    def step(self, destination: str | None = None) -> bool:
        """Try once whatever is due, for one destination or for all, and say whether anything changed.

        What goes to a destination that is no longer configured is anybody's.
        """
        changed = False
        for entry in self.spool.entries():
            if entry.stage != "delivering":
                continue
            for delivery in entry.deliveries:
                due = delivery.state == "waiting" and delivery.next_try <= time.time()
                ours = destination in (None, delivery.destination)
                if due and (ours or delivery.destination not in self.config.destinations):
                    with logs.bind(request_id=entry.key):
                        self._settle(entry, self._try(entry, delivery))
                    changed = True
        return changed

    def _try(self, entry: Entry, delivery: Delivery) -> Delivery:
        try:
            destination = self.config.destinations.get(delivery.destination)
            if destination is None:
                raise InvalidInput(
                    "destination_gone",
                    f"{delivery.destination} is no longer in the configuration. Send it to another one.",
                )
            after = self.send(
                destination, lambda deflated: self._body(entry, delivery.form, deflated), delivery
            )
        except SegloopError as error:
            after = after_error(delivery, error)
        except Exception as error:
            # Its text may hold what a header says.
            log.error("series %s to %s: %s", entry.key, delivery.destination, type(error).__name__)
            text = "Something unexpected went wrong; it is tried again."
            after = after_error(delivery, Unavailable(UNEXPECTED, text))
        if after.state != "waiting":
            after = replace(after, mask_id=entry.mask_id, ended=time.time())
        log.info(
            "series %s to %s as %s: %s %s",
            entry.key,
            delivery.destination,
            delivery.form,
            after.state,
            after.code,
        )
        return after

    def _body(self, entry: Entry, form: str, deflated: bool) -> bytes:
        name = f"{entry.mask_id}-{form}{'-deflated' if deflated else ''}.dcm"
        return self.spool.result(entry, name, lambda: self.api.result(entry.mask_id, form, deflated=deflated))

    def _settle(self, entry: Entry, delivery: Delivery) -> None:
        destination = self.config.destinations.get(delivery.destination)
        fallback = () if destination is None else destination.fallback

        def change(now: Entry) -> Entry:
            if now.stage != "delivering" or now.mask_id != entry.mask_id:  # it was begun again meanwhile
                return now
            return close(replace(now, deliveries=settle(now.deliveries, delivery, fallback)))

        after = self.spool.update(entry.key, change)
        if after is not None and after.stage != "delivering":
            self.spool.drop_results(after)
            log.info("series %s: %s", after.key, after.stage)


def close(entry: Entry) -> Entry:
    """Return a series that is delivering as ended, where no delivery is waited for any more."""
    if any(one.state == "waiting" for one in entry.deliveries):
        return entry
    failed = first_failure(entry.deliveries)
    ended = replace(entry, touched=time.time(), tries=0, next_try=0.0)
    if failed is None:
        return replace(ended, stage="done", code="", message="")
    return replace(ended, stage="failed", code=failed.code, message=failed.message)
