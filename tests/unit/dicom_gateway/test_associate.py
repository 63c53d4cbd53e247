"""Why a peer gives no association is said as far as it told, with what to look at."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from segloop.errors import Unavailable
from services.dicom_gateway.associate import association
from services.dicom_gateway.config import Config
from services.dicom_gateway.destinations import CStore
from services.dicom_gateway.receive import Receiver
from services.dicom_gateway.spool import Spool


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    config = Config(aet="PEER", host="127.0.0.1", port=free_port(), callers=("KNOWN",))
    receiver = Receiver(config, Spool(tmp_path / "spool"))
    receiver.start()
    yield config.port
    receiver.stop()


@pytest.mark.parametrize(
    ("aet", "caller", "is_there", "text"),
    [
        ("PEER", "STRANGER", True, "does not know our AE title STRANGER"),
        ("OTHER", "KNOWN", True, "answers to another AE title than OTHER"),
        ("PEER", "KNOWN", False, "can't be reached at 127.0.0.1 port"),
    ],
)
def test_a_refusal_says_what_to_look_at(port: int, aet: str, caller: str, is_there: bool, text: str) -> None:
    peer = CStore(name="pacs", aet=aet, host="127.0.0.1", port=port if is_there else free_port())
    with (
        pytest.raises(Unavailable) as refused,
        association(peer, [(str(Verification), ["1.2.840.10008.1.2"])], caller=caller),
    ):
        pass
    assert refused.value.code == "destination_unavailable" and text in refused.value.message


def test_one_that_knows_us_takes_it(port: int) -> None:
    peer = CStore(name="pacs", aet="PEER", host="127.0.0.1", port=port)
    with association(peer, [(str(Verification), ["1.2.840.10008.1.2"])], caller="KNOWN") as (link, taken):
        assert link.is_established and str(Verification) in taken
