"""How far each (destination, form) of a series has come; pure functions on what the spool keeps."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from segloop.errors import SegloopError, Unavailable
from services.dicom_gateway.destinations import FORMS, Destination, forms_for

State = Literal["waiting", "sent", "verified", "failed", "superseded"]
LONGEST_WAIT_S = 300.0
DENIALS = ("delivery_not_found", "delivery_not_committed")
NOT_TAKEN, NOTHING_FOUND = "form_not_taken", "mask_empty"
"""Why a form can't be had where another can: the peer doesn't take it, or it can't say that nothing was found."""
MOST_DENIALS = 5
"""How often a result is sent to a peer that says success and then does not have it."""
UNEXPECTED, MOST_UNEXPECTED = "internal", 10
"""The code of what nobody foresaw, at the gateway or at the API, and how often it is tried again: it may never go away."""
GIVEN_UP = (
    f"Something unexpected went wrong {MOST_UNEXPECTED} times; the log of the gateway or of the API names it."
)


@dataclass(frozen=True)
class Delivery:
    """One form of a result on its way to one destination.

    "sent": the peer took it and can't be asked for it. "verified": it was asked and has it. "superseded": this form
    can't be had, and others are sent instead, or none where nothing was found. `denials` counts how often it said success and did not have it;
    `transaction` is the storage commitment that is waited for, "" for none: the peer took the object then. `asks` counts how
    often it was asked for one and did not answer, `unexpected` how often something went wrong that nobody foresaw. `mask_id` is
    which mask it was of, and `ended` when that was (seconds since 1970), once it waits no more.
    """

    destination: str
    form: str
    state: State = "waiting"
    code: str = ""
    message: str = ""
    attempts: int = 0
    denials: int = 0
    next_try: float = 0.0
    transaction: str = ""
    asks: int = 0
    unexpected: int = 0
    mask_id: str = ""
    ended: float = 0.0


class NotTaken(SegloopError):
    """The peer takes no objects of this form; another form may be taken."""

    def __init__(self, delivery: Delivery) -> None:
        text = f"{delivery.destination} takes no {FORMS[delivery.form]}."
        super().__init__(NOT_TAKEN, text)


def plan(
    destinations: Mapping[str, Destination], names: Iterable[str], outputs: tuple[str, ...]
) -> tuple[Delivery, ...]:
    """Return what is to be delivered of a new result; a name that is no longer configured fails at its turn."""
    return tuple(
        Delivery(name, form)
        for name in names
        for form in (forms_for(destinations[name], outputs) if name in destinations else ("seg",))
    )


def wait_s(tries: int) -> float:
    """Return how many seconds pass after so many tries before the next: twice as many each time, up to a limit."""
    return min(LONGEST_WAIT_S, 2.0 ** min(tries, 10))


def after_error(delivery: Delivery, error: SegloopError) -> Delivery:
    """Return a delivery after a try that did not succeed: it waits longer and longer, or has failed for good.

    What a peer took and only could not be asked about is still taken: the commitment goes on being waited for.
    """
    denied = error.code in DENIALS
    denials = delivery.denials + denied
    unexpected = delivery.unexpected + (error.code == UNEXPECTED)
    given_up = unexpected >= MOST_UNEXPECTED
    later = isinstance(error, Unavailable) and denials < MOST_DENIALS and not given_up
    return replace(
        delivery,
        state="waiting" if later else "failed",
        code=error.code,
        message=GIVEN_UP if given_up else error.message,
        attempts=delivery.attempts + 1,
        denials=denials,
        next_try=time.time() + wait_s(delivery.attempts) if later else 0.0,
        transaction=delivery.transaction if later and not denied else "",
        asks=delivery.asks if later and not denied else 0,
        unexpected=unexpected,
    )


def ended(delivery: Delivery, state: State) -> Delivery:
    """Return a delivery that needs nothing more."""
    attempts = delivery.attempts + 1
    return replace(
        delivery, state=state, code="", message="", attempts=attempts, next_try=0.0, transaction="", asks=0
    )


def settle(all_of: tuple[Delivery, ...], one: Delivery, fallback: tuple[str, ...]) -> tuple[Delivery, ...]:
    """Return a series' deliveries with one that has changed; a form that can't be had gives way to the fallback's forms.

    That nothing was found is a result: it is no failure, even where no form is left that could say it.
    """
    others = tuple(form for form in fallback if form != one.form)
    gives_way = one.code == NOTHING_FOUND or (one.code == NOT_TAKEN and others == fallback != ())
    if one.state == "failed" and gives_way:
        text = f"{one.message} Instead it gets: {', '.join(others)}." if others else one.message
        one = replace(one, state="superseded", message=text)
    found = [one if (old.destination, old.form) == (one.destination, one.form) else old for old in all_of]
    if one.state == "superseded":
        there = {old.form for old in found if old.destination == one.destination}
        found += [Delivery(one.destination, form) for form in others if form not in there]
    return tuple(found)


def first_failure(all_of: Iterable[Delivery]) -> Delivery | None:
    """Return the first delivery that has failed for good, or None."""
    return next((one for one in all_of if one.state == "failed"), None)
