"""Pulls by UID from a real PACS, in the syntax it stores, whole or not at all."""

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import Dataset
from pydicom.encaps import generate_fragments
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, Verification
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind as Find,
)
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as Get
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as Move

from segloop.errors import InvalidInput, NotFound, SegloopError, Unavailable
from services.dicom_gateway.config import Config
from services.dicom_gateway.credentials import Certificates, Credential
from services.dicom_gateway.pull import Awaited
from services.dicom_gateway.receive import Receiver
from services.dicom_gateway.retrieve import Retriever
from services.dicom_gateway.sources import DimseSource, Source, WebSource
from services.dicom_gateway.spool import Spool
from services.dicom_gateway.web import Web
from tests import certificates, orthanc
from tests.dicom_series import slices, voxels, write

GATEWAY, J2K = "SEGLOOP", "1.2.840.10008.1.2.4.90"
WAYS = ("dicomweb", "c-get", "c-move")


@pytest.fixture(scope="module")
def third_party() -> None:
    """The programs of other people that some of these tests are about: in CI they must be there."""
    missing = orthanc.missing()
    if missing and os.environ.get("CI"):
        pytest.fail(f"these are needed in CI: {missing}")
    if missing:
        pytest.skip(f"NOT RUN: install {', '.join(missing)}")


@pytest.fixture
def series() -> list[Dataset]:
    """A series whose first half is JPEG 2000, as in an archive that changed its mind."""
    found = slices(voxels((64, 64, 6)))
    for header in found[:3]:
        header.compress(J2K, generate_instance_uid=False)
    return found


class Puller:
    """A gateway that knows one Orthanc by every way, and its receiver."""

    def __init__(self, folder: Path, pacs: orthanc.Orthanc) -> None:
        there: dict[str, Any] = {"aet": orthanc.AET, "host": "127.0.0.1", "port": pacs.dicom_port}
        self.sources: dict[str, Source] = {
            "dicomweb": WebSource(name="dicomweb", web=Web(f"http://127.0.0.1:{pacs.http_port}/dicom-web/")),
            "c-get": DimseSource(name="c-get", kind="c-get", **there),
            "c-move": DimseSource(name="c-move", kind="c-move", **there),
        }
        self.port = orthanc.free_port()
        self.spool, awaited = Spool(folder / "spool"), Awaited()
        config = Config(aet=GATEWAY, port=self.port, sources=self.sources)
        self.receiver = Receiver(config, self.spool, awaited)
        self.retriever = Retriever(self.sources, self.spool, awaited, caller=GATEWAY)


@pytest.fixture
def pacs(third_party: None, tmp_path: Path, series: list[Dataset]) -> Iterator[orthanc.Orthanc]:
    found = orthanc.new(tmp_path / "orthanc", GATEWAY)
    with found.running(), found.http as http:
        for file in write(tmp_path / "ct", series):
            assert http.post("/instances", content=file.read_bytes()).status_code == 200
        yield found


@pytest.fixture
def puller(tmp_path: Path, pacs: orthanc.Orthanc) -> Iterator[Puller]:
    found = Puller(tmp_path, pacs)
    found.receiver.start()
    with pacs.http as http:
        modality = {"AET": GATEWAY, "Host": "127.0.0.1", "Port": found.port}
        assert http.put("/modalities/segloop", json=modality).status_code == 200
    yield found
    found.receiver.stop()


def uids(series: Sequence[Dataset]) -> tuple[str, str]:
    return str(series[0].StudyInstanceUID), str(series[0].SeriesInstanceUID)


def pixels(dataset: Dataset) -> bytes:
    return b"".join(list(generate_fragments(dataset.PixelData))[1:])


@pytest.mark.parametrize("way", WAYS)
def test_a_series_is_pulled_whole_in_the_syntax_that_it_is_stored_in(
    puller: Puller, series: list[Dataset], way: str
) -> None:
    entry = puller.retriever.retrieve(way, *uids(series))
    assert (entry.caller, entry.stage, entry.route) == (way, "closed", "retrieve")
    found = {one.SOPInstanceUID: one for one in map(pydicom.dcmread, puller.spool.files(entry).iterdir())}
    assert found.keys() == {header.SOPInstanceUID for header in series}
    for header in series:
        one = found[header.SOPInstanceUID]
        assert one.file_meta.TransferSyntaxUID == header.file_meta.TransferSyntaxUID
        if header.file_meta.TransferSyntaxUID == J2K:
            assert pixels(one) == pixels(header)
        else:
            assert one.PixelData == header.PixelData
    assert puller.retriever.retrieve(way, *uids(series)) == entry  # again: the same
    assert len(puller.spool.entries()) == 1 and not list(puller.spool.draft().parent.iterdir())


@pytest.mark.parametrize("way", WAYS)
def test_a_series_that_nobody_has_is_told_so(puller: Puller, series: list[Dataset], way: str) -> None:
    for unknown in ((generate_uid(), generate_uid()), (uids(series)[0], generate_uid())):
        with pytest.raises(NotFound) as refused:
            puller.retriever.retrieve(way, *unknown)
        assert refused.value.code == "series_unknown_at_source"
    assert not puller.spool.entries()


