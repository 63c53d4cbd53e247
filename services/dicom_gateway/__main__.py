"""Run the gateway: `python -m services.dicom_gateway CONFIG.yaml`."""

import logging
import signal
import sys
import threading
from pathlib import Path

from segloop import logs
from segloop.settings import Settings
from services.dicom_gateway.api import Api
from services.dicom_gateway.config import read_config
from services.dicom_gateway.follow import Follower
from services.dicom_gateway.receive import Receiver
from services.dicom_gateway.send import send
from services.dicom_gateway.spool import Spool

log = logging.getLogger(__name__)
IDLE_S = 0.5


def main(path: Path) -> None:
    """Receive and follow until SIGTERM."""
    settings = Settings.from_env()
    logs.configure(settings.log_level)
    config = read_config(path)
    spool = Spool(settings.gateway_spool)
    receiver = Receiver(config, spool)
    follower = Follower(
        config,
        spool,
        Api(settings.api_url, settings.token),
        lambda body, destination: send(body, destination, caller=config.aet),
        settings.scratch,
    )
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    receiver.start()
    log.info("listening as %s on %s:%d", config.aet, config.host, config.port)
    try:
        while not ending.is_set():
            try:
                changed = follower.step()
            except Exception:
                log.exception("a step failed; it is done again")
                changed = False
            if not changed:
                ending.wait(IDLE_S)
    finally:
        receiver.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
