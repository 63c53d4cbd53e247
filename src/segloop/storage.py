"""The one owner of the S3 library: immutable objects under keys of random ids, streamed both ways."""

import io
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self, cast

import minio
import urllib3
from minio.error import MinioException, S3Error

from segloop.errors import InvalidInput, NotFound, Unavailable

CHUNK_BYTES = 1 << 20
_PART_BYTES = 16 << 20
_KEY = re.compile(r"[a-z][a-z0-9_-]{0,63}(/[a-z0-9][a-z0-9_.-]{0,63}){1,6}")
_MISSING = {"NoSuchKey", "NoSuchObject", "ResourceNotFound"}


@dataclass(frozen=True)
class StoredObject:
    """What the store says about one object; `etag` is without quotes."""

    key: str
    size_bytes: int
    etag: str
    modified_at: datetime | None = None


class Readable(Protocol):
    """Where bytes can be read from."""

    def read(self, n: int, /) -> bytes:
        """Return `n` bytes at most, and none at the end."""


def new_key(kind: str, suffix: str = "") -> str:
    """Return a fresh key `kind/<random id><suffix>`; never put a file name or a person's name in a key."""
    return checked_key(f"{kind}/{uuid.uuid4().hex}{suffix}")


def checked_key(key: str) -> str:
    """Return the key if it is plain lower-case segments; anything else is a mistake in our code."""
    if not _KEY.fullmatch(key) or ".." in key:
        raise ValueError("object keys are made of lower-case words and random ids")
    return key


class ObjectReader:
    """One object, or a range of it, while it streams from the store: iterate, or read(n), then close."""

    def __init__(self, response: Any, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._response = response
        self._left = size_bytes

    def read(self, n: int = -1) -> bytes:
        """Return up to `n` bytes, all that is left for -1, and b"" at the end.

        Raises:
            Unavailable: `storage_unavailable` when the store goes away before the last byte.
        """
        wanted = self._left if n < 0 else min(n, self._left)
        if not wanted:
            return b""
        with _translated():
            data: bytes = self._response.read(wanted)
        if not data or (n < 0 and len(data) < wanted):
            raise _unavailable()
        self._left -= len(data)
        return data

    def __iter__(self) -> Iterator[bytes]:
        try:
            while chunk := self.read(CHUNK_BYTES):
                yield chunk
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back; an unread rest closes it instead. A repeat does nothing."""
        if self._left:
            self._response.close()
        self._response.release_conn()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class ObjectStore:
    """One bucket; safe to share between threads.

    Every method raises `Unavailable` (`storage_unavailable`) when the store can't be reached or
    refuses, within seconds; those that name an existing object raise `NotFound` (`object_missing`).
    """

    def __init__(self, client: minio.Minio, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def put(
        self,
        key: str,
        stream: Readable,
        size_bytes: int,
        *,
        content_type: str = "application/octet-stream",
    ) -> StoredObject:
        """Store exactly `size_bytes` of the stream; the object appears whole or not at all."""
        checked_key(key)
        with _translated():
            result = self._client.put_object(
                self.bucket,
                key,
                cast(BinaryIO, stream),  # nothing else of it is used
                size_bytes,
                content_type=content_type,
                part_size=_PART_BYTES,
            )
        return StoredObject(key, size_bytes, str(result.etag or "").strip('"'))

    def put_bytes(
        self, key: str, data: bytes, *, content_type: str = "application/octet-stream"
    ) -> StoredObject:
        """Store a small object."""
        return self.put(key, io.BytesIO(data), len(data), content_type=content_type)

    def put_file(
        self, key: str, path: Path, *, content_type: str = "application/octet-stream"
    ) -> StoredObject:
        """Store a file as it is, without holding it in memory."""
        with path.open("rb") as stream:
            # Of the file that is open: another may have taken its name.
            return self.put(key, stream, os.fstat(stream.fileno()).st_size, content_type=content_type)

    def open(self, key: str, *, offset: int = 0, size_bytes: int | None = None) -> ObjectReader:
        """Start to read an object from `offset`, at most `size_bytes` long; a missing one raises here, not later.

        Raises:
            InvalidInput: `range_not_satisfiable`, with the object's `size_bytes` in the details.
        """
        total = self.stat(key).size_bytes
        if offset < 0 or offset > total or (size_bytes or 0) < 0:
            raise InvalidInput(
                "range_not_satisfiable",
                f"The object has {total} bytes; ask for a range within.",
                size_bytes=total,
            )
        wanted = total - offset if size_bytes is None else min(size_bytes, total - offset)
        if not wanted:
            return ObjectReader(urllib3.HTTPResponse(io.BytesIO(), preload_content=False), 0)
        with _translated():
            response = self._client.get_object(self.bucket, key, offset=offset, length=wanted)
        return ObjectReader(response, wanted)

    def read(self, key: str) -> bytes:
        """Return a whole small object."""
        with self.open(key) as reader:
            return reader.read()

    def fetch(self, key: str, path: Path) -> int:
        """Write a whole object to a file and return its bytes; a broken download leaves no file."""
        try:
            with path.open("wb") as file:
                for chunk in self.open(key):
                    file.write(chunk)
                return file.tell()
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def stat(self, key: str) -> StoredObject:
        """Return size and etag of an object."""
        checked_key(key)
        with _translated():
            found = self._client.stat_object(self.bucket, key)
        return _stored(found)

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is already removed."""
        checked_key(key)
        with _translated():
            self._client.remove_object(self.bucket, key)

    def list_(self, prefix: str) -> Iterator[StoredObject]:
        """Yield every object whose key starts with `prefix`, by key."""
        with _translated():
            for found in self._client.list_objects(self.bucket, prefix=prefix, recursive=True):
                yield _stored(found)

    def ping(self) -> None:
        """Check that the store answers and has our bucket."""
        with _translated():
            exists = self._client.bucket_exists(self.bucket)
        if not exists:
            raise Unavailable(
                "storage_unavailable",
                "The object store has no bucket for this installation.",
            )


def open_store(
    *,
    endpoint: str,
    access_key: str,
    secret_key: str,
    bucket: str,
    secure: bool = False,
    timeout_s: float = 30.0,
) -> ObjectStore:
    """Return a store for any S3 server at `host:port`; connecting happens at first use.

    An unreachable server is reported after at most two tries of two seconds; `timeout_s` bounds
    the silence between two bytes of an answer.
    """
    pool = urllib3.PoolManager(
        maxsize=10,
        timeout=urllib3.Timeout(connect=2.0, read=timeout_s),
        retries=urllib3.Retry(total=1, backoff_factor=0.2, redirect=0, raise_on_status=False),
    )
    client = minio.Minio(
        endpoint,
        access_key=access_key,
        secret_key=secret_key,
        secure=secure,
        region="us-east-1",  # known beforehand, so no extra question to the server
        http_client=pool,
    )
    return ObjectStore(client, bucket)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        if error.code in _MISSING:
            raise NotFound("object_missing", "The stored file is not there (any more).") from error
        raise _unavailable() from error
    except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _unavailable() from error


def _unavailable() -> Unavailable:
    return Unavailable(
        "storage_unavailable",
        "The file store can't be reached; try again in a few seconds.",
    )


def _stored(found: Any) -> StoredObject:
    modified = found.last_modified
    return StoredObject(
        key=str(found.object_name),
        size_bytes=int(found.size or 0),
        etag=str(found.etag or "").strip('"'),
        modified_at=modified.astimezone(UTC) if modified else None,
    )
