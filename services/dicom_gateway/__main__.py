"""Run the gateway: `python -m services.dicom_gateway CONFIG.yaml`."""

import logging
import signal
import sys
import threading
import warnings
from functools import partial
from pathlib import Path

from pynetdicom import _config

from segloop import logs
from segloop.settings import Settings
from services.dicom_gateway.api import Api
from services.dicom_gateway.commitment import Commitments
from services.dicom_gateway.config import read_config
from services.dicom_gateway.deliver import Deliverer
from services.dicom_gateway.echo import echo
from services.dicom_gateway.follow import Follower
from services.dicom_gateway.loop import Loops
from services.dicom_gateway.order_kinds import redeliver, route
from services.dicom_gateway.order_retrieve import retrieve
from services.dicom_gateway.orders import Do, Orders
from services.dicom_gateway.pull import Awaited
from services.dicom_gateway.receive import Receiver
from services.dicom_gateway.report import Reporter
from services.dicom_gateway.retrieve import Retriever
from services.dicom_gateway.sender import Sender
from services.dicom_gateway.spool import Spool
from services.dicom_gateway.stow_server import StowServer

log = logging.getLogger(__name__)


def quieten() -> None:
    """Keep libraries from logging what they send and receive, names and UIDs included."""
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    for library in ("pynetdicom", "pydicom", "httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")


def main(path: Path) -> None:
    """Receive, follow and deliver until SIGTERM."""
    settings = Settings.from_env()
    logs.configure(settings.log_level)
    quieten()
    config = read_config(path)
    spool = Spool(settings.gateway_spool)
    api = Api(settings.api_url, settings.token)
    commitments, awaited = Commitments(), Awaited()
    retriever = Retriever(config.sources, spool, awaited, caller=config.aet)
    servers: list[Receiver | StowServer] = [Receiver(config, spool, awaited, commitments=commitments)]
    if config.stow is not None:
        servers.append(StowServer(config.stow, spool))
    deliverer = Deliverer(config, spool, api, Sender(config.aet, commitments))
    kinds: dict[str, Do] = {
        "retrieve": partial(retrieve, config, spool, retriever),
        "route": partial(route, config, spool),
        "redeliver": partial(redeliver, config, spool),
        "echo": partial(echo, config, retriever),
    }
    loops = Loops()
    loops.add("follow", Follower(config, spool, api).step)
    for name in config.destinations:
        loops.add(f"deliver to {name}", partial(deliverer.step, name))
    loops.add("report", Reporter(config, spool, api).step)
    loops.add("orders", Orders(config.aet, api, kinds).step)
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    try:
        for server in servers:
            server.start()
        log.info("listening as %s on %s:%d", config.aet, config.host, config.port)
        loops.start()
        ending.wait()
    finally:
        for server in servers:
            server.stop()
        loops.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
