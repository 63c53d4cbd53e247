"""`segloop bench learning`: do corrections, fed to the running product round after round, make its model better?

A project per fold and arm begins with a model of few patients. Further patients' true masks become corrections through the API
(`fed fully`, or `fed as slices`: every tenth axial slice reviewed), the product retrains through its queue, its gate
decides, and what is in production is measured on patients never fed. Yardsticks: `no retraining`, and
`from scratch` on the same patients for as many iterations as the other arms have had by then.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from segloop.errors import InvalidInput
from segloop.stack import control, state
from segloop.stack.learning import curve
from segloop.stack.learning.dataset import RawDataset, write_phantoms
from segloop.stack.learning.folds import Fold, folds
from segloop.stack.learning.limit import Limit, OutOfTime, only_one
from segloop.stack.learning.local_loop import LocalLoop, first_model
from segloop.stack.learning.loop import Retrained, measure, simulate
from segloop.stack.learning.product import Product
from segloop.stack.learning.product_loop import ProductLoop
from segloop.stack.learning.reviewed import EVERY, WHOLE, every_nth
from segloop.stack.learning.small_net import Net, Size, keep, plan
from segloop.training.recipe import Recipe
from segloop.training.target import ReviewedRegion

Say = Callable[[str], None]
FULLY, SLICES, SCRATCH = "fed fully", "fed as slices", "from scratch"
SLUGS = {FULLY: "fully", SLICES: "slices"}


@dataclass(frozen=True)
class Setup:
    """Everything that decides the figures; `gate_change` is what of the gate's protocol is not the default."""

    n_start: int
    n_gate: int
    n_rounds: int
    n_folds: int
    size: Size
    first: Recipe
    recipe: Recipe
    gate_change: dict[str, float]

    @property
    def policy(self) -> dict[str, Any]:
        """The projects' training policy: every patient fed is trained on, and a round may be of one correction."""
        return {
            "minimum_corrections": 1,
            "validation_share": 0.0,
            "test_share": 0.0,
            "gate": {
                "minimum_patients": self.n_gate,
                "minimum_corrected": max(2, self.n_gate // 2),
                **self.gate_change,
            },
        }


# The processor is shared, so the time that a case takes says little of a network that is the same in all versions.
LONG = Setup(
    n_start=4,
    n_gate=6,
    n_rounds=3,
    n_folds=3,
    size=Size((32, 24, 24), (8, 16, 32, 64), in_plane_mm=6.0),
    first=Recipe(16, 25, 1, 5e-3, "adamw", foreground_share=1.0, threads=1, checkpoint_every_s=30.0),
    recipe=Recipe(6, 25, 1, 1e-3, "adamw", foreground_share=1.0, threads=1, checkpoint_every_s=30.0),
    gate_change={"runtime_ratio": 3.0},
)
_QUICK = Recipe(1, 4, 1, optimizer="adamw", threads=1)
SHORT = Setup(2, 2, 1, 1, Size((24, 24, 24), (6, 12, 24)), _QUICK, _QUICK, {"runtime_ratio": 10.0})
N_PHANTOMS = 9


@dataclass(frozen=True)
class Bench:
    """One call of the benchmark: where it works, on what, and until when."""

    setup: Setup
    data: RawDataset
    work: Path
    limit: Limit
    held: int
    environment: dict[str, str]
    http: httpx.Client
    say: Say

    def fold(self, fold: Fold) -> None:
        """Run what of a fold is not done yet, the curve being written after each arm."""
        folder = self.work / f"fold{fold.number}"
        net = plan(self.data, fold.start, folder / "plans", self.setup.size)
        ends = {"limit": self.limit, "held": self.held}
        first = first_model(net, self.data, folder / "first", fold.start, self.setup.first, **ends)  # type: ignore[arg-type]
        scratch = self._scratch(net, fold, folder)
        if not any((s.fold, s.arm) == (fold.number, curve.BEFORE) for s in curve.read_steps(self.work)):
            measure(scratch, curve.BEFORE, fold, 0, Retrained(str(first)), self.work, self.say)
        for arm in (FULLY, SLICES):
            loop = self._product(arm, fold, folder)
            loop.open(first)
            simulate(loop, arm, fold, self._region_of(arm, fold), self.work, self.limit, self.say)
            curve.write(self.work)
        simulate(scratch, SCRATCH, fold, lambda _: WHOLE, self.work, self.limit, self.say)
        curve.write(self.work)

    def _scratch(self, net: Net, fold: Fold, folder: Path) -> LocalLoop:
        recipe = replace(self.setup.first, n_epochs=self.setup.recipe.n_epochs)
        epochs = self.setup.first.n_epochs
        return LocalLoop(
            net,
            self.data,
            folder / "scratch",
            fold.start,
            recipe,
            self.limit,
            self.held,
            first_epochs=epochs,
        )

    def _product(self, arm: str, fold: Fold, folder: Path) -> ProductLoop:
        slug = f"learning-{self.work.name}-{fold.number}-{SLUGS[arm]}"
        return ProductLoop(
            Product(self.http, slug, self.limit),
            self.environment,
            self.data,
            folder / SLUGS[arm],
            fold,
            self.setup.recipe,
            self.setup.policy,
        )

    def _region_of(self, arm: str, fold: Fold) -> Callable[[str], ReviewedRegion]:
        numbers = {patient: number for number, patient in enumerate(fold.fed(len(fold.rounds)))}

        def region_of(patient: str) -> ReviewedRegion:
            if arm == FULLY:
                return WHOLE
            geometry = self.data.load(patient).geometry
            return every_nth(geometry, EVERY, seed=fold.number, patient=numbers[patient])

        return region_of


def run(root: Path, data: Path | None, say: Say, *, short: bool, minutes: float | None) -> dict[str, Any]:
    """Do what is not done yet on the stack of `root`, say the table and return the curve; files lie beside it.

    Raises:
        InvalidInput: `dataset_missing`, `dataset_too_small`, `dataset_unreadable`.
        Conflict: `bench_running`.
        Unavailable: the stack does not start, or one of its jobs failed.
    """
    limit, setup = Limit(minutes), SHORT if short else LONG
    if data is None and not short:
        raise InvalidInput(
            "dataset_missing", "Name an nnU-Net raw dataset (--data PATH), or try phantoms (--short)."
        )
    with only_one(root / "bench/learning") as held:
        dataset = RawDataset.open(data) if data else write_phantoms(root / "bench/phantoms-9", N_PHANTOMS)
        planned = folds(
            dataset.patients, n_start=setup.n_start, n_gate=setup.n_gate, n_rounds=setup.n_rounds
        )[: setup.n_folds]
        work = root / "bench/learning" / _digest(setup, planned)
        keep(work / "setup.json", {"setup": asdict(setup), "folds": [asdict(fold) for fold in planned]})
        if not state.read(root).is_up:
            control.up(root, say)
        environment = state.environment(root)
        headers = {"Authorization": f"Bearer {environment['SEGLOOP_TOKEN']}"}
        with httpx.Client(base_url=environment["SEGLOOP_API_URL"], headers=headers, timeout=120) as http:
            bench = Bench(setup, dataset, work, limit, held, environment, http, say)
            try:
                for fold in planned:
                    bench.fold(fold)
            except OutOfTime:
                say(f"The {minutes:g} minutes are over; the same command goes on where this one stopped.")
        say(curve.write(work))
        say(f"Table, chart and every patient's figures: {work}")
        found: dict[str, Any] = json.loads((work / "curve.json").read_text())
        return found


def _digest(setup: Setup, planned: tuple[Fold, ...]) -> str:
    body = json.dumps([asdict(setup), [asdict(fold) for fold in planned]], sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()[:10]
