"""`segloop demo`: the whole main job through the HTTP API, as any client would do it."""

import gzip
import hashlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import nibabel
import numpy as np
from numpy.typing import NDArray

from segloop.errors import InvalidInput, NotFound, Unavailable
from segloop.imaging import phantom
from segloop.stack import models, state
from segloop.stack.applications import ROOT

Say = Callable[[str], None]
STARTER = ROOT / "models/starter"
POLL_S = 0.5
LIMIT_S = 1800.0
SLICES_SHAPE, SLICES_SPACING_MM = (160, 160, 96), (2.5, 2.5, 3.0)


@dataclass(frozen=True)
class Case:
    """A CT to segment; `truth` is known for the phantom only, on the same grid (x, y, z)."""

    path: Path
    truth: NDArray[np.uint8] | None


def run(root: Path, ct: Path | None, say: Say, *, hu_offset: float | None = None) -> None:
    """Segment the phantom, or `ct`, on the running stack and print what came out; `hu_offset` turns its values into HU.

    Raises:
        SegloopError: the file is refused, there is no model, or the job failed; the message is the API's own.
    """
    environment = state.environment(root)
    folder = root / "demo"
    folder.mkdir(mode=0o700, exist_ok=True)
    case = Case(ct, None) if ct else _phantom(folder)
    if not case.path.exists():
        raise NotFound("no_such_file", f"There is no file {case.path}.")
    headers = {"Authorization": f"Bearer {environment['SEGLOOP_TOKEN']}"}
    with httpx.Client(base_url=environment["SEGLOOP_API_URL"], headers=headers, timeout=60) as api:
        ensure_model(api, environment, say)
        began = time.monotonic()
        volume = upload(api, case.path, say)
        job = _segment(api, volume["id"], say, hu_offset)
        mask_path = folder / f"{case.path.name.removesuffix('.gz').removesuffix('.nii')}-mask.nii.gz"
        mask_path.write_bytes(_call(api, "GET", f"/v1/masks/{job['mask_id']}/content").content)
        statistics = _call(api, "GET", f"/v1/masks/{job['mask_id']}/statistics").json()
        say(
            f"Done in {time.monotonic() - began:.1f} s. Research use only. Not a medical device. AI-generated."
        )
    _report(case, mask_path, statistics, job, say)


def _phantom(folder: Path) -> Case:
    path = folder / "phantom.nii.gz"
    ct, truth, geometry = phantom.head_and_neck(shape=SLICES_SHAPE, spacing_mm=SLICES_SPACING_MM, seed=1)
    image = nibabel.Nifti1Image(ct, geometry.affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")  # type: ignore[no-untyped-call]
    # Without a time in the gzip header the same phantom is the same file, and so the same volume.
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))
    return Case(path, truth)


def ensure_model(api: httpx.Client, environment: dict[str, str], say: Say) -> None:
    """Put the starter model into production where the project has no other."""
    versions = _call(api, "GET", "/v1/projects/default/model-versions").json()["items"]
    if any(version["stage"] == "production" for version in versions):
        return
    if not (STARTER / "model.json").exists():
        raise NotFound(
            "no_model",
            "The project has no model. Import one: ./segloop models import PATH --promote REASON",
        )
    models.import_model(
        environment,
        STARTER,
        project="default",
        name="starter",
        reason="first model of a new installation",
        say=say,
    )


def upload(api: httpx.Client, path: Path, say: Say, **options: object) -> dict[str, Any]:
    """Upload a file in parts and return the volume, or with `purpose="mask"` and more `options` the mask."""
    body = {
        "filename": path.name,
        "size_bytes": path.stat().st_size,
        "purpose": "volume",
        **options,
        # The names of our own two; anybody else's file name may be a patient's.
        "case_reference": path.name.partition(".")[0]
        if path.name.startswith(("phantom", "real-head"))
        else None,
    }
    upload = _call(api, "POST", "/v1/projects/default/uploads", json=body).json()
    with path.open("rb") as file:
        for number in range(1, upload["n_parts"] + 1):
            part = file.read(upload["part_bytes"])
            digest = {"X-Content-Sha256": hashlib.sha256(part).hexdigest()}
            _call(
                api,
                "PUT",
                f"/v1/uploads/{upload['id']}/parts/{number}",
                content=part,
                headers=digest,
            )
            say(f"  uploaded part {number} of {upload['n_parts']}")
    volume: dict[str, Any] = _call(api, "POST", f"/v1/uploads/{upload['id']}/complete").json()
    return volume


def _segment(api: httpx.Client, volume_id: str, say: Say, hu_offset: float | None) -> dict[str, Any]:
    body = {
        "kind": "segment",
        "project_id": "default",
        "input": {"volume_id": volume_id},
        "parameters": {} if hu_offset is None else {"hu_offset": hu_offset, "hu_confirmed": True},
    }
    key = {"Idempotency-Key": str(uuid.uuid4())}
    job: dict[str, Any] = _call(api, "POST", "/v1/jobs", json=body, headers=key).json()
    limit, told = time.monotonic() + LIMIT_S, ""
    while job["state"] in ("queued", "running"):
        if time.monotonic() > limit:
            raise Unavailable(
                "too_slow",
                f"The job is not done after {LIMIT_S:.0f} s; it goes on: job {job['id']}.",
            )
        line = f"  {job['state']} {job['stage'] or ''} {job['progress'] or 0:.0%}"
        if line != told:
            say(line)
            told = line
        time.sleep(POLL_S)
        job = _call(api, "GET", f"/v1/jobs/{job['id']}").json()
    if job["state"] != "succeeded":
        reason = (job["error"] or {}).get("message", "no reason given")
        raise Unavailable("job_not_done", f"The job was {job['state']}: {reason} (job {job['id']})")
    return job


def _report(
    case: Case,
    mask_path: Path,
    statistics: dict[str, Any],
    job: dict[str, Any],
    say: Say,
) -> None:
    found = np.asanyarray(nibabel.load(mask_path).dataobj)  # type: ignore[attr-defined]
    say(f"  {'organ':<16}{'volume':>10}" + ("   Dice against the truth" if case.truth is not None else ""))
    for label in statistics["labels"]:
        line = f"  {label['name']:<16}{label['volume_ml']:>7.1f} ml"
        if case.truth is not None:
            line += f"   {_dice(found == label['index'], case.truth == label['index']):.3f}"
        say(line)
    longest_first = sorted(job["timings"].items(), key=lambda stage: -stage[1])
    say("  time: " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in longest_first))
    say(f"  CT:   {case.path}\n  mask: {mask_path}")


def _dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    total = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / total if total else 1.0


def _call(api: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
    """Send one request; raises the API's own problem document as an error."""
    try:
        response = api.request(method, path, **more)
    except httpx.HTTPError as error:
        raise Unavailable(
            "api_unreachable",
            f"The API does not answer ({error}). See ./segloop status.",
        ) from error
    if response.is_error:
        is_problem = response.headers.get("content-type", "").startswith("application/problem+json")
        problem = response.json() if is_problem else {"detail": response.text[:300], "code": "unexpected"}
        raise InvalidInput(
            problem["code"],
            f"{problem['detail']} ({method} {path} gave {response.status_code})",
        )
    return response
