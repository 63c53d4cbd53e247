"""The parsers that meet bytes of others, each with good files to begin with. Whatever they raise but a refusal is a bug."""

import io
import json
import random
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from segloop.errors import InvalidInput
from tests.fuzz import mutate

Mutate = Callable[[bytes, random.Random, list[bytes]], bytes]


@dataclass(frozen=True)
class Target:
    """`read` gets a body and an empty folder. Where it `is_sandboxed`, more memory than there is counts as a refusal."""

    read: Callable[[bytes, Path], object]
    seeds: list[bytes]
    share: int
    """How many of a hundred inputs it gets."""
    change: list[Mutate] = field(default_factory=lambda: [mutate.mutated])
    is_sandboxed: bool = True

    def run(self, body: bytes, folder: Path) -> bool:
        """Say whether a body was taken; raises what is a bug."""
        try:
            self.read(body, folder)
        except InvalidInput as refused:
            assert refused.code and refused.message
            return False
        except MemoryError:
            if not self.is_sandboxed:
                raise
            return False
        return True


def make(name: str) -> Target:
    """Return a target with its seeds; only then its libraries are loaded."""
    return _MAKERS[name]()


def _nifti() -> Target:
    from segloop.imaging import nifti
    from tests.unit.imaging.test_nifti import CT, nifti_bytes, setting

    def read(body: bytes, folder: Path) -> None:
        path = folder / "input"
        path.write_bytes(body)
        header = nifti.read_header(path)
        if header.n_voxels > 1 << 22:  # what is larger was refused, or takes long: not what is looked for
            return
        found = nifti.inspect(path)
        array, geometry = nifti.load(path)
        assert np.isfinite(array).all() and array.size == found.n_voxels
        assert abs(np.linalg.det(geometry.affine)) > 1e-9

    small = CT[:4, :4, :4]
    seeds = [
        nifti_bytes(small),
        nifti_bytes(small.astype(np.float32)),
        nifti_bytes(small, order=">", change=setting(scl_slope=2, scl_inter=-1024)),
        nifti_bytes(small, kind=__import__("nibabel").Nifti2Header),
        nifti_bytes(small.astype(np.int64), change=setting(sform_code=0)),
    ]
    return Target(read, seeds, 22, [mutate.mutated, mutate.mutated, mutate.in_gzip])


def _mask() -> Target:
    from segloop.imaging import derive
    from tests.unit.imaging.test_nifti import AFFINE, CT, nifti_bytes

    array = (CT[:4, :4, :4] > 0).astype(np.uint8)
    grid = {"shape": [4, 4, 4], "affine": AFFINE.ravel().tolist()}
    labels = [{"index": 1, "name": "a", "color": "#cccccc"}]

    def read(body: bytes, folder: Path) -> None:
        (folder / "input").write_bytes(body)
        (folder / "output").mkdir()
        found = derive.derive_mask(folder / "input", folder / "output", labels=labels, **grid)
        assert sum(found["counts"]) == 64

    return Target(
        read, [nifti_bytes(array), nifti_bytes(array.astype(np.int16))], 8, [mutate.in_gzip, mutate.mutated]
    )


def _slices(folder: Path) -> list[Path]:
    from tests.dicom_series import slices, voxels, write

    return write(folder, slices(voxels((6, 5, 4))))


def _study() -> Target:
    from segloop.imaging import derive_ct
    from segloop.imaging.dicom.signature import is_zip

    with tempfile.TemporaryDirectory() as name:
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            for file in _slices(Path(name)):
                archive.writestr(f"study/{file.name}", file.read_bytes())

    def read(body: bytes, folder: Path) -> None:
        work = folder / "work"
        (work / "output").mkdir(parents=True)
        (work / "input").write_bytes(body)
        if is_zip(work / "input"):
            found = derive_ct.derive_volume(work / "input", work / "output")
            assert found["shape"][2] >= 3

    return Target(read, [target.getvalue()], 15, [mutate.in_zip])


def _archive() -> Target:
    from segloop.imaging.dicom.archive import unpack

    with tempfile.TemporaryDirectory() as name:
        files = _slices(Path(name))
        seeds = []
        for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            target = io.BytesIO()
            with zipfile.ZipFile(target, "w", kind) as archive:
                for file in files[:2]:
                    archive.writestr(file.name, file.read_bytes())
            seeds.append(target.getvalue())

    def read(body: bytes, folder: Path) -> None:
        (folder / "in").mkdir()
        (folder / "in" / "input").write_bytes(body)
        (folder / "out").mkdir()
        found = unpack(folder / "in" / "input", folder / "out")
        assert sorted(found) == sorted((folder / "out").iterdir())

    return Target(read, seeds, 12, [_at_the_end, mutate.mutated])


