"""A study's files one by one: each slice is read and packed as soon as it is there, so that little is left to do at the end."""

from pathlib import Path
from typing import BinaryIO

from segloop.imaging.dicom.archive import Header, Member, by_series, header_of, is_directory
from segloop.imaging.dicom.convert import Slice, Slices, read_slice, write_nifti
from segloop.imaging.dicom.series import CT, Series, choose
from segloop.imaging.hounsfield import Distribution

MOST_PLAIN = 2048
"""Rows and columns of what is read before its series is judged."""


class Incoming:
    """Takes files with `add`, then makes the volume that they are. The slices of one series are held, packed and not."""

    def __init__(self) -> None:
        self._headers: list[Header | None] = []
        self._slices: Slices = {}
        self._hu = Distribution.of_int16()
        self._series: str | None = None

    def add(self, file: Member) -> None:
        """Read one file. What is wrong with it is judged at the end, where it may be of a series that is left out."""
        with file.open() as body:
            header = header_of(body, file.path)
            if header is not None and is_directory(header):
                return
            self._headers.append(header)
            one = None if header is None or not self._is_of_first(header) else _slice(header, body)
        if one is None:
            file.keep()
        else:
            self._slices[str(file.path)] = one
            self._hu.add(one.hu.ravel())

    def write_volume(self, path: Path) -> tuple[Series, list[str], str, Distribution | None]:
        """Write the series to segment as NIfTI; return it, why others were left, its content's SHA-256, and its HU counted.

        These are None where other files came, too, or where they are no int16.

        Raises:
            InvalidInput: as `by_series`, `choose` and `write_nifti`.
        """
        series, left_out = choose(by_series(self._headers))
        is_all = len(series.headers) == len(self._slices)
        content = write_nifti(path, series, self._slices)
        return series, left_out, content, self._hu if is_all and not self._slices else None

    def _is_of_first(self, header: Header) -> bool:
        series = str(header.get("SeriesInstanceUID", ""))
        self._series = self._series or series
        return series == self._series


def _slice(header: Header, file: BinaryIO) -> Slice | None:
    try:
        is_plain = header.SOPClassUID == CT and header.SamplesPerPixel == 1
        if not is_plain or max(int(header.Rows), int(header.Columns)) > MOST_PLAIN:
            return None
        file.seek(0)
        return read_slice(header, file)
    except MemoryError:
        raise
    except Exception:  # whatever a broken file makes of its reader
        return None
