"""A real head CT for the demo: the one in Debian's package invesalius-examples, unpacked without root."""

import gzip
import hashlib
import plistlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np

from segloop.errors import Unavailable

PACKAGE = "invesalius-examples"
INSIDE = "usr/share/doc/invesalius-examples/examples/Cranium.inv3"
SHA256 = "3b34f11f7c4f557f4c65cd6543c412a2f6ceb0cfecfd9c41184420e02d9b7e2a"


def fetch(root: Path, say: Callable[[str], None]) -> Path:
    """Return the CT as NIfTI in the data folder, downloading it from Debian the first time.

    Raises:
        Unavailable: this isn't Debian or Ubuntu, the download failed, or the file isn't the one we know.
    """
    target = root / "demo/real-head.nii.gz"
    if target.exists():
        return target
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Unavailable(
            "not_debian",
            "The real CT comes from a Debian package, and this is neither Debian nor Ubuntu. Name a CT of your own:"
            " ./segloop demo PATH",
        )
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        say(f"  downloading {PACKAGE} (19 MB) from Debian")
        project = _unpack(Path(scratch))
        digest = hashlib.sha256(project.read_bytes()).hexdigest()
        if digest != SHA256:
            raise Unavailable(
                "unknown_ct",
                f"{PACKAGE} holds another CT than the one checked (sha256 {digest}).",
            )
        draft = Path(scratch) / target.name
        draft.write_bytes(gzip.compress(read_inv3(project).to_bytes(), compresslevel=1, mtime=0))
        draft.replace(target)
    return target


def read_inv3(path: Path) -> nibabel.Nifti1Image:
    """Return the CT of an InVesalius project, in HU, with its axes in the world.

    InVesalius stores axial slices (z, y, x) from feet to head, with the rows of each DICOM slice turned over
    (`dcm2memmap`) and its columns kept: x runs to the patient's left, y to the front, z to the head. Front and head
    were confirmed by looking at the slices; left is what DICOM's columns mean in an axial slice, and no picture of
    a head can confirm it.
    """
    with tarfile.open(path) as tar:
        files = {Path(member.name).name: member for member in tar.getmembers() if member.isfile()}
        described = tar.extractfile(files["main.plist"])
        assert described is not None
        main = plistlib.load(described)
        stored = tar.extractfile(files[main["matrix"]["filename"]])
        assert stored is not None
        slices = np.frombuffer(stored.read(), dtype="<i2").reshape(main["matrix"]["shape"])
    spacing_mm = [float(value) for value in main["spacing"]]
    affine = np.diag([-spacing_mm[0], spacing_mm[1], spacing_mm[2], 1.0])
    image = nibabel.Nifti1Image(np.ascontiguousarray(slices.transpose(2, 1, 0)), affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    image.set_qform(affine, code=1)  # type: ignore[no-untyped-call]
    image.set_sform(affine, code=1)  # type: ignore[no-untyped-call]
    return image


def _unpack(folder: Path) -> Path:
    """Download the package into `folder` as whoever we are, and unpack it there."""
    for command in (
        ["apt-get", "download", "-qq", PACKAGE],
        ["sh", "-c", 'dpkg-deb -x ./*.deb "$PWD"'],
    ):
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
        if done.returncode:
            raise Unavailable(
                "no_download",
                f"'{' '.join(command)}' failed: {done.stderr.strip()[-300:]}. If the package lists are missing, run"
                " 'apt-get update' as root once.",
            )
    return folder / INSIDE
