"""How long a series needs from the first byte of its C-STORE to a stored volume, beside reading and converting it alone.

The gateway is a process of its own on the running stack, DCMTK's `storescu` the sender; everything goes through the product's
own doors. "Alone" is what a user would run on the files: read them, write a NIfTI.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import nibabel
import numpy as np
import pydicom

from segloop.errors import NotFound, Unavailable
from segloop.imaging.dicom import archive, series
from segloop.imaging.dicom.convert import write_nifti
from segloop.stack import dicom_phantom

Say = Callable[[str], None]
SHAPE, SHORT_SHAPE = (512, 512, 300), (64, 64, 12)
TURNS = 3
LIMIT_S = 600.0
PROJECT = "bench-dicom"
SENDER, GATEWAY = "BENCH", "SEGLOOP"
PROPOSE = {"uncompressed": "-xe", "JPEG 2000": "-xv"}
"""What makes `storescu` offer the syntax that the files are in."""


def run(environment: dict[str, str], say: Say, *, short: bool) -> dict[str, Any]:
    """Measure both syntaxes in turns and return the medians in seconds.

    Raises:
        NotFound: `storescu_missing`.
        Unavailable: `bench_dicom`, when something never comes to its end.
    """
    if shutil.which("storescu") is None:
        raise NotFound("storescu_missing", "Install DCMTK (apt-get install dcmtk): it sends the series.")
    found: dict[str, Any] = {}
    headers = {"Authorization": f"Bearer {environment['SEGLOOP_TOKEN']}"}
    with tempfile.TemporaryDirectory(prefix="segloop-bench-") as name:
        folder, slices = Path(name), dicom_phantom.slices(SHORT_SHAPE if short else SHAPE)
        api = httpx.Client(base_url=environment["SEGLOOP_API_URL"], headers=headers, timeout=60)
        with api, _gateway(environment, folder) as port:
            api.post(
                "/v1/projects", json={"slug": PROJECT, "name": "Benchmark: DICOM"}
            )  # without a model: nothing is segmented
            for syntax, uid in dicom_phantom.SYNTAXES.items():
                if slices[0].file_meta.TransferSyntaxUID != uid:
                    for header in slices:
                        header.compress(uid, generate_instance_uid=False)
                turns = [_turn(folder, slices, syntax, port, api) for _ in range(1 if short else TURNS)]
                medians = {key: round(statistics.median(turn[key] for turn in turns), 2) for key in turns[0]}
                found[syntax] = medians
                say(f"{syntax}: {_told(medians)}")
    return found


def _told(found: dict[str, float]) -> str:
    stored = found["stored_s"]
    return (
        f"first C-STORE byte to stored volume {stored} s (sent after {found['sent_s']} s); alone: our reader {found['ours_s']} s "
        f"(x{stored / found['ours_s']:.2f}), highdicom {found['highdicom_s']} s (x{stored / found['highdicom_s']:.2f})"
    )


def _turn(
    folder: Path, slices: Sequence[pydicom.Dataset], syntax: str, port: int, api: httpx.Client
) -> dict[str, float]:
    files = folder / "series"
    files.mkdir()
    try:
        paths = dicom_phantom.write_series(files, slices)
        found = {
            "ours_s": _timed(lambda: _convert(paths, folder / "ours.nii")),
            "highdicom_s": _timed(lambda: _convert_by_highdicom(paths, folder / "theirs.nii")),
        }
        return found | _send(files, syntax, port, api)
    finally:
        shutil.rmtree(files)


def _timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _convert(paths: list[Path], target: Path) -> None:
    chosen, _ = series.choose(archive.series_in(paths))
    write_nifti(target, chosen)


def _convert_by_highdicom(paths: list[Path], target: Path) -> None:
    import highdicom

    headers = [pydicom.dcmread(path) for path in paths]
    volume = highdicom.get_volume_from_series(headers, dtype=np.float32, apply_voi_transform=False)
    turned = volume.to_patient_orientation("LPS")
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ turned.affine
    nibabel.Nifti1Image(turned.array.astype(np.int16), affine).to_filename(target)  # type: ignore[no-untyped-call]


def _send(files: Path, syntax: str, port: int, api: httpx.Client) -> dict[str, float]:
    before = _newest(api)
    command = [
        "storescu",
        PROPOSE[syntax],
        "-aet",
        SENDER,
        "-aec",
        GATEWAY,
        "127.0.0.1",
        str(port),
        "+sd",
        str(files),
    ]
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    sent = time.monotonic()
    while (newest := _newest(api)) == before:
        if time.monotonic() - began > LIMIT_S:
            raise Unavailable("bench_dicom", "The series never became a volume; look into the gateway's log.")
        time.sleep(0.05)  # each question costs the API what it measures
    stored = time.monotonic()
    # Its pictures for the viewer are made next: they must take nothing from what is measured after this.
    api.get(f"/v1/volumes/{newest}/levels/2", timeout=LIMIT_S).raise_for_status()
    return {"sent_s": sent - began, "stored_s": stored - began}


def _newest(api: httpx.Client) -> str | None:
    answer = api.get(f"/v1/projects/{PROJECT}/volumes", params={"limit": 1})
    items = answer.raise_for_status().json()["items"]
    return items[0]["id"] if items else None


@contextmanager
def _gateway(environment: dict[str, str], folder: Path) -> Iterator[int]:
    """Run a gateway with default settings until the block ends; give its port."""
    port, config, log = _free_port(), folder / "gateway.yaml", folder / "gateway.log"
    config.write_text(
        f"{{aet: {GATEWAY}, port: {port}, callers: [{SENDER}], rules: [{{name: all, project: {PROJECT}}}]}}"
    )
    variables = {**os.environ, **environment, "SEGLOOP_GATEWAY_SPOOL": str(folder / "spool")}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.dicom_gateway", str(config)],
            env=variables,
            stdout=output,
            stderr=output,
        )
    try:
        echo = ["echoscu", "-aet", SENDER, "-aec", GATEWAY, "127.0.0.1", str(port)]
        end = time.monotonic() + 60
        while subprocess.run(echo, check=False, capture_output=True).returncode:
            if process.poll() is not None or time.monotonic() > end:
                raise Unavailable("bench_dicom", f"The gateway did not start: {log.read_text()[-500:]}")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