@pytest.mark.parametrize("way", WAYS)
def test_probing_says_whether_a_source_is_there(puller: Puller, way: str) -> None:
    puller.retriever.probe(way)
    away = orthanc.free_port()
    gone: Source = (
        WebSource(name="x", web=Web(f"http://127.0.0.1:{away}/dicom-web/"))
        if way == "dicomweb"
        else DimseSource(name="x", kind="c-get", aet="X", host="127.0.0.1", port=away)
    )
    retriever = Retriever({"x": gone}, puller.spool, Awaited(), caller=GATEWAY)
    with pytest.raises(Unavailable) as refused:
        retriever.probe("x")
    assert refused.value.code == "source_unavailable"
    with pytest.raises(Unavailable) as refused:
        retriever.retrieve("x", generate_uid(), generate_uid())
    assert refused.value.code == "source_unavailable"


def test_a_source_that_rejects_us_refuses(puller: Puller, series: list[Dataset]) -> None:
    there = puller.sources["c-get"]
    assert isinstance(there, DimseSource)
    other = DimseSource(name="x", kind="c-get", aet="OTHER", host=there.host, port=there.port)
    with pytest.raises(InvalidInput) as refused:
        Retriever({"x": other}, puller.spool, Awaited(), caller=GATEWAY).retrieve("x", *uids(series))
    assert refused.value.code == "source_refuses"


def test_a_source_that_does_not_know_where_we_are_refuses(tmp_path: Path) -> None:
    def move(event: Any) -> Iterator[Any]:
        yield None, None

    ae = AE(ae_title="ARCHIVE")
    ae.add_supported_context(Move)
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_MOVE, move)])
    port = server.socket.getsockname()[1]
    source = DimseSource(name="x", kind="c-move", aet="ARCHIVE", host="127.0.0.1", port=port)
    with pytest.raises(InvalidInput) as refused:
        Retriever({"x": source}, Spool(tmp_path), Awaited(), caller=GATEWAY).retrieve("x", "1.2", "1.2.3")
    server.shutdown()
    assert refused.value.code == "source_refuses" and GATEWAY in refused.value.message


