"""STOW-RS in: other people's clients send to a real port, and what the answer says is kept is on disk, to the byte."""

import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.encaps import generate_fragments

from services.dicom_gateway.config_stow import Stow
from services.dicom_gateway.credentials import Certificates, Credential
from services.dicom_gateway.parts import Limits
from services.dicom_gateway.spool import Spool
from services.dicom_gateway.stow_server import StowServer
from tests import certificates, orthanc
from tests.dicom_series import slices, voxels, write

TOKEN, PASSWORD = "a-token-of-the-archive", "a-password-of-the-ris"
SENDERS = {"ARCHIVE": Credential(bearer=TOKEN), "RIS": Credential(user="ris", password=PASSWORD)}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Served:
    """A STOW-RS server on a port of its own and what it kept."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.port = orthanc.free_port()
        self.spool = Spool(folder / "spool")
        self.server = StowServer(Stow(self.port, SENDERS, **options), self.spool)
        scheme = "https" if "certificates" in options else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}/dicom-web"

    def kept(self) -> set[bytes]:
        """Return the bytes of all kept files."""
        return {
            file.read_bytes() for entry in self.spool.entries() for file in self.spool.files(entry).iterdir()
        }

    def drafts(self) -> list[Path]:
        return list(self.spool.draft().parent.iterdir())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    found = Served(tmp_path, limits=Limits(part_bytes=100_000, parts=20))
    found.server.start()
    yield found
    found.server.stop()


def post(served: Served, bodies: list[bytes], *, study: str = "", **headers: str) -> httpx.Response:
    parts = [b"--x\r\nContent-Type: application/dicom\r\n\r\n" + body + b"\r\n" for body in bodies]
    kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}
    return httpx.post(
        f"{served.url}/studies{study}",
        content=b"".join(parts) + b"--x--\r\n",
        headers={**BEARER, **kind, **headers},
    )


def reasons(answer: httpx.Response) -> list[int]:
    return [item["00081197"]["Value"][0] for item in answer.json()["00081198"]["Value"]]


def files(tmp_path: Path, **options: Any) -> list[bytes]:
    return [file.read_bytes() for file in write(tmp_path / "ct", slices(voxels(), **options))]


def test_dicomweb_client_stores_a_series_and_is_told_each_instance(served: Served, tmp_path: Path) -> None:
    headers = [pydicom.dcmread(file) for file in write(tmp_path / "ct", slices(voxels()))]
    session = requests.Session()
    session.auth = ("ris", PASSWORD)
    client = DICOMwebClient(served.url, session=session)
    answer = client.store_instances(headers)
    told = {item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence}
    assert told == {header.SOPInstanceUID for header in headers} and "FailedSOPSequence" not in answer
    (entry,) = served.spool.entries()
    assert (entry.caller, entry.stage, len(served.kept())) == ("RIS", "receiving", 8)
    assert not served.drafts()


def test_what_is_kept_is_what_was_sent_to_the_byte_and_again_is_harmless(
    served: Served, tmp_path: Path
) -> None:
    sent = files(tmp_path)
    study = pydicom.dcmread(tmp_path / "ct" / "00000.dcm").StudyInstanceUID
    for _ in range(2):
        answer = post(served, sent, study=f"/{study}")
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/dicom+json"
        assert len(answer.json()["00081199"]["Value"]) == 8
    assert served.kept() == set(sent) and len(served.spool.entries()) == 1


def test_some_refused_is_202_and_all_refused_409_each_with_its_reason(served: Served, tmp_path: Path) -> None:
    good, other_class, unnamed, long, changed = slices(voxels())[:5]
    other_class.SOPClassUID = other_class.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    unnamed.SeriesInstanceUID = ""
    long.PixelData = bytes(200_000)
    bodies = [
        file.read_bytes() for file in write(tmp_path / "a", [good, other_class, unnamed, long, changed])
    ]
    answer = post(served, [*bodies, b"this is no DICOM"])
    assert answer.status_code == 202
    assert sorted(reasons(answer)) == [0x0122, 0xA700, 0xC000]
    assert answer.json()["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}]
    assert len(answer.json()["00081199"]["Value"]) == len(served.kept()) == 2
    changed.PatientName = "Somebody^Else"
    (other,) = write(tmp_path / "b", [changed])
    refused = post(served, [other.read_bytes()])
    assert refused.status_code == 409 and reasons(refused) == [0x0111] and len(served.kept()) == 2
    elsewhere = post(served, [bodies[0]], study="/1.2.3")
    assert elsewhere.status_code == 409 and reasons(elsewhere) == [0xA900]
    assert not served.drafts()


@pytest.mark.parametrize("said", ["", "Bearer wrong", "Basic cmlzOndyb25n", TOKEN])
def test_who_does_not_say_the_secret_may_not_send(served: Served, tmp_path: Path, said: str) -> None:
    answer = post(served, files(tmp_path), Authorization=said)
    assert answer.status_code == 401 and "Bearer" in answer.headers["www-authenticate"]
    assert not served.kept() and not served.drafts()


def test_bodies_that_are_none_are_refused(served: Served, tmp_path: Path) -> None:
    (one, *_), kind = files(tmp_path), 'multipart/related; type="application/dicom"; boundary=x'
    address = f"{served.url}/studies"

    def send(body: bytes, content_type: str = kind) -> int:
        headers = {**BEARER, "Content-Type": content_type}
        return httpx.post(address, content=body, headers=headers).status_code

    assert send(one, "application/dicom") == 415
    assert send(one, 'multipart/related; type="application/dicom+json"; boundary=x') == 415
    assert send(b"nothing of the kind") == 400
    assert send(b"--x\r\n\r\n" + one) == 400  # it breaks off
    assert post(served, [one] * 21).status_code == 413
    assert not served.drafts()


def test_a_sender_that_breaks_off_leaves_nothing_half(served: Served, tmp_path: Path) -> None:
    sent = files(tmp_path)
    head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 999999\r\n"
    head += 'Content-Type: multipart/related; type="application/dicom"; boundary=x\r\n\r\n'
    with socket.create_connection(("127.0.0.1", served.port)) as peer:
        peer.sendall(head.encode() + b"--x\r\n\r\n" + sent[0] + b"\r\n--x\r\n\r\n" + sent[1][:500])
        end = time.monotonic() + 30
        while not (served.kept() and served.drafts()):
            assert time.monotonic() < end
            time.sleep(0.02)
    while served.drafts():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert served.kept() == {sent[0]}
    assert post(served, sent).status_code == 200 and served.kept() == set(sent)


def test_a_full_disk_is_told(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(served.spool, "take", full)
    answer = post(served, files(tmp_path))
    assert answer.status_code == 409 and set(reasons(answer)) == {0xA700} and not served.drafts()


def test_over_tls_a_client_certificate_is_demanded_where_an_authority_is_given(tmp_path: Path) -> None:
    folder = certificates.make(tmp_path / "pem")
    ours = Certificates(str(folder / "server.crt"), str(folder / "server.key"), str(folder / "ca.crt"))
    served = Served(tmp_path, certificates=ours)
    served.server.start()
    try:
        theirs = Certificates(str(folder / "client.crt"), str(folder / "client.key"), str(folder / "ca.crt"))
        address = f"{served.url}/studies"
        with httpx.Client(verify=theirs.client()) as known:
            assert known.post(address).status_code == 401
        anonymous = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        with httpx.Client(verify=anonymous) as stranger, pytest.raises(httpx.TransportError):
            stranger.post(address)
        with pytest.raises(httpx.TransportError):
            httpx.post(address.replace("https", "http"))
    finally:
        served.server.stop()


def test_orthanc_delivers_a_series_by_stow(served: Served, tmp_path: Path) -> None:
    missing = orthanc.missing()
    if missing and os.environ.get("CI"):
        pytest.fail(f"these are needed in CI: {missing}")
    if missing:
        pytest.skip(f"NOT RUN: install {', '.join(missing)}")
    headers = slices(voxels((64, 64, 4)))
    headers[0].compress("1.2.840.10008.1.2.4.90")  # its bytes must come through as they are
    pixels = list(generate_fragments(headers[0].PixelData))[1:]
    pacs = orthanc.new(tmp_path / "orthanc")
    with pacs.running(), pacs.http as http:
        for file in write(tmp_path / "ct", headers):
            assert http.post("/instances", content=file.read_bytes()).status_code == 200
        (series,) = http.get("/series").json()
        server = {"Url": f"{served.url}/", "HttpHeaders": BEARER}
        assert http.put("/dicom-web/servers/segloop", json=server).status_code == 200
        body = {"Resources": [series], "Synchronous": True}
        answer = http.post("/dicom-web/servers/segloop/stow", json=body)
        assert answer.status_code == 200, answer.text
    (entry,) = served.spool.entries()
    found = [pydicom.dcmread(file) for file in served.spool.files(entry).iterdir()]
    assert {one.SOPInstanceUID for one in found} == {header.SOPInstanceUID for header in headers}
    (compressed,) = (one for one in found if one.SOPInstanceUID == headers[0].SOPInstanceUID)
    assert compressed.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.90"
    assert list(generate_fragments(compressed.PixelData))[1:] == pixels
