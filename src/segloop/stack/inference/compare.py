"""Engine and command on the same cases in turns, with medians, and whether their masks agree."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from segloop.errors import Unavailable
from segloop.imaging import nifti
from segloop.model_versions.profiles import Profile
from segloop.stack.inference import peer
from segloop.stack.inference.subjects import Model

Say = Callable[[str], None]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Turns:
    """What is compared: cases with one model, so often, on "cpu" or "cuda"."""

    name: str
    model: Model
    cases: Sequence[Path]
    repeats: int = 3
    profiles: tuple[Profile, ...] = ("exact",)
    device: str = "cpu"
    with_peer: bool = True


def run(turns: Turns, folder: Path, say: Say) -> dict[str, Any]:
    """Return medians of both sides, their ratios and how the masks differ; the peer goes first in each turn."""
    folder.mkdir(parents=True, exist_ok=True)
    peers: list[Row] = []
    ours: dict[str, list[Row]] = {profile: [] for profile in turns.profiles}
    for turn in range(turns.repeats):
        if turns.with_peer:
            cost = peer.predict(turns.model, list(turns.cases), folder / "peer", device=turns.device)
            peers.append(asdict(cost))
            say(f"  {turns.name}: nnUNetv2_predict {turn + 1} of {turns.repeats}: {cost.cpu_s:.1f} CPU-s")
        for profile in turns.profiles:
            found = _engine(turns, profile, folder / profile)
            ours[profile].append(_sum(found))
            say(
                f"  {turns.name}: {profile} {turn + 1} of {turns.repeats}: {ours[profile][-1]['cpu_s']:.1f} CPU-s"
            )
    return {
        "name": turns.name,
        "model": turns.model.name,
        "device": turns.device,
        "n_cases": len(turns.cases),
        "peer": _medians(peers) if peers else None,
        **{
            profile: _medians(rows) | {"differs": differences(turns, folder, profile) if peers else None}
            for profile, rows in ours.items()
        },
    }


def differences(turns: Turns, folder: Path, profile: str) -> list[dict[str, Any]]:
    """Return for each case how many voxels differ from the peer's mask, and the least Dice over the labels."""
    found = []
    for case in turns.cases:
        (a, _), (b, _) = (
            nifti.load_mask(place / case.name) for place in (folder / "peer" / "masks", folder / profile)
        )
        labels = np.union1d(np.unique(a), np.unique(b))
        dices = [
            2 * np.count_nonzero((a == label) & (b == label)) / (np.sum(a == label) + np.sum(b == label))
            for label in labels[labels > 0]
        ]
        found.append(
            {
                "voxels": int(a.size),
                "differing": int(np.count_nonzero(a != b)),
                "least_dice": float(min(dices, default=1.0)),
                "n_labels": len(dices),
            }
        )
    return found


def _engine(turns: Turns, profile: Profile, folder: Path) -> list[Row]:
    folder.mkdir(parents=True, exist_ok=True)
    request = {
        "bundle": str(turns.model.bundle),
        "device": turns.device,
        "profile": profile,
        "cases": list(map(str, turns.cases)),
        "masks": [str(folder / case.name) for case in turns.cases],
    }
    file = folder / "request.json"
    file.write_text(json.dumps(request))
    command = [sys.executable, "-m", "segloop.stack.inference.engine", str(file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable("bench_failed", f"The engine failed: {done.stderr[-800:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _sum(rows: Sequence[Row]) -> Row:
    """Add up the cases of one turn; memory is the most of any."""
    total: dict[str, Any] = {}
    for key in rows[0]:
        values = [row[key] for row in rows]
        if key == "stages_s":
            total[key] = {stage: sum(value.get(stage, 0.0) for value in values) for stage in values[0]}
        else:
            total[key] = max(values) if key.endswith("_bytes") else sum(values)
    return total


def _medians(rows: Sequence[Row]) -> dict[str, Any]:
    def of(values: Sequence[Any]) -> Any:
        if isinstance(values[0], Mapping):
            return {key: round(median(value[key] for value in values), 3) for key in values[0]}
        return round(median(values), 3)

    return {key: of([row[key] for row in rows]) for key in rows[0]}
