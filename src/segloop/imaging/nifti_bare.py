"""A NIfTI without anything but grid and voxels: descriptions, names and extensions of its header may say who the patient is."""

from pathlib import Path

from segloop.imaging import nifti_stream
from segloop.imaging.nifti import gzip_writer
from segloop.imaging.nifti_header import parse, read_header

_KEPT = (
    *(
        "dim",
        "datatype",
        "bitpix",
        "pixdim",
        "scl_slope",
        "scl_inter",
        "xyzt_units",
        "qform_code",
        "sform_code",
    ),
    *(
        "quatern_b",
        "quatern_c",
        "quatern_d",
        "qoffset_x",
        "qoffset_y",
        "qoffset_z",
        "srow_x",
        "srow_y",
        "srow_z",
    ),
)
_SLAB_BYTES = 1 << 22


def write_bare(source: Path, target: Path) -> None:
    """Write a NIfTI's grid and stored values, bit for bit, into a new gzip file (level 1), reproducibly.

    Raises:
        InvalidInput: as `read_header`, and `truncated` and `corrupt_gzip` in the voxels.
    """
    header = read_header(source)
    theirs = parse(header.raw)
    fresh = type(theirs)(endianness=theirs.endianness)
    for name in _KEPT:
        fresh[name] = theirs[name]
    start = int(fresh["sizeof_hdr"]) + 4
    fresh["vox_offset"] = start
    fresh["magic"] = b"n+1" if int(fresh["sizeof_hdr"]) == 348 else b"n+2"
    with target.open("wb") as file, gzip_writer(file) as packed:
        packed.write(fresh.binaryblock + bytes(4))
        for data in nifti_stream.body(source, header.offset_bytes, header.body_bytes, _SLAB_BYTES):
            packed.write(data)
