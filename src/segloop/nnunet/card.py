"""The starter model's card: what was trained on what, how good it is on patients it never saw, what it is not for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Scores = Mapping[str, Mapping[str, float]]  # case -> organ -> Dice


@dataclass(frozen=True)
class TrainingFacts:
    """What the card says about the run."""

    iterations: int
    hours: float
    machine: str
    n_training: int
    n_phantoms: int
    patch: Sequence[int]
    spacing_mm: Sequence[float]
    features: Sequence[int]
    parameters: int
    n_final: int = 0  # patients behind the weights that are shipped; 0: those that were measured
    remarks: Sequence[str] = field(default_factory=tuple)


def dice(truth: NDArray[np.uint8], answer: NDArray[np.uint8], label: int) -> float:
    """Dice coefficient 2|A and B| / (|A| + |B|) of one label; NaN where neither array has it."""
    a, b = truth == label, answer == label
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else float("nan")


def mean_dice(scores: Scores) -> float:
    """Mean over organs of the mean over cases, NaN left out."""
    return float(np.nanmean([np.nanmean(column) for column in _columns(scores).values()]))


def model_card(
    facts: TrainingFacts, unseen: Scores, phantoms: Scores, yardstick: Scores | None = None
) -> str:
    """Markdown card; `yardstick` is the unmodified trainer's score on the same unseen patients."""
    remarks = "".join(f"- {remark}\n" for remark in facts.remarks)
    return f"""# Starter model: head and neck, seven organs

Research use only. Not a medical device. AI-generated masks must be checked by a person.

## How good it is

Mean Dice over the seven organs on {len(unseen)} patients it never saw: **{mean_dice(unseen):.3f}** (full sliding
window, on the original grid). The aim was at least 0.60. With {len(unseen)} patients and small organs on coarse
voxels these figures move by several hundredths from one split to another.

{_table(unseen, "patient", yardstick)}

{_yardstick_text(unseen, yardstick)}

On phantoms with seeds it never saw (mean {mean_dice(phantoms):.3f}); this only says that the demo works:

{_table(phantoms, "phantom")}

## How it was made

- Network: nnU-Net v2 `PlainConvUNet`, features {list(facts.features)}, {facts.parameters / 1e6:.1f} million weights;
  patch {list(facts.patch)} at {[round(s, 2) for s in facts.spacing_mm]} mm (z, y, x); nnU-Net's planning, preprocessing and
  loss; AdamW, averaged weights, small rotations, scaling, intensity changes, and left-right mirroring that swaps the
  parotids. No test-time mirroring.
- Data: {facts.n_training} patients and {facts.n_phantoms} synthetic phantoms. Split by patient, by a hash of the name; the
  unseen patients were used for nothing but these figures, not even for the intensity statistics.
- {facts.iterations} iterations of batch 2, {facts.hours:.2f} hours on {facts.machine}.
{_final_text(facts)}
{remarks}
## Where the data comes from

OpenKBP (github.com/ababier/open-kbp, MIT), clinical head-and-neck planning CTs whose images come from The Cancer
Imaging Archive (TCIA); the source's authors sampled them down to 128 x 128 x 128 (about 4-5 mm in plane). No patient
data is in this repository. **Terms of derived weights unclear, research only.**

## What it is for, and its limits

- A first run that means something, demonstrations and tests of this software. Not for treatment or diagnosis.
- Trained on adults in treatment position from a few centres, contoured clinically, at coarse resolution: edges are
  coarse on finer CTs, and larynx and esophagus follow the annotators' habit of where they begin and end.
- Knows CT in Hounsfield units only. Not tested on children, on post-operative anatomy or with metal artefacts.
- Right and left parotid are separate classes; the volume's orientation must be right.
"""


def _columns(scores: Scores) -> dict[str, list[float]]:
    organs = list(next(iter(scores.values())))
    return {organ: [case[organ] for case in scores.values()] for organ in organs}


def _yardstick_text(unseen: Scores, yardstick: Scores | None) -> str:
    if yardstick is None:
        return "Yardstick: not run; there is no comparison with the unmodified trainer yet."
    return f"""Yardstick: the unmodified `nnUNetTrainer` on the same patients (without phantoms) and plans, for as many iterations but a handful,
in 32 bits, reached a mean of {mean_dice(yardstick):.3f} against {mean_dice(unseen):.3f}, measured alike, without test-time mirroring. It is
made for a hundred times as many iterations, and mirrors left and right without knowing that the parotids are a pair."""


def _final_text(facts: TrainingFacts) -> str:
    if not facts.n_final:
        return (
            "- The weights here are those that were measured; a model of all patients has not been trained."
        )
    return (
        f"- The weights here were then trained anew on all {facts.n_final} patients with the same recipe; "
        "no patient is left to measure them on, so the figures are those of the split."
    )


def _table(scores: Scores, what: str, yardstick: Scores | None = None) -> str:
    """One row per organ: mean, worst and best case, and the yardstick's mean."""
    head, line = f"| organ | mean Dice | lowest {what} | highest {what} |", "|---|---|---|---|"
    if yardstick is not None:
        head, line = head + " yardstick's mean |", line + "---|"
    rows = [head, line]
    beside = _columns(yardstick) if yardstick is not None else {}
    for organ, values in _columns(scores).items():
        row = f"| {organ} | {np.nanmean(values):.3f} | {np.nanmin(values):.3f} | {np.nanmax(values):.3f} |"
        rows.append(row + (f" {np.nanmean(beside[organ]):.3f} |" if organ in beside else ""))
    return "\n".join(rows)
