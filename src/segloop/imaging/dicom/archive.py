"""A zip of DICOM files: unpacked within limits, under names of ours, and sorted into series by their headers."""

import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tarfile import EOFHeaderError  # type: ignore[attr-defined]
from typing import IO, BinaryIO, Self

import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from segloop.errors import InvalidInput
from segloop.imaging import zip_errors
from segloop.imaging.dicom.signature import HEAD_BYTES, is_dicom_head

MAX_FILES, MAX_FILE_BYTES, MAX_BYTES, MAX_RATIO = 20_000, 1 << 30, 8 << 30, 100
_PIECE_BYTES, _TAR_PIECE_BYTES = 1 << 20, 256 << 10
MOST_HELD_BYTES = 16 << 20
"""How large a file of a tar may be that is held in memory while it is read; a slice of 1024 x 1024 takes 2 MiB."""
_OVERLAYS = 0x6000
"""The first group of overlays; pixels are in one after it."""
_REQUIRED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime"),
    *("AccessionNumber", "ReferringPhysicianName"),
)
"""Type 2 of patient and study (PS3.3 C.7.1.1, C.7.2.1): to be there, if only empty."""
_GONE = 0x00091001
"""In a packed header of ours: tags that the first slice has and this one lacks."""
_CHARACTER_SET = 0x00080005
_UTF_8 = "ISO_IR 192"
Header = pydicom.Dataset
"""A file's attributes without its pixels; its `filename` is the file."""


def unpack(path: Path, folder: Path) -> list[Path]:
    """Write the DICOM files of a zip into `folder`, numbered, whatever they are called; return them.

    What is no DICOM file (DICOMDIR, viewers, texts) is left out. Names in the archive are never used, links never followed.

    Raises:
        InvalidInput: `zip_broken`, `zip_excessive`.
    """
    found: list[Path] = []
    total, most = 0, min(MAX_BYTES, MAX_RATIO * path.stat().st_size)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MAX_FILES:
                raise _excessive()
            for entry in entries:
                is_link = (entry.external_attr >> 16) & 0o170000 == 0o120000
                if is_link or entry.filename.rpartition("/")[2].upper() == "DICOMDIR":
                    continue
                with archive.open(entry) as source:
                    head = source.read(HEAD_BYTES)
                    if not is_dicom_head(head):
                        continue
                    file = folder / f"{len(found):05d}"
                    total += _copy(head, source, file, most - total)
                    found.append(file)
    except zip_errors.RAISED as error:
        zip_errors.require_zips_fault(error)
        raise InvalidInput(
            "zip_broken",
            "The zip is broken, encrypted or packed in an unusual way; make it again and upload it.",
        ) from error
    return found


@dataclass(frozen=True)
class Member:
    """A DICOM file of a tar: its bytes, and where in a folder it is kept if need be. One without bytes was too large, and lies there."""

    path: Path
    body: bytes | None

    def open(self) -> BinaryIO:
        """Return the file for reading."""
        return self.path.open("rb") if self.body is None else BytesIO(self.body)

    def keep(self) -> None:
        """Write the file to its place."""
        if self.body is not None:
            self.path.write_bytes(self.body)


def unpack_stream(stream: BinaryIO, folder: Path) -> Iterator[Member]:
    """Yield the DICOM files of a tar that is still coming, as `unpack`, each when it is whole.

    Raises:
        InvalidInput: `tar_broken`, also where it ends early; `zip_excessive`.
    """
    n_files, total, ends = 0, 0, []

    class Entry(tarfile.TarInfo):
        """Notes the empty block after the last file: a tar that breaks off or is damaged in a header looks whole but for that."""

        @classmethod
        def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
            try:
                return super().fromtarfile(tarfile)
            except EOFHeaderError:
                ends.append(True)
                raise

    try:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=Entry, bufsize=_TAR_PIECE_BYTES) as archive:
            for entry in archive:
                if not entry.isreg() or entry.sparse is not None:  # a sparse file claims what isn't sent
                    continue
                source = archive.extractfile(entry)
                assert source is not None
                is_held = entry.size <= MOST_HELD_BYTES
                head = source.read(entry.size if is_held else HEAD_BYTES)
                if not is_dicom_head(head[:HEAD_BYTES]):
                    continue
                if n_files == MAX_FILES or entry.size > MAX_BYTES - total:
                    raise _excessive()
                file = folder / f"{n_files:05d}"
                if not is_held:
                    _copy(head, source, file, MAX_BYTES - total)
                n_files, total = n_files + 1, total + entry.size
                yield Member(file, head if is_held else None)
        if not ends:
            raise tarfile.ReadError
        while stream.read(_PIECE_BYTES):  # what fills up the last record
            pass
    except tarfile.TarError as error:
        raise InvalidInput(
            "tar_broken", "The tar is broken or incomplete; make it again and upload it."
        ) from error


def _copy(head: bytes, source: IO[bytes], file: Path, most: int) -> int:
    """Write what a source has after its head into a file, and return how much that was."""
    size = 0
    with file.open("wb") as target:
        target.write(head)
        while piece := source.read(_PIECE_BYTES):
            size += len(piece)
            if size > min(MAX_FILE_BYTES, most):
                raise _excessive()
            target.write(piece)
    return size


