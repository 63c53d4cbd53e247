"""A browser as the API meets it: uploads images, opens a draft and journals strokes, encoding runs on its own."""

import gzip
import hashlib
import struct
from typing import Any

import httpx
import nibabel as nib
import numpy as np

Array = np.ndarray[Any, Any]


def nifti_bytes(array: Array, affine: Array) -> bytes:
    return gzip.compress(nib.Nifti1Image(array, affine).to_bytes(), compresslevel=1, mtime=0)


def upload(
    http: httpx.Client, array: Array, affine: Array, *, project: str = "default", **extra: object
) -> dict[str, Any]:
    body = nifti_bytes(array, affine)
    made = http.post(f"/v1/projects/{project}/uploads", json={"size_bytes": len(body), **extra}).json()
    assert http.put(f"/v1/uploads/{made['id']}/parts/1", content=body).status_code == 200
    done = http.post(f"/v1/uploads/{made['id']}/complete")
    assert done.status_code == 201, done.text
    return dict(done.json())


def upload_mask(http: httpx.Client, volume: dict[str, Any], array: Array, affine: Array) -> dict[str, Any]:
    return upload(http, array, affine, purpose="mask", volume_id=volume["id"])


def download(http: httpx.Client, mask_id: str) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(http.get(f"/v1/masks/{mask_id}/content").content))


def in_ras(image: nib.Nifti1Image) -> Array:
    """Return an image's values in RAS order by nibabel's own means."""
    return np.asarray(nib.as_closest_canonical(image).dataobj)


def encode(before: Array, after: Array) -> bytes:
    """Return runs from two flat arrays, voxel by voxel: slow, and not the server's way."""
    body, at = b"", 0
    while at < len(before):
        if before[at] == after[at]:
            at += 1
            continue
        stop = at + 1
        while stop < len(before) and (before[stop], after[stop]) == (before[at], after[at]):
            stop += 1
        body += struct.pack("<IIHH", at, stop - at, before[at], after[at])
        at = stop
    return body


def chained(parent: str, operation: str, label: int, body: bytes) -> str:
    line = f"{parent}\n{operation}\n{label}\n{hashlib.sha256(body).hexdigest()}"
    return hashlib.sha256(line.encode()).hexdigest()


class Draft:
    """An open draft and what this browser believes its voxels are, flat in RAS order."""

    def __init__(self, http: httpx.Client, volume_id: str, base_mask_id: str | None = None) -> None:
        self.http = http
        answer = http.post(f"/v1/volumes/{volume_id}/drafts", json={"base_mask_id": base_mask_id})
        assert answer.status_code in (200, 201), answer.text
        self.status, self.opened = answer.status_code, answer.json()
        self.url = f"/v1/drafts/{self.opened['id']}"
        self.sequence, self.hash = self.opened["head"]["sequence"], self.opened["head"]["hash"]
        self.load()

    def load(self) -> None:
        """Take the server's voxels and head, as after a reload."""
        level = self.http.get(f"{self.url}/levels/0")
        assert level.status_code == 200, level.text
        self.shape = tuple(map(int, level.headers["x-shape"].strip("[]").split(",")))
        self.dtype = level.headers["x-dtype"]
        self.voxels = np.frombuffer(level.content, self.dtype).copy()
        self.sequence, self.hash = int(level.headers["x-sequence"]), level.headers["x-hash"]

    @property
    def grid(self) -> Array:
        """The voxels as a view (x, y, z) in RAS order; writing to it draws nothing: see `stroke`."""
        return self.voxels.reshape(self.shape, order="F")

    def entry(self, body: bytes, operation: str = "brush", label: int = 1) -> tuple[str, dict[str, Any]]:
        """Return the address and the arguments of a request that appends a body at the head."""
        headers = {
            "X-Operation": operation,
            "X-Label": str(label),
            "X-Parent-Hash": self.hash,
            "X-Hash": chained(self.hash, operation, label, body),
            "Content-Type": "application/octet-stream",
        }
        return f"{self.url}/entries/{self.sequence + 1}", {"content": body, "headers": headers}

    def send(self, body: bytes, operation: str = "brush", label: int = 1) -> httpx.Response:
        """Append an entry and move the head when it is stored."""
        url, request = self.entry(body, operation, label)
        answer = self.http.put(url, **request)
        if answer.status_code in (200, 201):
            self.sequence, self.hash = answer.json()["sequence"], answer.json()["hash"]
        return answer

    def paint(self, box: tuple[slice, ...], label: int, operation: str = "brush") -> httpx.Response:
        """Paint a box of RAS voxels and journal it."""
        after = self.grid.copy(order="F")
        after[box] = label
        flat = after.ravel(order="F")
        answer = self.send(encode(self.voxels, flat), operation, label)
        if answer.status_code in (200, 201):
            self.voxels = flat
        return answer

    def finalize(self, **extra: object) -> httpx.Response:
        body = {"sequence": self.sequence, "hash": self.hash, **extra}
        return self.http.post(f"{self.url}/finalize", json=body)
