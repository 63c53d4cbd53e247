"""C-STORE to peers that behave badly: each ends in a state and a code of its own, in time, and nothing is believed too early."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, SegmentationStorage
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, evt
from pynetdicom.sop_class import CTImageStorage, Verification
from pynetdicom.sop_class import StorageCommitmentPushModel as Commitment
from pynetdicom.sop_class import StorageCommitmentPushModelInstance as CommitmentInstance
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find

from segloop.errors import InvalidInput, SegloopError, Unavailable
from services.dicom_gateway import associate
from services.dicom_gateway.commitment import MOST_ASKED, Commitments
from services.dicom_gateway.deliveries import Delivery, NotTaken, after_error
from services.dicom_gateway.destinations import CStore
from services.dicom_gateway.send import c_store
from tests import orthanc
from tests.dicom_series import slices, voxels

NEW = Delivery("pacs", "seg")
AGAIN = Delivery("pacs", "seg", attempts=1)


@pytest.fixture(scope="module")
def body() -> bytes:
    file = BytesIO()
    slices(voxels())[0].save_as(file, enforce_file_format=True)
    return file.getvalue()


@pytest.fixture(autouse=True)
def in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECT_S", "ASSOCIATE_S", "ANSWER_S"):
        monkeypatch.setattr(associate, name, 2.0)


class Peer:
    """A PACS of the test's making: what it answers to C-STORE, whether it then has the object, and vouches for it.

    `vouches` is whether it does so on the same association, None for one that says yes and then nothing more.
    """

    def __init__(
        self, *, status: int = 0, keeps: bool = True, finds: bool = True, takes: bool = True
    ) -> None:
        self.status, self.keeps = status, keeps
        self.has: set[str] = set()
        self.n_stored, self.find_status = 0, 0
        self.ae = AE(ae_title="PACS")
        self.ae.add_supported_context(Verification)
        if takes:
            self.ae.add_supported_context(CTImageStorage, ALL_TRANSFER_SYNTAXES)
        if finds:
            self.ae.add_supported_context(Find)
        self.before: Callable[[Any], None] = lambda event: None
        self.vouches: bool | None = True
        self.n_asked, self.action_status = 0, 0

    def store(self, event: Any) -> int:
        self.before(event)
        self.n_stored += 1
        if self.keeps and (self.status == 0 or self.status >= 0xB000):
            self.has.add(str(event.request.AffectedSOPInstanceUID))
        return self.status

    def find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        if str(event.identifier.SOPInstanceUID) in self.has:
            yield 0xFF00, event.identifier
        if self.find_status:
            yield self.find_status, None

    def action(self, event: Any) -> tuple[int, None]:
        self.n_asked += 1
        request = event.action_information
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        where = "ReferencedSOPSequence" if self.vouches else "FailedSOPSequence"
        setattr(report, where, request.ReferencedSOPSequence)

        def tell() -> None:
            time.sleep(0.1)
            kind = 1 if self.vouches else 2
            event.assoc.send_n_event_report(report, kind, Commitment, CommitmentInstance)

        if self.vouches is not None and not self.action_status:
            threading.Thread(target=tell).start()
        return self.action_status, None

    @contextmanager
    def running(self, *, commitment: bool = False) -> Iterator[CStore]:
        handlers = [
            (evt.EVT_C_STORE, self.store),
            (evt.EVT_C_FIND, self.find),
            (evt.EVT_N_ACTION, self.action),
        ]
        port = orthanc.free_port()
        server = self.ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        assert server is not None
        yield CStore(name="pacs", aet="PACS", host="127.0.0.1", port=port, commitment=commitment)
        server.shutdown()


def send(peer: CStore, body: bytes, delivery: Delivery = NEW) -> Delivery:
    return c_store(peer, lambda deflated: body, delivery, caller="SEGLOOP", commitments=Commitments())


def refused(peer: Peer, body: bytes, delivery: Delivery = NEW) -> SegloopError:
    with peer.running() as there, pytest.raises(SegloopError) as error:
        send(there, body, delivery)
    return error.value


def test_what_is_taken_and_found_is_verified_and_not_sent_again(body: bytes) -> None:
    peer = Peer()
    with peer.running() as there:
        assert send(there, body).state == "verified"
        assert send(there, body, AGAIN).state == "verified"
    assert peer.n_stored == 1


@pytest.mark.parametrize("how", ["takes no C-FIND", "refuses this C-FIND"])
def test_one_that_can_not_be_asked_was_sent_and_no_more(body: bytes, how: str) -> None:
    peer = Peer(finds=how != "takes no C-FIND")
    peer.keeps, peer.find_status = False, 0xA900
    with peer.running() as there:
        assert send(there, body).state == "sent"


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (0xA700, Unavailable, "destination_busy"),
        (0x0110, Unavailable, "destination_busy"),
        (0x0122, NotTaken, "form_not_taken"),
        (0xA900, InvalidInput, "destination_refuses"),
        (0xC000, InvalidInput, "destination_refuses"),
    ],
)
def test_each_refusal_has_its_code(body: bytes, status: int, kind: type[SegloopError], code: str) -> None:
    error = refused(Peer(status=status), body)
    assert (type(error), error.code) == (kind, code)


def test_what_an_earlier_order_brought_is_not_sent_again(body: bytes) -> None:
    peer = Peer()
    with peer.running() as there:
        assert send(there, body).state == "verified"
        assert send(there, body, NEW).state == "verified"
    assert peer.n_stored == 1


@pytest.mark.parametrize(("finds", "state"), [(True, None), (False, "sent")])
def test_a_duplicate_is_there_and_is_asked_for_like_any(body: bytes, finds: bool, state: str | None) -> None:
    peer = Peer(status=0x0111, finds=finds)
    if state is None:  # it says so, and does not have it
        assert refused(peer, body).code == "delivery_not_found"
    else:
        with peer.running() as there:
            assert send(there, body).state == state


def test_a_warning_means_it_was_stored(body: bytes) -> None:
    with Peer(status=0xB000).running() as there:
        assert send(there, body).state == "verified"


def test_one_that_takes_no_such_objects_is_told_from_one_that_is_away(body: bytes) -> None:
    error = refused(Peer(takes=False), body)
    assert (type(error), error.code) == (NotTaken, "form_not_taken")
    away = CStore(name="pacs", aet="PACS", host="127.0.0.1", port=orthanc.free_port())
    with pytest.raises(Unavailable) as missed:
        send(away, body)
    assert missed.value.code == "destination_unavailable"


@pytest.mark.parametrize(
    "takes", [[ImplicitVRLittleEndian], [ImplicitVRLittleEndian, ExplicitVRLittleEndian]]
)
def test_one_that_takes_only_the_default_syntax_gets_the_same_object_in_that(
    body: bytes, takes: list[str]
) -> None:
    peer, got = Peer(takes=False), list[Any]()
    peer.ae.add_supported_context(CTImageStorage, takes)
    peer.before = lambda event: got.append((event.context.transfer_syntax, event.dataset))
    with peer.running() as there:
        assert send(there, body).state == "verified"
    ((syntax, theirs),) = got
    assert syntax == takes[-1], "as it is, where that is taken"
    assert theirs == pydicom.dcmread(BytesIO(body))


def test_a_compressed_object_is_not_offered_to_one_that_takes_only_the_default_syntax(body: bytes) -> None:
    found, file = pydicom.dcmread(BytesIO(body)), BytesIO()
    found.compress(RLELossless)
    found.save_as(file)
    peer = Peer(takes=False)
    peer.ae.add_supported_context(CTImageStorage, ImplicitVRLittleEndian)
    assert refused(peer, file.getvalue()).code == "form_not_taken" and peer.n_stored == 0


def test_one_that_lies_about_success_is_found_out_and_later_believed_when_it_has_it(body: bytes) -> None:
    peer = Peer(keeps=False)
    error = refused(peer, body)
    assert (type(error), error.code) == (Unavailable, "delivery_not_found")
    peer.has.add(str(pydicom.dcmread(BytesIO(body)).SOPInstanceUID))  # it was only slow
    with peer.running() as there:
        assert send(there, body, AGAIN).state == "verified"
    assert peer.n_stored == 1


def test_one_that_does_not_know_us_is_away(body: bytes) -> None:
    peer = Peer()
    peer.ae.require_calling_aet = ["OTHER"]
    assert refused(peer, body).code == "destination_unavailable"
    assert peer.n_stored == 0


def test_one_that_aborts_while_it_stores_is_tried_again_later(body: bytes) -> None:
    peer = Peer()
    peer.before = lambda event: event.assoc.abort()
    error = refused(peer, body)
    assert isinstance(error, Unavailable)


def test_one_that_hangs_while_it_stores_ends_in_time(body: bytes) -> None:
    go = threading.Event()
    peer = Peer()
    peer.before = lambda event: go.wait(60) and None
    begin = time.monotonic()
    try:
        with peer.running() as there:
            with pytest.raises(Unavailable):
                send(there, body)
            assert time.monotonic() - begin < 30
            go.set()
    finally:
        go.set()


def test_one_that_vouches_on_the_same_association_is_believed(body: bytes) -> None:
    peer = Peer(finds=False)
    peer.ae.add_supported_context(Commitment)
    with peer.running(commitment=True) as there:
        assert send(there, body).state == "verified"
    assert (peer.n_stored, peer.n_asked) == (1, 1)


def test_one_that_has_it_and_does_not_vouch_for_it_is_not_believed(body: bytes) -> None:
    peer = Peer()
    peer.vouches = False
    peer.ae.add_supported_context(Commitment)
    with peer.running(commitment=True) as there, pytest.raises(Unavailable) as error:
        send(there, body)
    assert error.value.code == "delivery_not_committed"


@pytest.mark.parametrize("how", ["takes no requests", "refuses the request"])
def test_one_that_can_not_vouch_is_asked_by_c_find(body: bytes, how: str) -> None:
    peer = Peer()
    peer.action_status = 0x0110
    if how == "refuses the request":
        peer.ae.add_supported_context(Commitment)
    with peer.running(commitment=True) as there:
        assert send(there, body).state == "verified"


def test_one_that_never_answers_is_asked_again_without_sending_again_and_then_left(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.dicom_gateway.send.AT_ONCE_S", 0.0)
    peer = Peer()
    peer.vouches = None
    peer.ae.add_supported_context(Commitment)
    with peer.running(commitment=True) as there:
        delivery = send(there, body)
        assert (delivery.state, delivery.code) == ("waiting", "commitment_pending")
        assert delivery.transaction and delivery.next_try > time.time()
        while delivery.state == "waiting":
            delivery = send(there, body, delivery)
    assert (delivery.state, delivery.code, delivery.transaction) == ("sent", "commitment_missing", "")
    assert (peer.n_stored, peer.n_asked) == (1, MOST_ASKED)


def test_one_that_was_away_before_or_while_it_is_asked_is_asked_as_often_as_any(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.dicom_gateway.send.AT_ONCE_S", 0.0)
    peer, away = Peer(finds=False), Unavailable("destination_unavailable", "It is away.")
    peer.vouches = None
    peer.ae.add_supported_context(Commitment)
    with peer.running(commitment=True) as there:
        delivery = send(there, body, replace(NEW, attempts=30))
        assert (delivery.state, delivery.code) == ("waiting", "commitment_pending")
        assert delivery.next_try < time.time() + 10, "it was away before, and not now"
        delivery = send(there, body, after_error(delivery, away))
        assert delivery.code == "commitment_pending" and (peer.n_stored, peer.n_asked) == (1, 2)
        while delivery.state == "waiting":
            delivery = send(there, body, delivery)
    assert (peer.n_stored, peer.n_asked) == (1, MOST_ASKED)


@pytest.mark.parametrize("how", ["says nothing", "resets", "talks nonsense"])
def test_one_that_is_no_pacs_ends_in_time(body: bytes, how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def answer() -> None:
            link, _ = server.accept()
            if how == "talks nonsense":
                link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3)
            if how == "resets":
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes((1, 0, 0, 0, 0, 0, 0, 0)))
                link.close()
            held.append(link)

        thread = threading.Thread(target=answer)
        thread.start()
        there = CStore(name="pacs", aet="PACS", host="127.0.0.1", port=server.getsockname()[1])
        with pytest.raises(Unavailable) as error:
            send(there, body)
        thread.join(10)
        assert error.value.code == "destination_unavailable"
        for link in held:
            link.close()


def test_a_refusal_names_the_kind_of_object_and_no_uid(body: bytes) -> None:
    found = pydicom.dcmread(BytesIO(body))
    found.SOPClassUID = found.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    file = BytesIO()
    found.save_as(file)
    error = refused(Peer(), file.getvalue())
    assert "takes no Segmentation" in error.message and str(found.SOPInstanceUID) not in error.message
