"""NIfTI at the door: every bad file is named, every good one comes back voxel by voxel on its own grid."""

import gzip
import itertools
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segloop.errors import InvalidInput
from segloop.imaging import nifti, nifti_stream

DATA = Path(__file__).parents[4] / "shared" / "data"
AFFINE = np.array([[-1.5, 0, 0, 90], [0, 2, 0, -120.5], [0, 0, 2.5, 30], [0, 0, 0, 1]], float)
RNG = np.random.default_rng(0)
CT = np.where(RNG.random((12, 10, 8)) < 0.5, -1000, RNG.normal(40, 60, (12, 10, 8))).astype(np.int16)

Change = Callable[[Any], None]


def nifti_bytes(
    array: np.ndarray = CT,
    affine: np.ndarray = AFFINE,
    change: Change | None = None,
    kind: Any = nib.Nifti1Header,
    order: str = "<",
) -> bytes:
    """A file with both affines set; `change` edits the finished header."""
    header = kind(endianness=order)
    header.set_data_shape(array.shape)
    header.set_data_dtype(array.dtype)
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=1)
    header["magic"] = b"n+1" if kind is nib.Nifti1Header else b"n+2\0\r\n\x1a\n"
    header["vox_offset"] = int(header["sizeof_hdr"]) + 4
    if change:
        change(header)
    return bytes(header.binaryblock + bytes(4) + array.astype(array.dtype.newbyteorder(order)).tobytes("F"))


def setting(**fields: Any) -> Change:
    """An edit of header fields; `name__i` sets element i."""

    def change(header: Any) -> None:
        for name, value in fields.items():
            field, _, index = name.partition("__")
            if index:
                header[field][int(index)] = value
            else:
                header[field] = value

    return change


def saved(folder: Path, data: bytes, name: str = "ct.nii.gz") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def code_of(path: Path, read: Callable[[Path], object] = nifti.inspect) -> str:
    with pytest.raises(InvalidInput) as refused:
        read(path)
    assert len(refused.value.message) > 20
    assert str(path.name) not in refused.value.message
    return refused.value.code


