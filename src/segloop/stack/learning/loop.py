"""The simulation of a project that corrects and retrains: what it needs of a learning system, and the rounds themselves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from segloop.stack.learning import scoring
from segloop.stack.learning.chart import CANDIDATES
from segloop.stack.learning.curve import Step, read_steps
from segloop.stack.learning.folds import Fold
from segloop.stack.learning.limit import Limit
from segloop.stack.learning.small_net import keep
from segloop.training.protocol import CaseScores
from segloop.training.target import ReviewedRegion


@dataclass(frozen=True)
class Retrained:
    """What a retraining left: the version in use afterwards, and the gate's decision in the product's own words.

    `candidate` is the version that was trained, where a gate stands between it and use.
    """

    version: str
    gate: Mapping[str, Any] = field(default_factory=dict)
    candidate: str | None = None


class Loop(Protocol):
    """A learning system in the middle of its life. A repeat of any call with the same arguments changes nothing."""

    def feed(self, patient_id: str, region: ReviewedRegion) -> None:
        """Give the true mask of a patient as a correction of which `region` was reviewed."""

    def retrain(self, key: str) -> Retrained:
        """Train on everything fed so far and wait for it; the same key is the same run.

        Raises:
            OutOfTime: The run goes on, or can; ask again with the same key.
        """

    def evaluate(self, version: str, patients: Sequence[str]) -> Sequence[CaseScores]:
        """Return the version's scores on patients that were never fed."""


def simulate(
    loop: Loop,
    arm: str,
    fold: Fold,
    region_of: Callable[[str], ReviewedRegion],
    work: Path,
    limit: Limit,
    say: Callable[[str], None],
) -> None:
    """Feed, retrain and measure round after round; each round's result is kept in `work` and not made again.

    A round that is done is fed again all the same, because the loop may have to be told anew.

    Raises:
        OutOfTime: as `limit`; the same call goes on.
    """
    done = {(step.fold, step.arm, step.round) for step in read_steps(work)}
    for number, patients in enumerate(fold.rounds, 1):
        limit.left_s()
        for patient in patients:
            loop.feed(patient, region_of(patient))
        if (fold.number, arm, number) in done:
            continue
        retrained = loop.retrain(f"fold{fold.number}-{arm}-round{number}".replace(" ", "-"))
        limit.left_s()
        measure(loop, arm, fold, number, retrained, work, say)


def measure(
    loop: Loop,
    arm: str,
    fold: Fold,
    number: int,
    retrained: Retrained,
    work: Path,
    say: Callable[[str], None],
) -> Step:
    """Evaluate a version on the fold's test patients and keep the step; round 0 is the model before any feeding."""
    n_fed = len(fold.fed(number))
    table = scoring.tables(loop.evaluate(retrained.version, fold.test))
    if retrained.candidate is not None:
        same = retrained.candidate == retrained.version
        of = table if same else scoring.tables(loop.evaluate(retrained.candidate, fold.test))
        candidate = Step(fold.number, arm + CANDIDATES, number, n_fed, of["dice"], of["nsd"])
        keep(
            candidate.file(work), candidate.to_dict()
        )  # first: the arm's own step says that the round is done
    step = Step(fold.number, arm, number, n_fed, table["dice"], table["nsd"], dict(retrained.gate))
    keep(step.file(work), step.to_dict())
    said = retrained.gate.get("outcome", "no gate")
    say(
        f"  fold {fold.number}, {arm}, round {number}: mean Dice {scoring.overall(step.dice):.3f} "
        f"after {n_fed} patients ({said})"
    )
    return step
