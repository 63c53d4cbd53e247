"""STOW-RS to peers that behave badly: each ends in a state and a code of its own, in time, and nothing is believed too early."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from segloop.errors import InvalidInput, SegloopError, Unavailable
from services.dicom_gateway import stow
from services.dicom_gateway.credentials import Credential
from services.dicom_gateway.deliveries import Delivery, NotTaken
from services.dicom_gateway.destinations import StowRs
from services.dicom_gateway.stow import stow_rs
from services.dicom_gateway.web import Web
from tests.dicom_series import slices, voxels

PDF, SEG = Delivery("web", "pdf"), Delivery("web", "seg")
JSON = "application/dicom+json"


def failed(reason: int) -> bytes:
    return json.dumps(
        {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [reason]}}]}}
    ).encode()


EMPTY = json.dumps({"00081198": {"vr": "SQ"}, "00081199": {"vr": "SQ", "Value": [{}]}}).encode()
"""As Orthanc answers a success: the list of failures is there, and empty."""


class Peer:
    """A DICOMweb service of the test's making."""

    def __init__(self) -> None:
        self.status, self.answer, self.keeps = 200, EMPTY, True
        self.query_status = self.studies_status = 200
        self.has: dict[str, bytes] = {}
        self.posted: list[bytes] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.takes_deflated = True

    def post(self, body: bytes) -> tuple[int, bytes]:
        _, _, rest = body.partition(b"\r\n\r\n")
        file = rest[: rest.rfind(b"\r\n--")]
        self.posted.append(file)
        if is_deflated(file) and not self.takes_deflated:
            return 409, failed(0xC000)
        if self.keeps and self.status < 300:
            self.has.setdefault(uid(file), file)
        return self.status, self.answer

    def get(self, path: str) -> tuple[int, str, bytes]:
        url = httpx.URL(path)
        if "SOPInstanceUID" in url.params:
            if self.query_status != 200:
                return self.query_status, JSON, b""
            one = url.params["SOPInstanceUID"]
            found = [{"00080018": {"vr": "UI", "Value": [one]}}] if one in self.has else []
            return (200, JSON, json.dumps(found).encode())
        if url.path.endswith("/studies"):
            return self.studies_status, JSON, b"[]"
        body = self.has[url.path.rpartition("/")[2]]
        part = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + body + b"\r\n--b--\r\n"
        return 200, 'multipart/related; type="application/dicom"; boundary=b', part

    @contextmanager
    def running(self) -> Iterator[StowRs]:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                peer.requests.append(("POST", self.path, dict(self.headers)))
                status, body = peer.post(self.rfile.read(int(self.headers["Content-Length"])))
                self.reply(status, JSON, body)

            def do_GET(self) -> None:
                peer.requests.append(("GET", self.path, dict(self.headers)))
                self.reply(*peer.get(self.path))

            def reply(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                if status == 307:
                    self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever).start()
        web = Web(f"http://127.0.0.1:{server.server_port}/dicom-web/", Credential(bearer="t0ken"))
        try:
            yield StowRs(name="web", web=web)
        finally:
            server.shutdown()
            server.server_close()


def uid(body: bytes) -> str:
    return str(pydicom.dcmread(BytesIO(body), stop_before_pixels=True).SOPInstanceUID)


@pytest.fixture(scope="module")
def body() -> bytes:
    file = BytesIO()
    slices(voxels())[0].save_as(file, enforce_file_format=True)
    return file.getvalue()


def is_deflated(body: bytes) -> bool:
    syntax = pydicom.dcmread(BytesIO(body)).file_meta.TransferSyntaxUID
    return bool(syntax == DeflatedExplicitVRLittleEndian)


def deflated(body: bytes) -> bytes:
    found = pydicom.dcmread(BytesIO(body))
    found.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file = BytesIO()
    found.save_as(file, enforce_file_format=True)
    return file.getvalue()


def send(peer: StowRs, body: bytes, delivery: Delivery = PDF) -> Delivery:
    return stow_rs(peer, lambda packed: deflated(body) if packed else body, delivery)


def refused(peer: Peer, body: bytes) -> SegloopError:
    with peer.running() as there, pytest.raises(SegloopError) as error:
        send(there, body)
    return error.value


def test_what_is_stored_is_verified_and_once_there_not_sent_again(body: bytes) -> None:
    peer = Peer()
    with peer.running() as there:
        assert send(there, body).state == "verified"
        assert send(there, body).state == "verified"
    assert peer.posted == [body]
    (head,) = (headers for method, _, headers in peer.requests if method == "POST")
    assert head["Content-Type"].startswith('multipart/related; type="application/dicom"; boundary=')
    assert all(headers["Authorization"] == "Bearer t0ken" for _, _, headers in peer.requests)


@pytest.mark.parametrize("takes_deflated", [True, False])
def test_a_segmentation_goes_deflated_where_it_is_taken_and_else_plain(
    body: bytes, takes_deflated: bool
) -> None:
    peer = Peer()
    peer.takes_deflated = takes_deflated
    with peer.running() as there:
        assert send(there, body, SEG).state == "verified"
    assert [is_deflated(file) for file in peer.posted] == ([True] if takes_deflated else [True, False])


@pytest.mark.parametrize("takes_deflated", [True, False])
def test_what_one_that_can_not_be_asked_took_deflated_is_not_sent_again_plain(
    body: bytes, takes_deflated: bool
) -> None:
    peer = Peer()
    peer.query_status, peer.takes_deflated = 501, takes_deflated
    with peer.running() as there:
        assert send(there, body, SEG).state == "sent"
    assert [is_deflated(file) for file in peer.posted] == ([True] if takes_deflated else [True, False])


