"""A model version's stored archive: packed and unpacked byte for byte, and nothing but plain files come out."""

import io
import tarfile
from pathlib import Path

import pytest

from segloop.errors import Conflict
from segloop.model_versions.register import pack, unpack


def test_files_come_back_byte_for_byte(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    files = {"model.json": b"{}", "fold_0.safetensors": bytes(range(256)) * 1000}
    for name, body in files.items():
        (source / name).write_bytes(body)
    unpack(pack(source), target)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == files


@pytest.mark.parametrize("kind", ["link", "upwards", "folder", "absolute"])
def test_what_is_no_plain_file_of_a_plain_name_is_refused(tmp_path: Path, kind: str) -> None:
    info = tarfile.TarInfo({"upwards": "../stray", "absolute": str(tmp_path / "stray")}.get(kind, "stray"))
    info.type = {"link": tarfile.SYMTYPE, "folder": tarfile.DIRTYPE}.get(kind, tarfile.REGTYPE)
    info.linkname = "/etc/passwd" if kind == "link" else ""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as tar:
        tar.addfile(info, io.BytesIO())
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(Conflict, match="plain files"):
        unpack(body.getvalue(), target)
    assert not (tmp_path / "stray").exists() and not list(target.iterdir())
