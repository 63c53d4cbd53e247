"""Results to real PACS: Orthanc by C-STORE with storage commitment and by STOW-RS, DCMTK over TLS and as an archive that takes no label map."""

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, SegmentationStorage

from segloop.errors import InvalidInput, Unavailable
from services.dicom_gateway.commitment import Commitments
from services.dicom_gateway.config import Config
from services.dicom_gateway.credentials import Certificates
from services.dicom_gateway.deliveries import Delivery, NotTaken
from services.dicom_gateway.destinations import CStore, StowRs
from services.dicom_gateway.echo import echo
from services.dicom_gateway.pull import Awaited
from services.dicom_gateway.receive import Receiver
from services.dicom_gateway.retrieve import Retriever
from services.dicom_gateway.send import c_store
from services.dicom_gateway.sources import WebSource
from services.dicom_gateway.spool import Spool
from services.dicom_gateway.stow import stow_rs
from services.dicom_gateway.web import Web
from tests import certificates, dcmqrscp, orthanc
from tests.dicom_series import slices, voxels

GATEWAY = "SEGLOOP"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
SEG = Delivery("pacs", "seg")


@pytest.fixture(scope="module", autouse=True)
def third_party() -> None:
    """The programs of other people that these tests are about: in CI they must be there."""
    missing = [*orthanc.missing(), *(one for one in ("dcmqrscp", "storescp") if shutil.which(one) is None)]
    if missing and os.environ.get("CI"):
        pytest.fail(f"these are needed in CI: {missing}")
    if missing:
        pytest.skip(f"NOT RUN: install {', '.join(missing)} (apt-get install orthanc orthanc-dicomweb dcmtk)")


@pytest.fixture(scope="module")
def seg() -> bytes:
    """A Segmentation as far as a PACS looks: of that class, in the study of a CT."""
    found = slices(voxels())[0]
    found.SOPClassUID = found.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    found.Modality, found.BitsAllocated, found.BitsStored, found.HighBit = "SEG", 8, 8, 7
    found.PixelData = np.arange(found.Rows * found.Columns, dtype=np.uint8).tobytes()
    return written(found)


def written(found: Dataset) -> bytes:
    file = BytesIO()
    found.save_as(file, enforce_file_format=True)
    return file.getvalue()


def deflated(body: bytes) -> bytes:
    found = pydicom.dcmread(BytesIO(body))
    found.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return written(found)


@pytest.fixture
def pacs(tmp_path: Path) -> orthanc.Orthanc:
    found = orthanc.new(tmp_path / "orthanc", GATEWAY)
    return replace(found, ports={GATEWAY: orthanc.free_port()})


def by_c_store(pacs: orthanc.Orthanc, *, commitment: bool = False) -> CStore:
    return CStore(name="pacs", aet=orthanc.AET, host="127.0.0.1", port=pacs.dicom_port, commitment=commitment)


def by_stow(pacs: orthanc.Orthanc) -> StowRs:
    return StowRs(name="pacs", web=Web(f"http://127.0.0.1:{pacs.http_port}/dicom-web/"))


class Remembering(Commitments):
    """Also knows who vouched, on associations that they began."""

    def __init__(self) -> None:
        super().__init__()
        self.told_by: list[str] = []

    def take(self, event: Any) -> tuple[int, None]:
        self.told_by.append(str(event.assoc.requestor.ae_title))
        return super().take(event)


def test_orthanc_vouches_for_what_it_keeps_on_an_association_of_its_own(
    pacs: orthanc.Orthanc, seg: bytes, tmp_path: Path
) -> None:
    commitments, to = Remembering(), by_c_store(pacs, commitment=True)
    config = Config(aet=GATEWAY, port=pacs.ports[GATEWAY], destinations={"pacs": to})
    receiver = Receiver(config, Spool(tmp_path / "spool"), commitments=commitments)
    receiver.start()
    delivery, end = SEG, time.monotonic() + 60
    try:
        with pacs.running():
            while delivery.state == "waiting":
                delivery = c_store(to, lambda _: seg, delivery, caller=GATEWAY, commitments=commitments)
                assert time.monotonic() < end
                time.sleep(0.2)
            assert (delivery.state, delivery.code) == ("verified", "")
            assert len(pacs.instances()) == 1
    finally:
        receiver.stop()
    assert commitments.told_by and set(commitments.told_by) == {orthanc.AET}


