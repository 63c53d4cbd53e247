"""Run the gateway, or try its rules: `python -m services.dicom_gateway CONFIG.yaml [--dry-run FOLDER]`."""

import logging
import signal
import sys
import threading
import warnings
from argparse import ArgumentParser
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pynetdicom import _config

from segloop import logs
from segloop.errors import InvalidInput
from segloop.settings import Settings
from services.dicom_gateway.api import Api
from services.dicom_gateway.commitment import Commitments
from services.dicom_gateway.config import Config, read_config
from services.dicom_gateway.deliver import Deliverer
from services.dicom_gateway.dry_run import dry_run
from services.dicom_gateway.early import Early
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
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False
    for library in ("pynetdicom", "pydicom", "httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says and return the exit status."""
    parser = ArgumentParser("services.dicom_gateway", description="Between PACS and Segloop's API.")
    parser.add_argument("config", type=Path, help="the configuration (docs/pacs.md)")
    parser.add_argument(
        "--dry-run",
        type=Path,
        metavar="PATH",
        help="say what would be done with the series in a folder, zip or file",
    )
    parser.add_argument("--caller", default="", help="with --dry-run: who sends them, for rules that ask")
    given = parser.parse_args(arguments)
    quieten()
    try:
        config = read_config(given.config)
        if given.dry_run is None:
            run(config)
        else:
            lines = dry_run(config, given.dry_run, caller=given.caller)
            sys.stdout.writelines(f"{line}\n" for line in lines)
    except InvalidInput as error:
        sys.stderr.write(f"{error.code}: {error.message}\n")
        return 1
    return 0


def run(config: Config) -> None:
    """Receive, follow and deliver until SIGTERM."""
    settings = Settings.from_env()
    logs.configure(settings.log_level)
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
    loops = Loops(settings.scratch)
    early = Early(config, spool, Api(settings.api_url, settings.token))
    loops.add("take while it comes", early.step, idle_s=0.0)
    loops.add("follow", Follower(config, spool, api, early).step)
    for name in (*config.destinations, "those that are gone"):
        loops.add(f"deliver to {name}", partial(deliverer.step, name))
    loops.add("report", Reporter(config, spool, api).step)
    loops.add("orders to pull", Orders(config.aet, api, kinds, pulls=True).step)
    loops.add("orders", Orders(config.aet, api, kinds, pulls=False).step)
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
    sys.exit(main(sys.argv[1:]))