def test_where_it_is_configured_so_nothing_goes_deflated(body: bytes) -> None:
    peer = Peer()
    with peer.running() as there:
        send(StowRs(name="web", web=there.web, deflated=False), body, SEG)
    assert peer.posted == [body]


@pytest.mark.parametrize(
    ("status", "answer", "kind", "code"),
    [
        (409, failed(0x0122), NotTaken, "form_not_taken"),
        (202, failed(0x0122), NotTaken, "form_not_taken"),
        (415, b"", NotTaken, "form_not_taken"),
        (409, failed(0xA700), Unavailable, "destination_busy"),
        (200, failed(0x0110), Unavailable, "destination_busy"),
        (409, failed(0xC000), InvalidInput, "destination_refuses"),
        (202, failed(0xA900), InvalidInput, "destination_refuses"),
        (400, b"<html>", InvalidInput, "destination_refuses"),
        (413, b"", InvalidInput, "destination_refuses"),
        (401, b"", Unavailable, "destination_denies"),
        (403, b"[]", Unavailable, "destination_denies"),
        (404, b"", Unavailable, "destination_unavailable"),
        (307, b"", Unavailable, "destination_unavailable"),
        (500, b"null", Unavailable, "destination_unavailable"),
        (503, b"", Unavailable, "destination_unavailable"),
    ],
)
def test_each_refusal_has_its_code(
    body: bytes, status: int, answer: bytes, kind: type[SegloopError], code: str
) -> None:
    peer = Peer()
    peer.status, peer.answer, peer.keeps = status, answer, False
    error = refused(peer, body)
    assert (type(error), error.code) == (kind, code)
    assert len(peer.posted) == 1


def test_one_that_says_success_and_has_nothing_is_found_out(body: bytes) -> None:
    peer = Peer()
    peer.keeps = False
    error = refused(peer, body)
    assert (type(error), error.code) == (Unavailable, "delivery_not_found")


def test_one_that_has_another_object_under_this_uid_is_found_out(body: bytes) -> None:
    peer = Peer()
    other = pydicom.dcmread(BytesIO(body))
    other.PixelData = bytes(len(other.PixelData))
    file = BytesIO()
    other.save_as(file)
    peer.has[uid(body)] = file.getvalue()
    error = refused(peer, body)
    assert (type(error), error.code) == (InvalidInput, "delivery_differs")
    assert peer.posted == []


def test_names_that_a_pacs_wrote_anew_make_no_other_object(body: bytes) -> None:
    peer = Peer()
    coerced = pydicom.dcmread(BytesIO(body))
    coerced.PatientName, coerced.InstitutionName = "Corrected^Name", "Here"
    file = BytesIO()
    coerced.save_as(file)
    peer.has[uid(body)] = file.getvalue()
    with peer.running() as there:
        assert send(there, body).state == "verified"


@pytest.mark.parametrize(("status", "state"), [(204, None), (400, "sent"), (501, "sent")])
def test_one_that_can_not_be_asked_was_sent_and_no_more(body: bytes, status: int, state: str | None) -> None:
    peer = Peer()
    peer.query_status = status
    with peer.running() as there:
        if state is None:  # "nothing there" said in another way
            with pytest.raises(Unavailable) as error:
                send(there, body)
            assert error.value.code == "delivery_not_found"
        else:
            assert send(there, body).state == state


@pytest.mark.parametrize("delivery", [PDF, SEG])
@pytest.mark.parametrize(("studies_status", "state"), [(404, "sent"), (200, None), (204, None), (403, None)])
def test_404_is_nothing_there_only_where_there_is_anybody_to_ask(
    body: bytes, delivery: Delivery, studies_status: int, state: str | None
) -> None:
    peer = Peer()
    peer.query_status, peer.studies_status = 404, studies_status
    with peer.running() as there:
        if state is None:
            with pytest.raises(Unavailable) as error:
                send(there, body, delivery)
            assert error.value.code == "delivery_not_found"
        else:
            assert send(there, body, delivery).state == state
            assert len(peer.posted) == 1


@pytest.mark.parametrize("how", ["hangs", "resets", "is away", "talks nonsense"])
def test_one_that_is_no_pacs_ends_in_time(body: bytes, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stow, "TIMEOUT_S", 1.0)
    server = socket.create_server(("127.0.0.1", 0))
    port, held, ending = server.getsockname()[1], list[socket.socket](), threading.Event()

    def answer() -> None:
        while not ending.is_set():
            try:
                link, _ = server.accept()
            except OSError:
                return
            held.append(link)
            if how == "resets":
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes((1, 0, 0, 0, 0, 0, 0, 0)))
                link.close()
            elif how == "talks nonsense":
                link.sendall(b"\x02\x00\x00\x00" * 9)

    if how == "is away":
        server.close()
    else:
        threading.Thread(target=answer, daemon=True).start()
    begin = time.monotonic()
    with pytest.raises(Unavailable) as error:
        send(StowRs(name="web", web=Web(f"http://127.0.0.1:{port}/")), body)
    assert error.value.code == "destination_unavailable" and time.monotonic() - begin < 30
    ending.set()
    server.close()
    for link in held:
        link.close()


def test_no_uid_of_anybody_is_in_an_error(body: bytes) -> None:
    peer = Peer()
    peer.keeps = False
    found: Any = pydicom.dcmread(BytesIO(body))
    message = refused(peer, body).message
    for one in (found.SOPInstanceUID, found.StudyInstanceUID, found.SeriesInstanceUID):
        assert str(one) not in message
