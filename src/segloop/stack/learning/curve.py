"""The learning curve: results by fold, arm and round as they are kept, and the table made of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from segloop.stack.learning import chart, scoring
from segloop.stack.learning.scoring import Table
from segloop.stack.learning.small_net import keep

BEFORE = "no retraining"


@dataclass(frozen=True)
class Step:
    """One measured version: Dice and NSD of each test patient and label, and what the gate said of it."""

    fold: int
    arm: str
    round: int
    n_fed: int
    dice: Table
    nsd: Table
    gate: Mapping[str, Any] = field(default_factory=dict)

    def file(self, work: Path) -> Path:
        """Return where the step is kept."""
        return work / "steps" / f"fold{self.fold}-{self.arm.replace(' ', '-')}-round{self.round}.json"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def read_steps(work: Path) -> list[Step]:
    """Return the steps that are finished, by fold, arm and round."""
    files = (work / "steps").glob("*.json")
    steps = [Step(**json.loads(file.read_text())) for file in files]
    return sorted(steps, key=lambda step: (step.fold, step.arm, step.round))


def curves(steps: Sequence[Step]) -> dict[str, Any]:
    """Return Dice by arm, round and label, over the folds in which every arm has reached the round.

    The arm `no retraining` has one step, round 0; it is where every arm begins, and goes on level.
    """
    level = {step.fold: step for step in steps if step.arm == BEFORE}
    measured = {(s.arm, s.round, s.fold): s for s in steps if s.arm != BEFORE and s.fold in level}
    arms = sorted({arm for arm, _, _ in measured})
    rows = []
    for number in range(max((r for _, r, _ in measured), default=0) + 1):
        reached = [f for f in level if number == 0 or all((arm, number, f) in measured for arm in arms)]
        if not reached:
            continue
        here = {arm: [measured.get((arm, number, f), level[f]) for f in reached] for arm in arms}
        here[BEFORE] = [level[f] for f in reached]
        fed = max(step.n_fed for some in here.values() for step in some)
        rows.append({"round": number, "folds": sorted(reached), "n_fed": fed, "arms": _arms(here)})
    return {"arms": [BEFORE, *arms], "rows": rows}


def _arms(here: Mapping[str, Sequence[Step]]) -> dict[str, Any]:
    return {
        arm: {
            "by_fold": [scoring.overall(step.dice) for step in some],
            "mean": float(np.mean([scoring.overall(step.dice) for step in some])),
            "labels": {
                name: float(np.mean([scoring.by_label(step.dice)[name] for step in some]))
                for name in scoring.by_label(some[0].dice)
            },
        }
        for arm, some in here.items()
    }


def write(work: Path) -> str:
    """Write curve.json, curve.md and curve.svg of what is finished, and return the table."""
    steps = read_steps(work)
    found = keep(work / "curve.json", curves(steps))
    text = "\n".join([*_table(found), "", *_decisions(steps)]) + "\n"
    (work / "curve.md").write_text(text)
    if found["rows"]:
        chart.learning(found, work / "curve.svg")
    return text


def _table(found: Mapping[str, Any]) -> Iterator[str]:
    """One row per round and arm: the mean, then each label."""
    rows = found["rows"]
    if not rows:
        yield "Nothing is measured yet."
        return
    labels = list(rows[0]["arms"][BEFORE]["labels"])
    yield f"| round | fed | folds | arm | mean Dice | {' | '.join(labels)} |"
    yield "|---" * (5 + len(labels)) + "|"
    for row in rows:
        for arm in found["arms"] if row["round"] else [BEFORE]:
            values = row["arms"][arm]
            figures = " | ".join(f"{values['labels'][label]:.3f}" for label in labels)
            yield (
                f"| {row['round']} | {row['n_fed'] if arm != BEFORE else 0} | {len(row['folds'])} | {arm} "
                f"| {values['mean']:.3f} | {figures} |"
            )


def _decisions(steps: Sequence[Step]) -> Iterator[str]:
    """What the gate said of each version that it was asked about."""
    for step in steps:
        if "outcome" in step.gate:
            reasons = step.gate.get("reasons", ())
            more = f" (and {len(reasons) - 2} more)" if len(reasons) > 2 else ""
            why = " ".join(reasons[:2]) + more
            done = f", {step.gate['done']}" if "done" in step.gate else ""
            yield f"- fold {step.fold}, {step.arm}, round {step.round}: *{step.gate['outcome']}*{done}. {why}".rstrip()
