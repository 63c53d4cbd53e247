"""The object store on a real S3 server: what goes in comes out, and every failure has its name."""

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from segloop.errors import InvalidInput, NotFound, Unavailable
from segloop.storage import ObjectStore, new_key, open_store


@pytest.fixture
def store(object_store_settings: dict[str, str]) -> ObjectStore:
    return open_store(
        endpoint=object_store_settings["SEGLOOP_S3_ENDPOINT"],
        access_key=object_store_settings["SEGLOOP_S3_ACCESS_KEY"],
        secret_key=object_store_settings["SEGLOOP_S3_SECRET_KEY"],
        bucket=object_store_settings["SEGLOOP_S3_BUCKET"],
    )


def test_a_file_larger_than_one_part_comes_back_byte_for_byte(store: ObjectStore, tmp_path: Path) -> None:
    source, copy, key = (
        tmp_path / "source",
        tmp_path / "copy",
        new_key("volumes", ".nii.gz"),
    )
    source.write_bytes(os.urandom(17 << 20))
    stored = store.put_file(key, source)
    assert store.fetch(key, copy) == stored.size_bytes == 17 << 20
    assert copy.read_bytes() == source.read_bytes()
    assert store.stat(key).etag == stored.etag


@pytest.mark.parametrize(
    ("offset", "size", "expected"),
    [
        (0, None, b"0123456789"),
        (3, 4, b"3456"),
        (8, 99, b"89"),
        (10, None, b""),
        (4, 0, b""),
    ],
)
def test_a_range_is_exactly_the_bytes_asked_for(
    store: ObjectStore, offset: int, size: int | None, expected: bytes
) -> None:
    key = new_key("volumes")
    store.put_bytes(key, b"0123456789")
    with store.open(key, offset=offset, size_bytes=size) as reader:
        assert reader.size_bytes == len(expected)
        assert b"".join(reader) == expected


def test_a_range_beyond_the_end_is_refused_with_the_real_size(
    store: ObjectStore,
) -> None:
    key = new_key("volumes")
    store.put_bytes(key, b"0123456789")
    with pytest.raises(InvalidInput) as refused:
        store.open(key, offset=11)
    assert refused.value.code == "range_not_satisfiable"
    assert refused.value.details == {"size_bytes": 10}


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    key = new_key("volumes")
    store.put_bytes(key, b"")
    assert store.stat(key).size_bytes == 0
    assert store.read(key) == b""


def test_a_missing_object_is_not_found_before_a_byte_is_read_and_leaves_no_file(
    store: ObjectStore, tmp_path: Path
) -> None:
    key = new_key("masks")
    for ask in (
        store.stat,
        store.open,
        store.read,
        lambda k: store.fetch(k, tmp_path / "copy"),
    ):
        with pytest.raises(NotFound) as missing:
            ask(key)
        assert missing.value.code == "object_missing"
    assert not (tmp_path / "copy").exists()


def test_deleting_twice_is_harmless(store: ObjectStore) -> None:
    key = new_key("masks")
    store.put_bytes(key, b"mask")
    store.delete(key)
    store.delete(key)
    with pytest.raises(NotFound):
        store.stat(key)


def test_listing_gives_only_what_lies_under_the_prefix_in_order(
    store: ObjectStore,
) -> None:
    for name in ("uploads/a1/2", "uploads/a1/1", "uploads/a2/1", "volumes/a1"):
        store.put_bytes(name, name.encode())
    assert [found.key for found in store.list_("uploads/a1/")] == [
        "uploads/a1/1",
        "uploads/a1/2",
    ]
    assert list(store.list_("nothing/")) == []


def test_many_threads_share_one_store(store: ObjectStore) -> None:
    def round_trip(n: int) -> bool:
        key, data = new_key("volumes"), bytes([n]) * (100_000 + n)
        store.put_bytes(key, data)
        return store.read(key) == data

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(round_trip, range(24)))


def test_a_reader_that_stops_early_does_not_spoil_the_next(store: ObjectStore) -> None:
    first, second = new_key("volumes"), new_key("volumes")
    store.put_bytes(first, b"a" * 5_000_000)
    store.put_bytes(second, b"b" * 1000)
    for _ in range(20):
        with store.open(first) as reader:
            assert reader.read(10) == b"a" * 10
        assert store.read(second) == b"b" * 1000


@pytest.mark.parametrize(
    "key",
    [
        "Smith.nii",
        "volumes/John Smith.nii",
        "volumes/../x",
        "volumes",
        "/volumes/x",
        "a//b",
    ],
)
def test_a_key_that_could_carry_a_name_or_a_path_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(ValueError, match="random ids"):
        store.put_bytes(key, b"")


def test_ping_knows_a_missing_bucket_and_wrong_keys(
    object_store_settings: dict[str, str], store: ObjectStore
) -> None:
    store.ping()
    endpoint, access = (
        object_store_settings["SEGLOOP_S3_ENDPOINT"],
        object_store_settings["SEGLOOP_S3_ACCESS_KEY"],
    )
    secret, bucket = (
        object_store_settings["SEGLOOP_S3_SECRET_KEY"],
        object_store_settings["SEGLOOP_S3_BUCKET"],
    )
    for other_secret, other_bucket in [(secret, "no-such-bucket"), ("wrong", bucket)]:
        other = open_store(
            endpoint=endpoint,
            access_key=access,
            secret_key=other_secret,
            bucket=other_bucket,
        )
        with pytest.raises(Unavailable) as refused:
            other.ping()
        assert refused.value.code == "storage_unavailable"


def test_a_store_that_is_down_is_unavailable_within_seconds() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    store = open_store(
        endpoint=f"127.0.0.1:{port}",
        access_key="a",
        secret_key="b" * 8,
        bucket="segloop",
    )
    started = time.monotonic()
    for ask in (
        store.ping,
        lambda: store.put_bytes("volumes/a", b"x"),
        lambda: list(store.list_("volumes/")),
    ):
        with pytest.raises(Unavailable) as down:
            ask()
        assert down.value.code == "storage_unavailable"
    assert time.monotonic() - started < 5


def test_a_store_that_hangs_is_unavailable_after_its_time_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        store = open_store(
            endpoint=address,
            access_key="a",
            secret_key="b" * 8,
            bucket="segloop",
            timeout_s=0.5,
        )
        started = time.monotonic()
        with pytest.raises(Unavailable):
            store.ping()
        assert time.monotonic() - started < 5


def test_an_answer_that_breaks_off_is_unavailable_and_leaves_no_file(
    tmp_path: Path,
) -> None:
    head = b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "e"\r\nLast-Modified: Mon, 02 Jan 2023 03:04:05 GMT\r\n\r\n'

    def serve(server: socket.socket) -> None:
        for body in (b"", b"only a part"):
            peer, _ = server.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(head + body)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        store = open_store(
            endpoint=address,
            access_key="a",
            secret_key="b" * 8,
            bucket="segloop",
            timeout_s=2,
        )
        with pytest.raises(Unavailable):
            store.fetch("volumes/a", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
