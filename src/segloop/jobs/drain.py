"""Do what waits in a queue and end: how a worker runs where something else starts one for each job that waits, as KEDA does."""

import logging
import signal

from segloop.jobs.bell import Bell

log = logging.getLogger(__name__)


def drain(bell: Bell) -> None:
    """Take jobs until none is left; on SIGTERM what runs is given back, and the next worker takes it up."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: bell.close())
    log.info("did %d jobs; none is left", bell.drain())
