"""A zip made while it is sent is a zip that everybody reads."""

import os
import zipfile
from io import BytesIO
from pathlib import Path

from services.dicom_gateway.zipped import zip_stream


def test_files_come_out_as_they_went_in_and_a_piece_is_a_file(tmp_path: Path) -> None:
    bodies = {f"{number}.dcm": os.urandom(5000 + number) for number in range(5)}
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
    pieces = list(zip_stream(sorted(tmp_path.iterdir())))
    assert len(pieces) == 6 and all(len(piece) < 6000 for piece in pieces)
    with zipfile.ZipFile(BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == bodies
