"""The loop without the product around it: networks trained one after the other in a folder.

The yardstick "from scratch", and the way to try the simulation where no stack runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from segloop.stack.learning import scoring
from segloop.stack.learning.dataset import RawDataset
from segloop.stack.learning.limit import Limit
from segloop.stack.learning.loop import Retrained
from segloop.stack.learning.reviewed import WHOLE
from segloop.stack.learning.small_net import Net, train
from segloop.training.protocol import CaseScores
from segloop.training.recipe import Recipe
from segloop.training.target import ReviewedRegion


@dataclass
class LocalLoop:
    """A `Loop` over one fold's start patients; a version is the path of its bundle.

    With `first` each retraining goes on from the last version; without it each starts from random weights, for as
    many epochs as the other way has had by then (`first_epochs` and those of each retraining).
    """

    net: Net
    data: RawDataset
    folder: Path
    start: Sequence[str]
    recipe: Recipe
    limit: Limit
    held: int
    first: Path | None = None
    first_epochs: int = 0
    fed: dict[str, ReviewedRegion] = field(default_factory=dict)
    n_retrained: int = 0

    def feed(self, patient_id: str, region: ReviewedRegion) -> None:
        """Remember a correction."""
        self.fed[patient_id] = region

    def retrain(self, key: str) -> Retrained:
        """Train on everything fed, replaying the start patients; a folder that is finished is not trained again."""
        number = int(key.rsplit("round", 1)[1])
        before = self.folder / key.replace(f"round{number}", f"round{number - 1}") / "bundle"
        origin = None if self.first is None else (before if number > 1 else self.first)
        epochs = self.recipe.n_epochs
        if origin is None:
            epochs = self.first_epochs + number * epochs
        bundle = train(
            self.net,
            self.data,
            self.folder / key,
            replace(self.recipe, n_epochs=epochs),
            new=self.fed,
            earlier=self.start,
            start=origin,
            limit=self.limit,
            held=self.held,
        )
        return Retrained(str(bundle))

    def evaluate(self, version: str, patients: Sequence[str]) -> Sequence[CaseScores]:
        """Predict with one thread and compare."""
        return scoring.score(Path(version), self.data, patients)


def first_model(
    net: Net,
    data: RawDataset,
    folder: Path,
    patients: Sequence[str],
    recipe: Recipe,
    *,
    limit: Limit,
    held: int,
) -> Path:
    """Train the model that a simulated project begins with, on its start patients alone, and return its bundle."""
    regions = dict.fromkeys(patients, WHOLE)
    return train(net, data, folder, recipe, new=regions, limit=limit, held=held)