def test_who_may_only_vouch_can_send_nothing(pacs: orthanc.Orthanc, tmp_path: Path) -> None:
    to = by_c_store(pacs, commitment=True)
    config = Config(aet=GATEWAY, port=pacs.ports[GATEWAY], destinations={"pacs": to})
    receiver = Receiver(config, Spool(tmp_path / "spool"))
    receiver.start()
    try:
        one = tmp_path / "one.dcm"
        one.write_bytes(written(slices(voxels())[0]))
        command = ["storescu", "-aet", orthanc.AET, "-aec", GATEWAY, "127.0.0.1", str(config.port), str(one)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode != 0
    finally:
        receiver.stop()
    assert Spool(tmp_path / "spool").entries() == []


def test_orthanc_gets_a_segmentation_deflated_once_and_other_content_under_its_uid_is_found_out(
    pacs: orthanc.Orthanc, seg: bytes
) -> None:
    def fetch(packed: bool) -> bytes:
        return deflated(seg) if packed else seg

    with pacs.running():
        assert stow_rs(by_stow(pacs), fetch, SEG).state == "verified"
        assert stow_rs(by_stow(pacs), fetch, SEG).state == "verified"
        ours = pydicom.dcmread(BytesIO(seg))
        kept = pydicom.dcmread(BytesIO(pacs.file(ours.SOPInstanceUID)))
        assert kept.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
        assert kept.PixelData == ours.PixelData and len(pacs.instances()) == 1
        ours.PixelData = bytes(len(ours.PixelData))
        with pytest.raises(InvalidInput) as differs:
            stow_rs(by_stow(pacs), lambda packed: deflated(written(ours)) if packed else written(ours), SEG)
        assert differs.value.code == "delivery_differs"


def test_a_test_of_a_peer_says_whether_it_is_there(pacs: orthanc.Orthanc) -> None:
    source = WebSource(name="archive", web=by_stow(pacs).web)
    config = Config(
        aet=GATEWAY,
        destinations={"dicom": by_c_store(pacs), "web": by_stow(pacs)},
        sources={"archive": source},
    )
    names = ["dicom", "web", "archive"]
    other = replace(by_c_store(pacs), aet="OTHER")
    assert [answers(config, name)["ok"] for name in names] == [False] * 3
    with pacs.running():
        assert [answers(config, name)["ok"] for name in names] == [True] * 3
        found = answers(replace(config, destinations={"dicom": other}), "dicom")
        assert not found["ok"] and "answers to another AE title" in found["message"] and found["seconds"] >= 0


def answers(config: Config, name: str) -> dict[str, Any]:
    """Return what a test of a peer says."""
    with tempfile.TemporaryDirectory() as folder:
        retriever = Retriever(config.sources, Spool(Path(folder)), Awaited(), caller=config.aet)
        return echo(config, retriever, {"name": name})


def test_dcmtk_takes_no_label_map_and_says_so(seg: bytes, tmp_path: Path) -> None:
    found = pydicom.dcmread(BytesIO(seg))
    found.SOPClassUID = found.file_meta.MediaStorageSOPClassUID = LABEL_MAP
    with dcmqrscp.running(tmp_path / "dcmtk", GATEWAY) as port:
        there = CStore(name="pacs", aet=dcmqrscp.AET, host="127.0.0.1", port=port)
        with pytest.raises(NotTaken) as refused:
            c_store(there, lambda _: written(found), SEG, caller=GATEWAY, commitments=Commitments())
        assert refused.value.code == "form_not_taken"
        delivery = c_store(there, lambda _: seg, SEG, caller=GATEWAY, commitments=Commitments())
        assert delivery.state == "verified"


@pytest.mark.parametrize("ours", ["client", "stranger", None])
def test_over_tls_both_sides_are_known_to_each_other_or_nothing_is_sent(
    seg: bytes, tmp_path: Path, ours: str | None
) -> None:
    keys = certificates.make(tmp_path / "keys")
    (tmp_path / "got").mkdir()
    port = orthanc.free_port()
    command = [
        "storescp",
        "+tls",
        str(keys / "server.key"),
        str(keys / "server.crt"),
        "+cf",
        str(keys / "ca.crt"),
    ]
    command += ["+B", "-od", str(tmp_path / "got"), "-aet", "DCMTK", "-pm", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    mine = (
        {} if ours is None else {"certificate": str(keys / f"{ours}.crt"), "key": str(keys / f"{ours}.key")}
    )
    tls = Certificates(ca=str(keys / "ca.crt"), **mine)
    there = CStore(name="pacs", aet="DCMTK", host="127.0.0.1", port=port, tls=tls)
    try:
        time.sleep(1)
        if ours == "client":
            state = c_store(there, lambda _: seg, SEG, caller=GATEWAY, commitments=Commitments()).state
            assert state == "sent" and len(list((tmp_path / "got").iterdir())) == 1
        else:
            with pytest.raises(Unavailable) as refused:
                c_store(there, lambda _: seg, SEG, caller=GATEWAY, commitments=Commitments())
            assert refused.value.code == "destination_unavailable"
            assert not list((tmp_path / "got").iterdir())
        distrusting = replace(there, tls=Certificates(ca=str(keys / "stranger.crt"), **mine))
        with pytest.raises(Unavailable):
            c_store(distrusting, lambda _: seg, SEG, caller=GATEWAY, commitments=Commitments())
    finally:
        process.terminate()
        process.wait(30)
