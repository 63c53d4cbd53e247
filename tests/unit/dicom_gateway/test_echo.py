"""A test of a peer says what was asked of whom and how it was reached, and what to look at where it fails."""

from pathlib import Path

import pytest

from segloop.errors import NotFound
from services.dicom_gateway.config import Config
from services.dicom_gateway.destinations import CStore, StowRs
from services.dicom_gateway.echo import echo
from services.dicom_gateway.pull import Awaited
from services.dicom_gateway.retrieve import Retriever
from services.dicom_gateway.sources import DimseSource, WebSource
from services.dicom_gateway.spool import Spool
from services.dicom_gateway.web import Web
from tests.orthanc import free_port


def test_what_was_tried_and_what_to_do_are_said_for_each_kind_of_peer(tmp_path: Path) -> None:
    port = free_port()  # where nobody listens
    web = Web(url=f"http://127.0.0.1:{port}/dicom-web/")
    config = Config(
        rules=(),
        destinations={
            "pacs": CStore(name="pacs", aet="PACS", host="127.0.0.1", port=port),
            "web": StowRs(name="web", web=web),
        },
        sources={
            "archive": WebSource(name="archive", web=web),
            "old": DimseSource(name="old", kind="c-get", aet="OLD", host="127.0.0.1", port=port),
        },
    )
    retriever = Retriever(config.sources, Spool(tmp_path), Awaited(), caller=config.aet)
    qido = f"QIDO-RS (a search for one study) at http://127.0.0.1:{port}/dicom-web/, without TLS"
    tried = {
        "pacs": f"C-ECHO from AE title SEGLOOP to AE title PACS at 127.0.0.1 port {port}, without TLS",
        "old": f"C-ECHO from AE title SEGLOOP to AE title OLD at 127.0.0.1 port {port}, without TLS",
        "web": qido,
        "archive": qido,
    }
    for name, said in tried.items():
        found = echo(config, retriever, {"name": name})
        assert (found["ok"], found["tried"]) == (False, said)
        assert "firewall" in found["to_do"] and found["message"]
        assert ("knows SEGLOOP" in found["to_do"]) == (name in ("pacs", "old"))
    with pytest.raises(NotFound):
        echo(config, retriever, {"name": "nobody"})
