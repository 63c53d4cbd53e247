"""What comes in by C-STORE: over TLS, in every lossless syntax, from peers that break off or hang; DCMTK is the other side."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage

from services.dicom_gateway import reads
from services.dicom_gateway.config import Config
from services.dicom_gateway.credentials import Certificates
from services.dicom_gateway.receive import Receiver
from services.dicom_gateway.spool import Spool
from tests import certificates, orthanc
from tests.dicom_series import slices, voxels, write

GATEWAY, CALLER = "SEGLOOP", "STORESCU"
LOSSLESS = {
    "implicit little endian": ("1.2.840.10008.1.2", "+ti"),
    "explicit little endian": ("1.2.840.10008.1.2.1", "+te"),
    "explicit big endian": ("1.2.840.10008.1.2.2", "+tb"),
    "deflated": ("1.2.840.10008.1.2.1.99", "+td"),
    "RLE": ("1.2.840.10008.1.2.5", ""),
    "JPEG-LS": ("1.2.840.10008.1.2.4.80", ""),
    "JPEG 2000": ("1.2.840.10008.1.2.4.90", ""),
    "JPEG Lossless": ("1.2.840.10008.1.2.4.70", "dcmcjpeg"),
}


@pytest.fixture(autouse=True)
def dcmtk() -> None:
    """DCMTK's programs: in CI they must be there."""
    if shutil.which("storescu") is None or shutil.which("dcmconv") is None:
        assert not os.environ.get("CI"), "DCMTK is needed in CI"
        pytest.skip("NOT RUN: install dcmtk")


