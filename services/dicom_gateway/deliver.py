"""Deliver what is due: each (destination, form) by itself, so that one that hangs or is down holds up nothing else."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import itemgetter

from segloop import logs
from segloop.errors import InvalidInput, SegloopError, Unavailable
from services.dicom_gateway.api import Api
from services.dicom_gateway.config import Config
from services.dicom_gateway.deliveries import UNEXPECTED, Delivery, after_error, first_failure, settle
from services.dicom_gateway.destinations import Destination
from services.dicom_gateway.entry import Entry
from services.dicom_gateway.results import Results
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
        """Try once what has been due longest, for one destination or for all, and say whether there was anything.

        One at a time: a step stays short also where many wait for a peer that hangs. What goes to a destination that is no
        longer configured is anybody's.

        Raises:
            Unavailable: `spool_full`.
        """
        now = time.time()
        due = [
            (delivery.next_try, entry, delivery)
            for entry in self.spool.entries()
            if entry.stage == "delivering"
            for delivery in entry.deliveries
            if delivery.state == "waiting"
            and delivery.next_try <= now
            and (
                destination in (None, delivery.destination)
                or delivery.destination not in self.config.destinations
            )
        ]
        if not due:
            return False
        _, entry, delivery = min(due, key=itemgetter(0))
        with logs.bind(request_id=entry.key):
            self.spool.ready(entry.key)  # or the peer would be sent the same again and again
            self._settle(entry, self._try(entry, delivery))
        return True

    def _try(self, entry: Entry, delivery: Delivery) -> Delivery:
        try:
            destination = self.config.destinations.get(delivery.destination)
            if destination is None:
                raise InvalidInput(
                    "destination_gone",
                    f"{delivery.destination} is no longer in the configuration. Send it to another one.",
                )
            after = self.send(destination, lambda deflated: self._body(entry, delivery, deflated), delivery)
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

    def _body(self, entry: Entry, delivery: Delivery, deflated: bool) -> bytes:
        """Return the object's file for sending it now.

        Raises:
            Unavailable: `delivery_overtaken` where this is no longer what is to be delivered; making an object takes a while.
        """
        body = self._made(entry, delivery, deflated)
        if not _is_wanted(self.spool.get(entry.key), entry.mask_id, delivery):
            raise Unavailable("delivery_overtaken", "The series goes on in another way than when this began.")
        return body

    def _made(self, entry: Entry, delivery: Delivery, deflated: bool) -> bytes:
        """Return the object as the API makes it now: what was kept of an earlier try only where the API says that it still holds.

        A mask may have been reviewed or rejected since. What a peer took and is yet to vouch for is not sent, so it is not asked about.
        """
        results, form = Results(self.spool), delivery.form
        name = f"{entry.mask_id}-{form}{'-deflated' if deflated else ''}"
        kept = results.kept(entry, name)
        if kept is not None and delivery.transaction:
            return kept.body
        made = self.api.result(entry.mask_id, form, deflated=deflated, known=kept)
        if made is not kept:
            results.keep(entry, name, made)
        return made.body

    def _settle(self, entry: Entry, delivery: Delivery) -> None:
        destination = self.config.destinations.get(delivery.destination)
        fallback = () if destination is None else destination.fallback

        def change(now: Entry) -> Entry:
            if not _is_wanted(now, entry.mask_id, delivery):  # it was begun again meanwhile
                return now
            return close(replace(now, deliveries=settle(now.deliveries, delivery, fallback)))

        after = self.spool.update(entry.key, change)
        if after is not None and after.stage != "delivering":
            Results(self.spool).drop(after)
            log.info("series %s: %s", after.key, after.stage)


def _is_wanted(now: Entry | None, mask_id: str, delivery: Delivery) -> bool:
    """Say whether a form of a mask still waits to be delivered: neither has the series grown, nor is another mask chosen."""
    return (
        now is not None
        and (now.stage, now.mask_id) == ("delivering", mask_id)
        and any(
            (one.destination, one.form, one.state) == (delivery.destination, delivery.form, "waiting")
            for one in now.deliveries
        )
    )


def close(entry: Entry) -> Entry:
    """Return a series that is delivering as ended, where no delivery is waited for any more."""
    if any(one.state == "waiting" for one in entry.deliveries):
        return entry
    failed = first_failure(entry.deliveries)
    ended = replace(entry, touched=time.time(), tries=0, next_try=0.0)
    if failed is None:
        return replace(ended, stage="done", code="", message="")
    return replace(ended, stage="failed", code=failed.code, message=failed.message)
