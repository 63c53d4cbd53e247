"""Fetch orders from the API, do each in a thread of its own, and say what came of it. Doing one twice is harmless."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from segloop import logs
from segloop.errors import SegloopError, Unavailable
from services.dicom_gateway.api import Api

log = logging.getLogger(__name__)
MOST_AT_ONCE, PLACE_S = 8, 20.0
"""How many orders of either sort are done at once, and how long a free place is waited for before the loop comes round again."""
ANSWER_FOR_S, ANSWER_AGAIN_S = 600.0, 5.0
"""How long an answer is offered to an API that is away; then it gives the order out again."""
Result = Mapping[str, Any]
Do = Callable[[Mapping[str, Any]], Result | Callable[[], Result]]
"""Does an order by its payload and returns its result, or what waits for that and needs no place meanwhile; a `SegloopError`
means it failed."""


class Orders:
    """Claims for one AE title; `kinds` does what is asked for, by the order's kind.

    It claims orders to pull a series, or all others: those wait for a source and a volume, and must not hold up what is quick.
    """

    def __init__(self, aet: str, api: Api, kinds: Mapping[str, Do], *, pulls: bool) -> None:
        self._aet, self._api, self._kinds, self._pulls = aet, api, kinds, pulls
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._lock = threading.Lock()
        self._running: set[str] = set()

    def step(self) -> bool:
        """Begin the next order, waiting for one and for a free thread, and say whether there was one.

        Raises:
            Unavailable: the API is away.
        """
        if not self._free.acquire(timeout=PLACE_S):  # nothing is claimed that nobody could begin
            return False
        begun = False
        try:
            order = self._api.claim_order(self._aet, pulls=self._pulls)
            if order is None:
                return False
            with self._lock:
                if order["id"] in self._running:  # given out again, for it takes long
                    return True
                self._running.add(order["id"])
            name = f"order {order['id']}"
            threading.Thread(target=self._do, args=(order,), name=name, daemon=True).start()
            begun = True
            return True
        finally:
            if not begun:
                self._free.release()

    def _do(self, order: Mapping[str, Any]) -> None:
        with logs.bind(request_id=order["id"]):
            self._do_one(order)

    def _do_one(self, order: Mapping[str, Any]) -> None:
        place = _Place(self._free)
        try:
            result = self._result(order, place)
            log.info("order %s (%s): %s %s", order["id"], order["kind"], result["state"], result["code"])
            self._answer(order["id"], result)
        finally:
            with self._lock:
                self._running.discard(order["id"])
            place.give_back()

    def _result(self, order: Mapping[str, Any], place: "_Place") -> dict[str, Any]:
        do = self._kinds.get(order["kind"])
        if do is None:
            text = "This gateway doesn't know such orders; bring it to the API's version."
            return _failed("order_unknown", text)
        try:
            found = do(order["payload"])
            if callable(found):
                place.give_back()
                found = found()
            return {"state": "done", "code": "", "message": "", "result": dict(found)}
        except SegloopError as error:
            return _failed(error.code, error.message)
        except Exception as error:
            # Its text may hold what a header says.
            log.error("order %s: %s", order["id"], type(error).__name__)
            return _failed("internal", "Something unexpected went wrong; the gateway's log names it.")

    def _answer(self, order_id: str, result: Mapping[str, Any]) -> None:
        end = time.monotonic() + ANSWER_FOR_S
        while time.monotonic() < end:
            try:
                return self._api.answer_order(self._aet, order_id, result)
            except Unavailable:
                time.sleep(ANSWER_AGAIN_S)
            except SegloopError as error:
                log.warning("the answer to order %s was not taken: %s", order_id, error.code)
                return None
        return None


class _Place:
    """One of the places for orders that are done at once; given back once."""

    def __init__(self, free: threading.Semaphore) -> None:
        self._free: threading.Semaphore | None = free

    def give_back(self) -> None:
        free, self._free = self._free, None
        if free is not None:
            free.release()


def _failed(code: str, message: str) -> dict[str, Any]:
    return {"state": "failed", "code": code, "message": message, "result": {}}