def peak_bytes() -> int:
    """The most memory since tracemalloc.start(), NumPy's arrays included."""
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.fixture(params=["isal", "zlib"])
def inflate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both decompressors: the fast one is optional."""
    if request.param == "zlib":
        monkeypatch.setattr(nifti_stream, "_inflate", zlib)
        monkeypatch.setattr(nifti, "_gzip", gzip.GzipFile)
    else:
        pytest.importorskip("isal")


BAD_HEADERS: list[tuple[str, bytes]] = [
    ("not_three_dimensional", nifti_bytes(np.zeros((4, 4, 4, 2), np.int16))),
    ("not_three_dimensional", nifti_bytes(np.zeros((4, 4), np.int16))),
    ("zero_dimension", nifti_bytes(change=setting(dim__1=0))),
    ("zero_dimension", nifti_bytes(change=setting(dim__2=-3))),
    ("too_many_voxels", nifti_bytes(change=setting(dim__1=30000, dim__2=30000, dim__3=30000))),
    ("not_nifti", nifti_bytes(change=setting(dim__0=9))),
    ("not_nifti", nifti_bytes(change=setting(sizeof_hdr=349))),
    ("not_nifti", nifti_bytes(change=setting(magic=b"ni1"))),
    ("not_nifti", nifti_bytes(change=setting(magic=b""))),
    ("unsupported_datatype", nifti_bytes(change=setting(datatype=128))),
    ("unsupported_datatype", nifti_bytes(change=setting(datatype=32))),
    ("unsupported_datatype", nifti_bytes(change=setting(datatype=0))),
    ("bad_vox_offset", nifti_bytes(change=setting(vox_offset=1e9))),
    ("bad_vox_offset", nifti_bytes(change=setting(vox_offset=np.nan))),
    ("bad_vox_offset", nifti_bytes(change=setting(vox_offset=-352))),
    ("bad_vox_offset", nifti_bytes(change=setting(vox_offset=100))),
    ("bad_vox_offset", nifti_bytes(change=setting(vox_offset=352.5))),
    ("bad_spacing", nifti_bytes(change=setting(pixdim__1=0))),
    ("bad_spacing", nifti_bytes(change=setting(pixdim__1=-1.5))),
    ("bad_spacing", nifti_bytes(change=setting(pixdim__1=np.nan))),
    ("bad_spacing", nifti_bytes(affine=np.diag([0.01, 1, 1, 1]))),
    ("bad_spacing", nifti_bytes(affine=np.diag([60, 1, 1, 1]))),
    ("singular_affine", nifti_bytes(change=setting(srow_x=0, srow_y=0, srow_z=0))),
    ("singular_affine", nifti_bytes(change=setting(srow_z=(0, 2, 0, 0)))),
    ("singular_affine", nifti_bytes(change=setting(srow_x=(np.nan, 0, 0, 0)))),
    ("singular_affine", nifti_bytes(change=setting(sform_code=0, quatern_b=2))),
    ("singular_affine", nifti_bytes(change=setting(sform_code=0, qoffset_x=np.inf))),
    ("sheared_affine", nifti_bytes(change=setting(srow_x__1=0.3, qform_code=0))),
    ("affine_conflict", nifti_bytes(change=setting(qoffset_x=91))),
    ("affine_conflict", nifti_bytes(change=setting(qoffset_x=90.01))),
    ("affine_conflict", nifti_bytes(change=setting(srow_x__0=1.5))),
    ("affine_conflict", nifti_bytes(change=setting(pixdim__1=1, pixdim__2=1, pixdim__3=1, qform_code=0))),
    ("no_orientation", nifti_bytes(change=setting(sform_code=0, qform_code=0))),
    ("not_finite", nifti_bytes(change=setting(scl_slope=np.inf))),
    ("not_finite", nifti_bytes(change=setting(scl_slope=1, scl_inter=np.nan))),
    ("not_finite", nifti_bytes(change=setting(scl_slope=1e38, scl_inter=0))),
    (
        "not_finite",  # found by fuzzing: beyond the range of what the volume is kept in
        nifti_bytes(kind=nib.Nifti2Header, change=setting(scl_slope=1, scl_inter=-5e303)),
    ),
]


@pytest.mark.parametrize(("code", "data"), BAD_HEADERS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_bad_header_is_refused_by_name(tmp_path: Path, code: str, data: bytes, packed: bool) -> None:
    path = saved(tmp_path, gzip.compress(data, 1) if packed else data)
    assert code_of(path) == code
    assert code_of(path, nifti.load) == code


@pytest.mark.usefixtures("inflate")
@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("empty_file", b""),
        ("empty_file", gzip.compress(b"")),
        ("not_nifti", b"hello"),
        ("not_nifti", bytes(1000)),
        ("not_nifti", gzip.compress(b"hello" * 200)),
        ("not_nifti", bytes(128) + b"DICM" + bytes(500)),
        ("truncated", nifti_bytes()[:200]),
        ("truncated", nifti_bytes()[:-1]),
        ("truncated", nifti_bytes()[:352]),
        ("truncated", gzip.compress(nifti_bytes()[:-1])),
        ("truncated", gzip.compress(nifti_bytes())[:-900]),
        ("truncated", gzip.compress(nifti_bytes())[:-3]),
        ("truncated", gzip.compress(nifti_bytes())[:5]),
    ],
)
def test_a_file_that_is_no_whole_nifti_is_refused_by_name(tmp_path: Path, code: str, data: bytes) -> None:
    assert code_of(saved(tmp_path, data)) == code


@pytest.mark.usefixtures("inflate")
@pytest.mark.parametrize("at", [-1, -6, -300])
def test_a_wrong_gzip_checksum_or_damaged_data_is_refused(tmp_path: Path, at: int) -> None:
    data = bytearray(gzip.compress(nifti_bytes()))
    data[at] ^= 0x5A
    path = saved(tmp_path, bytes(data))
    assert code_of(path) == code_of(path, nifti.load) == "corrupt_gzip"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_voxels_that_are_not_finite_are_counted(tmp_path: Path, value: float) -> None:
    array = CT.astype(np.float64)
    array[3:5, 2, 1] = value
    path = saved(tmp_path, nifti_bytes(array))
    with pytest.raises(InvalidInput, match=r"^2 of 960 voxels are not finite") as refused:
        nifti.inspect(path)
    assert (refused.value.code, refused.value.details) == ("not_finite", {"n_voxels": 2})


def test_a_decompression_bomb_is_refused_at_once_and_in_little_memory(tmp_path: Path) -> None:
    zeros = gzip.compress(bytes(1 << 20), 9)
    claimed = nifti_bytes(
        np.zeros((1, 1, 1), np.int16), np.eye(4), setting(dim__1=1000, dim__2=500, dim__3=400)
    )
    consistent = saved(tmp_path, gzip.compress(claimed) + zeros * 385, "consistent.nii.gz")
    hidden = saved(tmp_path, gzip.compress(nifti_bytes()) + zeros * 1000, "hidden.nii.gz")
    started = time.monotonic()
    tracemalloc.start()
    assert code_of(consistent) == "decompression_bomb"
    assert code_of(hidden) == code_of(hidden, nifti.load) == "decompression_bomb"
    assert time.monotonic() - started < 2
    assert peak_bytes() < 64 << 20


def test_inspecting_a_large_volume_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "ct.nii"
    header = nifti_bytes(
        np.zeros((1, 1, 1), np.int16), np.eye(4), setting(dim__1=512, dim__2=512, dim__3=256)
    )
    with path.open("wb") as file:
        file.write(header[:352])
        file.truncate(352 + 512 * 512 * 256 * 2)
    tracemalloc.start()
    assert nifti.inspect(path).n_voxels == 512 * 512 * 256
    assert peak_bytes() < 64 << 20


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nib.Nifti1Header, nib.Nifti2Header])
@pytest.mark.parametrize("dtype", ["i2", "u2", "i1", "u1", "i4", "f4", "f8", "i8"])
def test_every_kind_of_file_gives_the_same_voxels(
    tmp_path: Path, dtype: str, kind: Any, order: str, packed: bool
) -> None:
    stored = np.arange(4 * 3 * 2).reshape(4, 3, 2).astype(dtype)
    data = nifti_bytes(stored, kind=kind, order=order, change=setting(scl_slope=2, scl_inter=-1024))
    path = saved(tmp_path, gzip.compress(data) if packed else data, "a.bin")
    hu, geometry = nifti.load(path)
    assert hu.dtype == (np.float32 if dtype[0] == "f" else np.int16)
    np.testing.assert_array_equal(hu, stored.astype(float) * 2 - 1024)
    np.testing.assert_array_equal(geometry.affine, AFFINE)
    assert tuple(geometry.shape) == (4, 3, 2)
    assert hu.flags.f_contiguous


@pytest.mark.usefixtures("inflate")
def test_a_member_wise_gzip_with_something_behind_it_reads_like_one(tmp_path: Path) -> None:
    data = nifti_bytes()
    pieces = b"".join(gzip.compress(data[at : at + 100]) for at in range(0, len(data), 100))
    for tail in (b"", bytes(512), b"junk", b"\n"):
        hu, _ = nifti.load(saved(tmp_path, pieces + tail))
        np.testing.assert_array_equal(hu, CT)
    hu, _ = nifti.load(saved(tmp_path, data + b"junk"))
    np.testing.assert_array_equal(hu, CT)


def test_header_extensions_are_skipped(tmp_path: Path) -> None:
    data = nifti_bytes(change=setting(vox_offset=384))
    hu, _ = nifti.load(saved(tmp_path, data[:352] + bytes(32) + data[352:]))
    np.testing.assert_array_equal(hu, CT)


@pytest.mark.parametrize("slope", [0, np.nan])
def test_an_unset_slope_means_no_scaling(tmp_path: Path, slope: float) -> None:
    path = saved(tmp_path, nifti_bytes(change=setting(scl_slope=slope, scl_inter=7)))
    np.testing.assert_array_equal(nifti.load(path)[0], CT)
    assert (nifti.inspect(path).slope, nifti.inspect(path).inter) == (1, 0)


def test_values_beyond_16_bits_become_float(tmp_path: Path) -> None:
    stored = np.full((64, 64, 300), 5, np.uint16)
    stored[1, 2, 299] = 60000
    hu, _ = nifti.load(saved(tmp_path, nifti_bytes(stored)), hu_offset=-1024)
    assert (hu.dtype, hu[1, 2, 299], hu[0, 0, 0]) == (np.float32, 60000 - 1024, 5 - 1024)


def test_trailing_axes_of_one_are_dropped(tmp_path: Path) -> None:
    hu, geometry = nifti.load(saved(tmp_path, nifti_bytes(CT[..., None, None])))
    assert tuple(geometry.shape) == CT.shape
    np.testing.assert_array_equal(hu, CT)


ORIENTATIONS = [
    np.eye(3)[list(order)] * np.array(signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_all_48_orientations_survive_reading_and_writing(tmp_path: Path, axes: np.ndarray) -> None:
    affine = np.eye(4)
    affine[:3, :3] = axes * [0.9765625, 1, 5]
    affine[:3, 3] = -250.123, 17.7, 1300.3
    source = saved(tmp_path, gzip.compress(nifti_bytes(affine=affine)))
    _, geometry = nifti.load(source)
    mask = (CT > 0).astype(np.uint8) + (CT > 60)
    target = tmp_path / "mask.nii.gz"
    nifti.write_mask(target, mask, geometry, nifti.read_header(source).raw)
    image = nib.load(target)
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), mask)
    original = nib.load(source).header
    np.testing.assert_array_equal(image.header.get_sform(), original.get_sform())
    np.testing.assert_array_equal(image.header.get_qform(), original.get_qform())
    again, same = nifti.load_mask(target)
    np.testing.assert_array_equal(again, mask)
    np.testing.assert_array_equal(same.affine, geometry.affine)


def rotation(degrees: float, axis: int) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.insert(np.insert([[c, -s], [s, c]], axis, 0, axis=0), axis, np.eye(3)[axis], axis=1)


@pytest.mark.parametrize("degrees", [0.01, 0.1, 1, 17, 179.9])
@pytest.mark.parametrize("decimals", [4, 6, 16])
def test_an_oblique_affine_with_rounded_cosines_is_no_conflict(
    tmp_path: Path, degrees: float, decimals: int
) -> None:
    axes = np.round(rotation(180 - degrees, 2) @ rotation(degrees, 0), decimals)
    affine = np.eye(4)
    affine[:3, :3] = axes * [0.7, 0.7, 3]
    affine[:3, 3] = 170.55, 168.25, -900.5
    stored = np.zeros((512, 512, 1), np.uint8)
    source = saved(tmp_path, nifti_bytes(stored, affine))
    header = nifti.read_header(source)
    np.testing.assert_allclose(header.geometry.affine, affine, atol=1e-4)
    nifti.write_mask(tmp_path / "mask.nii.gz", stored, header.geometry, header.raw)
    assert (
        nifti.read_header(tmp_path / "mask.nii.gz").geometry.affine.tolist()
        == header.geometry.affine.tolist()
    )


@pytest.mark.parametrize("missing", ["sform_code", "qform_code"])
def test_one_affine_is_enough_and_the_mask_gets_both(tmp_path: Path, missing: str) -> None:
    source = saved(tmp_path, nifti_bytes(change=setting(**{missing: 0})))
    header = nifti.read_header(source)
    nifti.write_mask(tmp_path / "mask.nii.gz", np.zeros(CT.shape, np.uint8), header.geometry, header.raw)
    written = nib.load(tmp_path / "mask.nii.gz").header
    np.testing.assert_allclose(written.get_sform(), AFFINE, atol=1e-5)
    np.testing.assert_allclose(written.get_qform(), AFFINE, atol=1e-5)
    assert written["sform_code"] == written["qform_code"] == 1


@pytest.mark.usefixtures("inflate")
def test_a_mask_says_what_it_is_and_carries_no_text_of_its_source(tmp_path: Path) -> None:
    texts = setting(descrip=b"Jane Doe", aux_file=b"doe.txt", db_name=b"doe", intent_name=b"doe", extents=7)
    source = saved(tmp_path, nifti_bytes(change=texts, order=">"))
    header = nifti.read_header(source)
    paths = [tmp_path / name for name in ("a.nii.gz", "b.nii.gz")]
    for path in paths:
        nifti.write_mask(path, np.full(CT.shape, 300), header.geometry, header.raw)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    data = gzip.decompress(paths[0].read_bytes())
    assert b"oe" not in data[:352]
    assert data[148:228].rstrip(b"\0") == b"Research use only. Not a medical device. AI-generated."
    assert struct.unpack("<h", data[70:72]) == (512,)
    assert int(nifti.load_mask(paths[0])[0].max()) == 300


@pytest.mark.parametrize(
    ("array", "code"),
    [(np.zeros((2, 2, 2), np.uint8), "grid_mismatch"), (np.full(CT.shape, -1), "not_a_mask")],
)
def test_a_mask_that_fits_no_grid_or_index_is_not_written(
    tmp_path: Path, array: np.ndarray, code: str
) -> None:
    geometry = nifti.read_header(saved(tmp_path, nifti_bytes())).geometry
    assert code_of(tmp_path / "m.nii.gz", lambda path: nifti.write_mask(path, array, geometry)) == code
    assert not (tmp_path / "m.nii.gz").exists()


def test_a_ct_is_no_mask_but_a_mask_of_zeros_may_compress_a_thousandfold(tmp_path: Path) -> None:
    assert code_of(saved(tmp_path, nifti_bytes()), nifti.load_mask) == "not_a_mask"
    assert code_of(saved(tmp_path, nifti_bytes(CT / 3)), nifti.load_mask) == "not_a_mask"
    empty = saved(tmp_path, gzip.compress(nifti_bytes(np.zeros((512, 512, 300), np.uint8)), 9))
    labels, _ = nifti.load_mask(empty)
    assert (labels.dtype, int(labels.max())) == (np.uint8, 0)
    assert code_of(empty) == "decompression_bomb"


def tissue(*, air: float = -1000, shape: tuple[int, int, int] = (40, 40, 20)) -> np.ndarray:
    """Half air, then fat, muscle and bone, with noise."""
    rng = np.random.default_rng(1)
    means = rng.choice([air, -100, 50, 900], size=shape, p=[0.5, 0.15, 0.3, 0.05])
    return means + rng.normal(0, 15, shape)


def padded(array: np.ndarray, value: float) -> np.ndarray:
    array = array.copy()
    array[:8] = value
    return array


HU_LIKE = {
    "whole CT": tissue(),
    "CT clipped at -1000 and 3071": np.clip(tissue() * 1.0 + 0, -1000, 3071),
    "padding -1024": padded(tissue(), -1024),
    "padding -2000": padded(tissue(), -2000),
    "padding -3024": padded(tissue(), -3024),
    "soft tissue crop without air": tissue(air=40),
    "soft tissue crop masked to -2000": padded(tissue(air=40), -2000),
    "organ crop without air or fat": np.random.default_rng(2).normal(60, 20, (20, 20, 20)),
    "noise-free phantom": np.repeat([-1000.0, 40.0, 1000.0], 1000).reshape(10, 10, 30),
    "metal": np.where(np.random.default_rng(3).random((40, 40, 20)) < 0.01, 30000, tissue()),
}
NOT_HU = {
    "CT stored as 0..4095": np.clip(tissue() + 1024, 0, 4095),
    "CT stored as 0..4095, padded": padded(np.clip(tissue() + 1024, 0, 4095), -2000),
    "intercept applied twice": tissue() - 1024,
    "MR": np.random.default_rng(4).gamma(2, 150, (20, 20, 20)),
    "MR with undershoot": np.random.default_rng(4).gamma(2, 150, (20, 20, 20)) - 20,
    "normalised to 0..1": (tissue() + 1000) / 2000,
    "z-normalised": (tissue() + 400) / 500,
    "phase -4096..4095": np.random.default_rng(5).uniform(-4096, 4095, (20, 20, 20)),
    "constant": np.zeros((10, 10, 10)),
}


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("name", HU_LIKE)
def test_a_ct_is_hu_like_however_it_is_cropped_clipped_or_padded(
    tmp_path: Path, name: str, dtype: type
) -> None:
    found = nifti.inspect(saved(tmp_path, nifti_bytes(HU_LIKE[name].astype(dtype))))
    assert (found.hu_like, found.not_hu_reason) == (True, "")


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("name", NOT_HU)
def test_what_is_not_in_hu_is_flagged_with_the_measured_range(tmp_path: Path, name: str, dtype: type) -> None:
    found = nifti.inspect(saved(tmp_path, nifti_bytes(NOT_HU[name].astype(dtype))))
    assert not found.hu_like
    assert "the values run from" in found.not_hu_reason


def test_a_window_stored_in_8_bits_is_not_hu_like(tmp_path: Path) -> None:
    window = np.clip((tissue() + 160) * 255 / 400, 0, 255).astype(np.uint8)
    assert "8 bits" in nifti.inspect(saved(tmp_path, nifti_bytes(window))).not_hu_reason


def test_a_stated_offset_makes_a_shifted_ct_hu_like(tmp_path: Path) -> None:
    stored = np.clip(tissue() + 1024, 0, 4095).astype(np.uint16)
    path = saved(tmp_path, nifti_bytes(stored))
    assert not nifti.inspect(path).hu_like
    assert nifti.inspect(path, hu_offset=-1024).hu_like
    np.testing.assert_array_equal(nifti.load(path, -1024)[0], stored.astype(int) - 1024)


@pytest.mark.parametrize("dtype", ["i2", "u2", "u1", "i4", "f4"])
@pytest.mark.parametrize(("slope", "inter"), [(1, 0), (2, -1000), (-0.5, 30)])
def test_measured_values_match_numpy(tmp_path: Path, dtype: str, slope: float, inter: float) -> None:
    stored = np.random.default_rng(6).integers(0, 250, (30, 20, 10)).astype(dtype)
    found = nifti.inspect(
        saved(tmp_path, nifti_bytes(stored, change=setting(scl_slope=slope, scl_inter=inter)))
    )
    hu = stored.astype(float) * slope + inter
    assert (found.hu_min, found.hu_max, found.n_voxels) == (hu.min(), hu.max(), hu.size)
    for percent in (5, 50, 99.9):
        expected = np.percentile(hu, percent, method="inverted_cdf")
        assert found.hu_percentiles[f"p{percent}"] == pytest.approx(
            expected, abs=0 if dtype[1] != "4" else 0.5
        )


@pytest.mark.parametrize(
    ("name", "hu_like"),
    [
        ("fixtures/negative_mr/not_ct_mr.nii.gz", False),
        ("fixtures/cip_chest64/ct.nii.gz", True),
        ("fixtures/tptbox_vertebra_PIR/ct.nii.gz", True),
        ("torso/ts_example_3mm/ct.nii.gz", True),
        ("torso/ts_aorta_1p5mm/ct.nii.gz", True),
        ("torso/chaos_set3/ct_3mm.nii.gz", True),
        ("Dataset501_OpenKBP_HN7/imagesTr/KBP_087_0000.nii.gz", True),
    ],
)
def test_real_scans_are_judged_rightly(name: str, hu_like: bool) -> None:
    if not (DATA / name).exists():
        pytest.skip("the real scans are not here")
    assert nifti.inspect(DATA / name).hu_like is hu_like
    expected = nib.load(DATA / name)
    hu, geometry = nifti.load(DATA / name)
    np.testing.assert_array_equal(hu, np.asanyarray(expected.dataobj))
    np.testing.assert_array_equal(geometry.affine, expected.affine)


SMALL = nifti_bytes(CT[:4, :4, :4])


@settings(max_examples=400, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.integers(0, 360), st.binary(min_size=1, max_size=8)), max_size=4),
    cut=st.one_of(st.just(None), st.integers(0, len(SMALL))),
    packed=st.booleans(),
)
def test_no_damaged_file_gets_past_with_anything_but_a_named_refusal(
    tmp_path: Path, edits: list[tuple[int, bytes]], cut: int | None, packed: bool
) -> None:
    data = bytearray(SMALL)
    for at, value in edits:
        data[at : at + len(value)] = value
    cut_data = bytes(data[:cut])
    path = saved(tmp_path, gzip.compress(cut_data, 1) if packed else cut_data)
    try:
        found = nifti.inspect(path)
        hu, geometry = nifti.load(path)
    except InvalidInput as refused:
        assert refused.code.isidentifier()
        return
    assert np.isfinite(hu).all()
    assert abs(np.linalg.det(geometry.affine)) > 1e-6
    assert hu.size == found.n_voxels