class Receiving:
    """A receiver on a port of its own and what it kept."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.config = Config(aet=GATEWAY, port=orthanc.free_port(), callers=(CALLER,), **options)
        self.spool = Spool(folder / "spool")
        self.receiver = Receiver(self.config, self.spool)

    def kept(self) -> list[Path]:
        return [file for entry in self.spool.entries() for file in sorted(self.spool.files(entry).iterdir())]

    def call(self, program: str, *options: str) -> subprocess.CompletedProcess[str]:
        named = ["-aet", CALLER, "-aec", GATEWAY, "-ta", "5", "-td", "5"]
        command = [program, *named, *options[:-1], "127.0.0.1", str(self.config.port), *options[-1:]]
        return subprocess.run([one for one in command if one], check=False, capture_output=True, text=True)


@pytest.fixture
def receiving(tmp_path: Path) -> Iterator[Receiving]:
    found = Receiving(tmp_path)
    found.receiver.start()
    yield found
    found.receiver.stop()


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Receiving, Path]]:
    pem = certificates.make(tmp_path / "pem")
    ours = Certificates(str(pem / "server.crt"), str(pem / "server.key"), str(pem / "ca.crt"))
    found = Receiving(tmp_path, tls=ours)
    found.receiver.start()
    yield found, pem
    found.receiver.stop()


def test_over_tls_dcmtk_sends_with_a_certificate_and_is_refused_with_none_or_anothers(
    secure: tuple[Receiving, Path], tmp_path: Path
) -> None:
    receiving, pem = secure
    (file,) = write(tmp_path / "ct", slices(voxels())[:1])
    known = ["+tls", str(pem / "client.key"), str(pem / "client.crt"), "+cf", str(pem / "ca.crt")]
    assert receiving.call("echoscu", *known, "").returncode == 0
    done = receiving.call("storescu", *known, str(file))
    assert done.returncode == 0, done.stderr
    assert [pydicom.dcmread(one).SOPInstanceUID for one in receiving.kept()] == [
        pydicom.dcmread(file).SOPInstanceUID
    ]
    stranger = ["+tls", str(pem / "stranger.key"), str(pem / "stranger.crt"), "+cf", str(pem / "ca.crt")]
    for refused in ([], ["+tla", "+cf", str(pem / "ca.crt")], stranger):
        assert receiving.call("echoscu", *refused, "").returncode != 0, refused
        assert receiving.call("storescu", *refused, str(file)).returncode != 0, refused
    assert len(receiving.kept()) == 1
    assert receiving.call("echoscu", *known, "").returncode == 0  # it still serves who may


def encoded(folder: Path, header: Dataset, name: str) -> Path:
    """Write a slice in a transfer syntax, by DCMTK or pydicom."""
    syntax, how = LOSSLESS[name]
    if how:
        (plain,) = write(folder / "plain", [header])
        target = folder / "encoded.dcm"
        command = [how, "+e1"] if how == "dcmcjpeg" else ["dcmconv", how]
        subprocess.run([*command, str(plain), str(target)], check=True, capture_output=True)
        return target
    header.compress(syntax, generate_instance_uid=False)
    (file,) = write(folder / "compressed", [header])
    return file


@pytest.mark.parametrize("name", LOSSLESS)
def test_every_lossless_syntax_is_taken_and_kept_as_it_came(
    receiving: Receiving, tmp_path: Path, name: str
) -> None:
    header = slices(voxels((64, 64, 3)))[0]
    pixels = header.pixel_array.copy()
    file = encoded(tmp_path, header, name)
    sent = pydicom.dcmread(file)
    assert sent.file_meta.TransferSyntaxUID == LOSSLESS[name][0]
    ae = AE(ae_title=CALLER)
    ae.add_requested_context(CTImageStorage, LOSSLESS[name][0])
    association = ae.associate("127.0.0.1", receiving.config.port, ae_title=GATEWAY)
    assert association.is_established
    assert association.send_c_store(file).Status == 0
    association.release()
    (kept,) = receiving.kept()
    found = pydicom.dcmread(kept)
    assert found.file_meta.TransferSyntaxUID == UID(LOSSLESS[name][0])
    assert (found.pixel_array == pixels).all()


def test_empty_uids_are_refused_with_the_reason_and_what_is_good_is_kept(
    receiving: Receiving, tmp_path: Path
) -> None:
    good, bad = slices(voxels())[:2]
    bad.SeriesInstanceUID = ""
    ae = AE(ae_title=CALLER)
    ae.add_requested_context(CTImageStorage)
    association = ae.associate("127.0.0.1", receiving.config.port, ae_title=GATEWAY)
    for header, status in ((good, 0), (bad, 0xC000)):
        (file,) = write(tmp_path / str(status), [header])
        answer = association.send_c_store(pydicom.dcmread(file))
        assert answer.Status == status
    assert answer.ErrorComment == "dicom_missing_uid"
    association.release()
    assert len(receiving.kept()) == 1


def test_a_peer_that_resets_in_the_middle_loses_nothing_that_was_confirmed(
    receiving: Receiving, tmp_path: Path
) -> None:
    headers = [pydicom.dcmread(file) for file in write(tmp_path / "ct", slices(voxels()))]
    ae = AE(ae_title=CALLER)
    ae.add_requested_context(CTImageStorage)
    for n_sent, n_kept in ((3, 3), (8, 8)):
        association = ae.associate("127.0.0.1", receiving.config.port, ae_title=GATEWAY)
        assert [association.send_c_store(header).Status for header in headers[:n_sent]] == [0] * n_sent
        association.abort()
        sent = {header.SOPInstanceUID for header in headers[:n_kept]}
        assert {pydicom.dcmread(file).SOPInstanceUID for file in receiving.kept()} == sent
        (entry,) = receiving.spool.entries()
        assert receiving.spool.close(entry, quiet_s=600, settle_s=0.0) is None  # the rest may come yet


def test_half_open_connections_hold_up_nobody(receiving: Receiving, tmp_path: Path) -> None:
    silent = [socket.create_connection(("127.0.0.1", receiving.config.port)) for _ in range(4)]
    silent[0].sendall(b"\x01\x00\x00\x00")  # the beginning of a request
    write(tmp_path / "ct", slices(voxels()))
    assert receiving.call("storescu", "+sd", str(tmp_path / "ct")).returncode == 0
    assert len(receiving.kept()) == 8
    for peer in silent:
        peer.close()


def test_a_peer_that_names_four_gigabytes_is_cut_off_before_it_sends_them(
    receiving: Receiving, tmp_path: Path
) -> None:
    with socket.create_connection(("127.0.0.1", receiving.config.port), timeout=20) as stranger:
        stranger.sendall(bytes([1, 0, 255, 255, 255, 255]) + bytes(4096))  # an A-ASSOCIATE-RQ
        with suppress(ConnectionResetError):
            assert stranger.recv(64) == b""
    (file,) = write(tmp_path / "ct", slices(voxels())[:1])
    assert receiving.call("storescu", str(file)).returncode == 0
    assert len(receiving.kept()) == 1


def test_a_message_without_end_is_cut_off_and_nothing_of_it_is_kept(
    receiving: Receiving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = np.zeros((256, 256, 4), np.int16)  # 128 KiB a slice
    paths = write(tmp_path / "ct", slices(large))
    monkeypatch.setattr(reads, "MOST_MESSAGE_BYTES", 200 << 10)
    done = receiving.call("storescu", "+sd", str(tmp_path / "ct"))
    assert done.returncode == 0, done.stderr  # each is a message of its own
    assert len(receiving.kept()) == len(paths) == 4
    monkeypatch.setattr(reads, "MOST_MESSAGE_BYTES", 100 << 10)
    (other,) = write(tmp_path / "other", slices(large)[:1])
    assert receiving.call("storescu", str(other)).returncode != 0
    assert len(receiving.kept()) == len(paths)


def test_a_series_is_closed_soon_after_its_sender_said_goodbye(receiving: Receiving, tmp_path: Path) -> None:
    write(tmp_path / "ct", slices(voxels()))
    assert receiving.call("storescu", "+sd", str(tmp_path / "ct")).returncode == 0
    (entry,) = receiving.spool.entries()
    end = time.monotonic() + 30
    while receiving.spool.close(entry, quiet_s=600, settle_s=0.1) is None:
        assert time.monotonic() < end
        time.sleep(0.05)