def series_in(files: Iterable[Path]) -> list[list[Header]]:
    """Return the files' headers, as `by_series`; the directory of a medium is left out.

    Raises:
        InvalidInput: as `by_series`.
    """
    headers = (header_of(file, file) for file in files)
    return by_series(header for header in headers if header is None or not is_directory(header))


def header_of(file: Path | BinaryIO, path: Path) -> Header | None:
    """Return the attributes of a file that lies, or would lie, at `path`; None where it can't be read."""
    try:
        header = pydicom.dcmread(file, stop_before_pixels=True, force=True)
        is_directory(header)  # makes a value of what is asked for later
    except Exception:  # whatever a broken file makes of its reader
        return None
    header.filename = str(path)
    return header


def is_directory(header: Header) -> bool:
    """Say whether a file is the directory of a medium (DICOMDIR), whatever it is called."""
    return bool(header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage)


def by_series(headers: Iterable[Header | None]) -> list[list[Header]]:
    """Return files' headers by series, the largest first; None stands for a file that can't be read.

    Raises:
        InvalidInput: `dicom_unreadable` where a file can't be read: it may be a slice of any series.
    """
    series: dict[str, list[Header]] = defaultdict(list)
    n_files, n_broken = 0, 0
    for header in headers:
        n_files += 1
        try:
            if header is None:
                raise ValueError
            key = f"{header.StudyInstanceUID}/{header.SeriesInstanceUID}"  # empty ones are judged later, with a better word
        except Exception:
            n_broken += 1
            continue
        series[key].append(header)
    if n_broken:
        raise InvalidInput(
            "dicom_unreadable",
            f"{n_broken} of {n_files} DICOM files can't be read, and any of them may be a slice of the CT. Export the study again, or "
            "leave out what isn't the CT.",
        )
    return sorted(series.values(), key=len, reverse=True)


def pack_headers(headers: list[Header], path: Path) -> None:
    """Write slices in their order, without pixels, overlays and private attributes: what a result needs of its source.

    The first is written whole, of each other what differs from it. Texts become UTF-8, and attributes that a result must have
    are there, empty where the source has none.

    Raises:
        InvalidInput: `dicom_headers` where an attribute can't be written again.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        # The first comes last: writing it makes values of all that it holds, and bytes are compared far faster.
        for index in [*range(1, len(headers)), 0]:
            try:
                body = _packed(headers[index], headers[0])
            except Exception as error:
                raise InvalidInput(
                    "dicom_headers",
                    "A header of this series holds values that are none. Export it from the PACS again.",
                ) from error
            archive.writestr(f"{index:05d}", body)


def unpack_headers(path: Path) -> list[Header]:
    """Return the slices that `pack_headers` wrote, in their order."""
    with zipfile.ZipFile(path) as archive:
        first, *others = (_unpacked(archive.read(name)) for name in sorted(archive.namelist()))
    found = [first]
    for differing in others:
        gone = _tags(differing[_GONE]) if _GONE in differing else []
        header = pydicom.Dataset()
        header.update(first)
        header.update(differing)
        for tag in [*gone, *([_GONE] if gone else [])]:
            del header[tag]
        found.append(header)
    for header in found:
        header.file_meta = FileMetaDataset()
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return found


def _packed(header: Header, first: Header) -> bytes:
    """Return a header as explicit little endian: all that is kept of the first, and of others what they say otherwise."""
    kept = pydicom.Dataset()
    is_first = header is first
    alike = not is_first and header.get("SpecificCharacterSet") == first.get("SpecificCharacterSet")
    for tag in _kept_tags(header):
        if not (alike and _same(header, first, tag)):
            kept.add(header[tag])
    if "SpecificCharacterSet" in header:
        kept.SpecificCharacterSet = (
            header.SpecificCharacterSet
        )  # an element of its own, for it is changed below
    kept.decode()
    kept.SpecificCharacterSet = _UTF_8
    if is_first:
        for keyword in _REQUIRED:
            if keyword not in kept:
                setattr(kept, keyword, "")
    else:
        gone = [tag for tag in _kept_tags(first) if tag not in header]
        if gone:
            kept.add_new(_GONE, "AT", gone)
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    write_dataset(file, kept, _UTF_8)
    return file.getvalue()


def _kept_tags(header: Header) -> list[BaseTag]:
    tags = (tag for tag in tuple(header.keys()) if not tag.is_private and tag.group < _OVERLAYS)
    return [tag for tag in tags if tag != _CHARACTER_SET]


def _same(header: Header, first: Header, tag: BaseTag) -> bool:
    """Say whether two headers say the same under a tag, without making values of what was never asked for."""
    if tag not in first:
        return False
    one, other = header.get_item(tag), first.get_item(tag)
    if isinstance(one, RawDataElement) and isinstance(other, RawDataElement):
        shapes = [(raw.VR, raw.is_implicit_VR, raw.is_little_endian) for raw in (one, other)]
        return one.value == other.value and shapes[0] == shapes[1]
    return bool(header[tag] == first[tag])


def _tags(gone: DataElement) -> list[int]:
    return [gone.value] if isinstance(gone.value, int) else list(gone.value)


def _unpacked(body: bytes) -> Header:
    return read_dataset(BytesIO(body), is_implicit_VR=False, is_little_endian=True)


def _excessive() -> InvalidInput:
    return InvalidInput(
        "zip_excessive",
        f"The zip holds more than {MAX_FILES:,} files or {MAX_BYTES >> 30} GiB, or packs far tighter than CT does. "
        "Upload one study at a time.",
    )