def _at_the_end(body: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Change a zip's directory, which lies at its end."""
    start = body.index(b"PK\x01\x02")
    return body[:start] + mutate.mutated(body[start:], chance, others)


def _head() -> Target:
    from services.dicom_gateway.head import read_head

    with tempfile.TemporaryDirectory() as name:
        seeds = [file.read_bytes() for file in _slices(Path(name))]
    return Target(lambda body, _: read_head(io.BytesIO(body)), seeds, 12, is_sandboxed=False)


def _parts() -> Target:
    from services.dicom_gateway.parts import Limits, PartWriter, boundary_of

    part = b"--edge\r\nContent-Type: application/dicom\r\n\r\n" + bytes(300) + b"\r\n"
    seeds = [
        b'multipart/related; type="application/dicom"; boundary=edge\n' + part * n + b"--edge--\r\n"
        for n in (1, 3)
    ]

    def read(body: bytes, folder: Path) -> None:
        kind, _, rest = body.partition(b"\n")
        boundary = boundary_of(kind.decode("latin-1"))
        writer = PartWriter(boundary, lambda: folder / f"{len(list(folder.iterdir()))}", Limits(200, 20))
        try:
            for at in range(0, len(rest), 97):
                writer.feed(rest[at : at + 97])
            writer.finish()
        finally:
            writer.close()

    return Target(read, seeds, 6, is_sandboxed=False)


def _object(kind: str) -> Target:
    from segloop.imaging.dicom.import_mask import import_mask
    from tests import contours, imported

    base = Path(tempfile.mkdtemp(prefix="segloop-fuzz-"))
    series = imported.ct(base)
    if kind == "seg":
        from datetime import UTC, datetime

        from segloop.imaging.dicom.result import Origin
        from segloop.imaging.dicom.seg import make_seg

        origin = Origin("ab" * 32, datetime(2026, 11, 3, tzinfo=UTC), "0.1.0")
        found = make_seg(series, imported.mask(), imported.LABELS.labels, origin)
    else:
        boxes = [contours.contour(series, z, contours.box(1, 1, 4, 5)) for z in range(3)]
        found = contours.rtstruct(
            series, {"parotid_left": boxes, "liver": [contours.contour(series, 1, contours.box(7, 7, 9, 9))]}
        )
    found.save_as(base / "object.dcm", enforce_file_format=True)
    seeds = [(base / "object.dcm").read_bytes()]
    headers = Path(tempfile.mkdtemp(prefix="segloop-fuzz-")) / "headers.zip"
    (base / "headers.zip").rename(headers)
    shutil.rmtree(base)

    def read(body: bytes, folder: Path) -> None:
        (folder / "input").write_bytes(body)
        (folder / "dicom").mkdir()
        got = import_mask(folder / "input", headers, folder / "dicom", labels=imported.LABELS, label_map={})
        assert got.mask.shape == imported.SHAPE

    return Target(read, seeds, 8)


def _model() -> Target:
    from segloop.nnunet.bundle import import_model
    from segloop.nnunet.tiny import write_tiny_model

    seeds = []
    with tempfile.TemporaryDirectory() as name:
        source = write_tiny_model(
            Path(name) / "model", weights="random", labels=2, patch=(8, 8, 8), features=(2, 4)
        )
        import_model(source, Path(name) / "bundle")
        for folder in (source, Path(name) / "bundle"):
            target = io.BytesIO()
            with zipfile.ZipFile(target, "w") as archive:
                for file in sorted(folder.rglob("*")):
                    if file.is_file():
                        archive.write(file, file.relative_to(folder.parent))
            seeds.append(target.getvalue())

    def read(body: bytes, folder: Path) -> None:
        (folder / "model.zip").write_bytes(body)
        info = import_model(folder / "model.zip", folder / "bundle")
        assert info.labels and info.folds

    return Target(read, seeds, 3, [_in_json, mutate.in_zip], is_sandboxed=False)


_JSON_VALUES = (
    None,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "torch.nn.Conv3d",
    "os.system",
    [],
    [[]],
    {},
    {"a": 1},
    True,
    float("nan"),
)


def _in_json(body: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Change one value somewhere in one of the JSON files of a zip."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice([name for name in files if name.endswith(".json")])
    whole = at = json.loads(files[name])
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            break
        key = chance.choice(keys)
        if isinstance(at[key], dict | list) and at[key] and chance.random() < 0.8:
            at = at[key]
            continue
        if isinstance(at, dict) and chance.random() < 0.2:
            at.pop(key)
        else:
            at[key] = chance.choice(_JSON_VALUES)
        break
    files[name] = json.dumps(whole).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for entry, content in files.items():
            archive.writestr(entry, content)
    return target.getvalue()


def _rules() -> Target:
    from services.dicom_gateway.config import read_config
    from tests.unit.dicom_gateway.test_config import GOOD

    more = GOOD + "keep_s: 60\nsources:\n  archive: {kind: c-move, aet: PACS, host: 127.0.0.1, port: 104}\n"
    seeds = [GOOD.encode(), more.encode()]

    def read(body: bytes, folder: Path) -> None:
        (folder / "gateway.yaml").write_bytes(body)
        read_config(folder / "gateway.yaml")

    return Target(read, seeds, 6, is_sandboxed=False)


_MAKERS: dict[str, Callable[[], Target]] = {
    "nifti": _nifti,
    "mask": _mask,
    "study": _study,
    "archive": _archive,
    "head": _head,
    "parts": _parts,
    "seg": lambda: _object("seg"),
    "rtstruct": lambda: _object("rtstruct"),
    "model": _model,
    "rules": _rules,
}
NAMES = tuple(_MAKERS)