def test_who_may_only_answer_a_move_may_not_send_of_itself(
    puller: Puller, tmp_path: Path, series: list[Dataset]
) -> None:
    ae = AE(ae_title=orthanc.AET)
    ae.add_requested_context(CTImageStorage)
    association = ae.associate("127.0.0.1", puller.port, ae_title=GATEWAY)
    assert association.is_established
    assert association.send_c_store(series[5]).Status == 0x0124
    association.release()
    assert not puller.spool.entries()


Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def web(answer: Callable[[str, dict[str, str]], Answer], tls: Certificates | None = None) -> Iterator[str]:
    """Serve answers of any kind, as other archives give them."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer(self.path, dict(self.headers))
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.server().wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}/dicom-web/"
    server.shutdown()
    thread.join()
    server.server_close()


def pulled(
    folder: Path,
    answer: Callable[[str, dict[str, str]], Answer],
    *,
    tls: Certificates | None = None,
    **access: Any,
) -> SegloopError | int:
    """Pull from such an archive; return the error, or how many files came."""
    spool = Spool(folder / "spool")
    with web(answer, tls) as url:
        source = WebSource(name="x", web=Web(url, **access))
        try:
            entry = Retriever({"x": source}, spool, Awaited(), caller=GATEWAY).retrieve(
                "x", *uids(slices(voxels()))
            )
        except SegloopError as error:
            assert not spool.entries() and not list(spool.draft().parent.iterdir())
            return error
        return len(list(spool.files(entry).iterdir()))


def archive(
    folder: Path, *, told: int | None = 8, given: int = 8, whole: bool = True
) -> Callable[..., Answer]:
    bodies = [file.read_bytes() for file in write(folder / "ct", slices(voxels()))][:given]
    parts = b"".join(b"--b\r\n\r\n" + body + b"\r\n" for body in bodies) + b"--b--\r\n"
    count = {} if told is None else {"00201209": {"vr": "IS", "Value": [told]}}

    def answer(path: str, headers: dict[str, str]) -> Answer:
        if path.split("?")[0].endswith("/series"):
            return 200, {"Content-Type": "application/dicom+json"}, json.dumps([count]).encode()
        kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
        return 200, kind, parts if whole else parts[:-5000]

    return answer


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, {}, b"[]"), "series_unknown_at_source"),
        ((204, {}, b""), "series_unknown_at_source"),
        ((404, {}, b""), "series_unknown_at_source"),
        ((401, {}, b""), "source_refuses"),
        ((403, {}, b""), "source_refuses"),
        ((500, {}, b""), "source_unavailable"),
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), "source_unavailable"),
        ((200, {}, b"<html>"), "source_unavailable"),
    ],
)
def test_archives_say_no_in_several_ways(tmp_path: Path, answer: Answer, code: str) -> None:
    error = pulled(tmp_path, lambda *_: answer)
    assert isinstance(error, SegloopError) and error.code == code


@pytest.mark.parametrize(
    ("lie", "found"),
    [
        ({}, 8),
        ({"told": None}, 8),
        ({"told": 9}, "source_incomplete"),
        ({"given": 3}, "source_incomplete"),
        ({"whole": False}, "source_incomplete"),
    ],
)
def test_what_is_not_whole_is_not_taken(tmp_path: Path, lie: dict[str, Any], found: int | str) -> None:
    answer = pulled(tmp_path, archive(tmp_path, **lie))
    assert (answer.code if isinstance(answer, SegloopError) else answer) == found


def test_the_token_is_sent_and_who_does_not_know_any_syntax_is_asked_without(
    tmp_path: Path,
) -> None:
    plain, asked = archive(tmp_path), []

    def answer(path: str, headers: dict[str, str]) -> Answer:
        asked.append(headers["Accept"])
        if headers.get("Authorization") != "Bearer secret-of-the-archive":
            return 401, {}, b""
        return (406, {}, b"") if "transfer-syntax=*" in headers["Accept"] else plain(path, headers)

    assert pulled(tmp_path, answer, credential=Credential(bearer="secret-of-the-archive")) == 8
    assert len(asked) == 3


def test_a_pull_by_c_get_that_breaks_off_or_holds_back_is_not_taken(tmp_path: Path) -> None:
    headers, given = slices(voxels()), 3

    def find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        found = Dataset()
        found.NumberOfSeriesRelatedInstances = 8
        yield 0xFF00, found

    def get(event: Any) -> Iterator[Any]:
        yield given
        for header in headers[:given]:
            yield 0xFF00, header

    ae = AE(ae_title="ARCHIVE")
    ae.add_supported_context(Find)
    ae.add_supported_context(Get)
    ae.add_supported_context(CTImageStorage, scu_role=True, scp_role=True)
    server = ae.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, find), (evt.EVT_C_GET, get)]
    )
    port = server.socket.getsockname()[1]
    source = DimseSource(name="x", kind="c-get", aet="ARCHIVE", host="127.0.0.1", port=port)
    spool = Spool(tmp_path / "spool")
    with pytest.raises(Unavailable) as refused:
        Retriever({"x": source}, spool, Awaited(), caller=GATEWAY).retrieve("x", *uids(headers))
    server.shutdown()
    assert refused.value.code == "source_incomplete" and "3 of 8" in refused.value.message
    assert not spool.entries()


def of(pem: Path, name: str) -> Certificates:
    return Certificates(str(pem / f"{name}.crt"), str(pem / f"{name}.key"), str(pem / "ca.crt"))


@pytest.mark.parametrize(
    ("who", "found"), [("client", 8), ("stranger", "source_unavailable"), ("", "source_unavailable")]
)
def test_an_archive_that_asks_for_a_certificate_gets_ours(tmp_path: Path, who: str, found: int | str) -> None:
    pem = certificates.make(tmp_path / "pem")
    ours = of(pem, who) if who else Certificates(ca=str(pem / "ca.crt"))
    answer = pulled(tmp_path, archive(tmp_path), tls=of(pem, "server"), certificates=ours)
    assert (answer.code if isinstance(answer, SegloopError) else answer) == found


def test_an_archive_with_a_certificate_of_nobody_we_know_is_not_talked_to(tmp_path: Path) -> None:
    pem = certificates.make(tmp_path / "pem")
    error = pulled(tmp_path, archive(tmp_path), tls=of(pem, "stranger"), certificates=of(pem, "client"))
    assert isinstance(error, SegloopError) and error.code == "source_unavailable"


def test_a_dicom_source_over_tls_wants_certificates_on_both_sides(tmp_path: Path) -> None:
    pem = certificates.make(tmp_path / "pem")
    ae = AE(ae_title="ARCHIVE")
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False, ssl_context=of(pem, "server").server())
    there: dict[str, Any] = {"aet": "ARCHIVE", "host": "127.0.0.1", "port": server.socket.getsockname()[1]}
    sources: dict[str, Source] = {
        "known": DimseSource(name="known", kind="c-get", tls=of(pem, "client"), **there),
        "stranger": DimseSource(name="stranger", kind="c-get", tls=of(pem, "stranger"), **there),
        "plain": DimseSource(name="plain", kind="c-get", **there),
    }
    retriever = Retriever(sources, Spool(tmp_path / "spool"), Awaited(), caller=GATEWAY)
    retriever.probe("known")
    for name in ("stranger", "plain"):
        with pytest.raises(Unavailable) as refused:
            retriever.probe(name)
        assert refused.value.code == "source_unavailable"
    server.shutdown()


@pytest.mark.parametrize("uid", ["", "1", "1.2/../3", "1.2?x=1", "1." + "2" * 64])
def test_what_is_no_uid_is_not_asked_for(tmp_path: Path, uid: str) -> None:
    source = WebSource(name="x", web=Web("http://127.0.0.1:9/"))
    with pytest.raises(InvalidInput) as refused:
        Retriever({"x": source}, Spool(tmp_path), Awaited(), caller=GATEWAY).retrieve("x", "1.2.3", uid)
    assert refused.value.code == "uid_invalid"
