"""What comes by C-STORE while the same series is pulled by C-MOVE: an answer goes to the pull, what others send by themselves is kept."""

from pathlib import Path

import pytest
from pydicom import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage

from services.dicom_gateway.config import Config
from services.dicom_gateway.pull import Awaited, Pull
from services.dicom_gateway.receive import Receiver
from services.dicom_gateway.sources import DimseSource
from services.dicom_gateway.spool import Spool
from tests import orthanc
from tests.dicom_series import slices, voxels

GATEWAY, ARCHIVE, SCANNER = "SEGLOOP", "ARCHIVE", "SCANNER"
SOURCE = DimseSource(name="old", kind="c-move", aet=ARCHIVE, host="127.0.0.1", port=104)


def send(config: Config, header: Dataset, sender: str, asker: str) -> int:
    """Send a slice, as the answer to somebody's C-MOVE or as nobody's; return the status."""
    ae = AE(ae_title=sender)
    ae.add_requested_context(CTImageStorage, header.file_meta.TransferSyntaxUID)
    link = ae.associate(config.host, config.port, ae_title=GATEWAY)
    assert link.is_established
    asked = {"originator_aet": asker, "originator_id": 1} if asker else {}
    status = link.send_c_store(header, **asked)  # type: ignore[arg-type]
    link.release()
    return int(status.Status)


@pytest.mark.parametrize(
    ("callers", "sender", "asker", "pulled", "kept"),
    [
        ((), ARCHIVE, "", 1, 0),
        ((), ARCHIVE, GATEWAY, 1, 0),
        ((ARCHIVE,), ARCHIVE, GATEWAY, 1, 0),
        ((ARCHIVE,), ARCHIVE, "", 1, 1),  # nobody can tell which of both it is
        ((ARCHIVE,), ARCHIVE, "CONSOLE", 0, 1),  # whose user has it sent to us
        ((SCANNER,), SCANNER, "", 0, 1),
        ((SCANNER,), SCANNER, GATEWAY, 1, 0),  # an archive that sends from another AE title
        ((), ARCHIVE, "CONSOLE", 0, 0),
    ],
)
def test_a_pull_takes_what_answers_it_and_nothing_that_others_send(
    tmp_path: Path, callers: tuple[str, ...], sender: str, asker: str, pulled: int, kept: int
) -> None:
    config = Config(aet=GATEWAY, port=orthanc.free_port(), callers=callers, sources={"old": SOURCE})
    spool, awaited, header = Spool(tmp_path), Awaited(), slices(voxels((4, 4, 3)))[0]
    receiver = Receiver(config, spool, awaited)
    receiver.start()
    try:
        pull = Pull(spool, header.StudyInstanceUID, header.SeriesInstanceUID)
        with pull, awaited.awaiting(pull, ARCHIVE):
            status = send(config, header, sender, asker)
            assert (len(pull), len(spool.entries())) == (pulled, kept)
            assert status == (0 if pulled or kept else 0x0124)
    finally:
        receiver.stop()
    assert len(spool.entries()) == kept, "what was sent by itself outlives a pull that came to nothing"


@pytest.mark.parametrize(("callers", "status"), [((), 0x0124), ((ARCHIVE,), 0)])
def test_what_comes_when_a_pull_has_just_ended_is_kept_or_refused_and_never_dropped(
    tmp_path: Path, callers: tuple[str, ...], status: int
) -> None:
    config = Config(aet=GATEWAY, port=orthanc.free_port(), callers=callers, sources={"old": SOURCE})
    spool, awaited, header = Spool(tmp_path), Awaited(), slices(voxels((4, 4, 3)))[0]
    receiver = Receiver(config, spool, awaited)
    receiver.start()
    try:
        with Pull(spool, header.StudyInstanceUID, header.SeriesInstanceUID) as pull:
            pass
        with awaited.awaiting(pull, ARCHIVE):
            assert send(config, header, ARCHIVE, GATEWAY) == status
    finally:
        receiver.stop()
    assert len(spool.entries()) == len(callers) and not list(spool.draft().parent.iterdir())
