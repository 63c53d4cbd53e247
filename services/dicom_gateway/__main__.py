"""Run the gateway: `python -m services.dicom_gateway CONFIG.yaml`."""

import logging
import signal
import sys
import threading
import warnings
from pathlib import Path

from pynetdicom import _config

from segloop import logs
from segloop.settings import Settings
from services.dicom_gateway.api import Api
from services.dicom_gateway.config import read_config
from services.dicom_gateway.follow import Follower
from services.dicom_gateway.receive import Receiver
from services.dicom_gateway.send import send
from services.dicom_gateway.spool import Spool
from services.dicom_gateway.stow_server import StowServer

log = logging.getLogger(__name__)
IDLE_S = 0.5


def main(path: Path) -> None:
    """Receive and follow until SIGTERM."""
    settings = Settings.from_env()
    logs.configure(settings.log_level)
    # They log what they send and receive, names included.
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    for library in ("pynetdicom", "pydicom"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    config = read_config(path)
    spool = Spool(settings.gateway_spool)
    servers: list[Receiver | StowServer] = [Receiver(config, spool)]
    if config.stow is not None:
        servers.append(StowServer(config.stow, spool))
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
    try:
        for server in servers:
            server.start()
        log.info("listening as %s on %s:%d", config.aet, config.host, config.port)
        while not ending.is_set():
            try:
                changed = follower.step()
            except Exception as error:
                log.error("a step failed and is done again: %s", type(error).__name__)
                changed = False
            if not changed:
                ending.wait(IDLE_S)
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
