"""A CT for research: a zip that says nothing of whose it is, as DICOM where it came as DICOM, else as NIfTI."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from segloop.imaging.nifti_bare import write_bare

README = """De-identified CT, for research use only. Not a medical device.

Patient {pseudonym}. What there is of DICOM was made anew from an allow-list of attributes; UIDs are keyed hashes, the same in
each export of this installation; there are no dates, descriptions, device names, comments or private attributes. The voxels are
those of the source.

Mind two things before you pass this on:
- A face can be recognised from a CT of the head, by eye or by comparison with photographs. Nothing was done against it.
- The images were not searched for texts burned into them. The source does not say that there are any.
"""


def write_zip(
    target: Path,
    *,
    volume: Path,
    headers: Path | None,
    mask: Path | None,
    pseudonym: str,
    uid_key: bytes,
    labels: list[dict[str, Any]],
    origin: Mapping[str, Any],
) -> int:
    """Write the zip, the same to the byte each time; return how many files it has.

    `volume` is the stored NIfTI, `headers` the packed headers of its series or None, `mask` a stored mask or None; `labels` and
    `origin` (the fields of `Origin`) are the mask's.

    Raises:
        InvalidInput: as `dicom.export.files` and `write_bare`.
    """
    members = _of_nifti(volume, mask, labels)
    if headers is not None:
        from segloop.imaging.dicom import export  # only the API has the libraries

        members = export.files(
            volume, headers, pseudonym=pseudonym, uid_key=uid_key, mask=mask, labels=labels, origin=origin
        )
    readme = README.format(pseudonym=pseudonym).encode()
    n_files = 0
    with zipfile.ZipFile(target, "w") as packed:
        for name, body in chain([("README.txt", readme)], members):
            kind = zipfile.ZIP_STORED if name.endswith(".gz") else zipfile.ZIP_DEFLATED
            packed.writestr(zipfile.ZipInfo(name), body, kind, 1)
            n_files += 1
    return n_files


def _of_nifti(volume: Path, mask: Path | None, labels: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    bare = volume.with_name("bare.nii.gz")
    write_bare(volume, bare)
    yield "ct.nii.gz", bare.read_bytes()
    if mask is not None:  # written by us, and so without any text
        yield "mask.nii.gz", mask.read_bytes()
        yield "labels.json", json.dumps(labels, indent=1).encode()
