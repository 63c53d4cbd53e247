"""A tar made while it is sent is a tar that everybody reads."""

import os
import tarfile
from io import BytesIO
from pathlib import Path

from services.dicom_gateway.tarred import tar_stream


def test_files_come_out_as_they_went_in(tmp_path: Path) -> None:
    bodies = {f"{number}.dcm": os.urandom(500_000 + number) for number in range(5)}
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
    pieces = list(tar_stream(sorted(tmp_path.iterdir())))
    assert len(pieces) > 2
    with tarfile.open(fileobj=BytesIO(b"".join(pieces))) as archive:
        read = {name: archive.extractfile(name) for name in archive.getnames()}
        assert {name: file.read() for name, file in read.items() if file is not None} == bodies
