"""`segloop bench partial`: is a tenth of the slices, reviewed, worth more than leaving those cases out?

A first model learns from a few base patients. Three arms go on from it, with the same plans, iterations and seeds: on the base
patients alone (`left out`), with further patients of whom every tenth axial slice was reviewed and the rest is
ignored (`tenth`), and with the same patients reviewed as a whole (`full`); new cases and base patients are drawn half and
half, as in the product. All are measured on patients that none of them saw.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from segloop.errors import InvalidInput
from segloop.nnunet.cases import split_patients
from segloop.stack.learning import partial_report, scoring
from segloop.stack.learning.dataset import RawDataset, write_phantoms
from segloop.stack.learning.limit import Limit, OutOfTime, only_one
from segloop.stack.learning.reviewed import EVERY, WHOLE, every_nth
from segloop.stack.learning.small_net import Net, Size, keep, plan, train
from segloop.training.recipe import Recipe
from segloop.training.target import ReviewedRegion

Arm = Literal["left out", "tenth", "full"]


@dataclass(frozen=True)
class Setup:
    """Everything that decides the figures; patients are drawn by hash of their names."""

    n_base: int
    n_further: int
    n_test: int
    n_seeds: int
    size: Size
    first: Recipe
    recipe: Recipe


LONG = Setup(
    n_base=4,
    n_further=10,
    n_test=8,
    n_seeds=3,
    size=Size((32, 24, 24), (8, 16, 32, 64), in_plane_mm=6.0),
    first=Recipe(40, 25, 1, 5e-3, "adamw", foreground_share=1.0, threads=1, checkpoint_every_s=30.0),
    recipe=Recipe(10, 25, 1, 2e-3, "adamw", foreground_share=1.0, threads=1, checkpoint_every_s=30.0),
)
_QUICK = Recipe(1, 4, 1, optimizer="adamw", threads=1)
SHORT = Setup(2, 3, 2, 1, Size((24, 24, 24), (6, 12, 24)), _QUICK, _QUICK)


def run(
    root: Path, data: Path | None, say: Callable[[str], None], *, short: bool, minutes: float | None
) -> dict[str, Any]:
    """Do what is not done yet, say the table and return the report; its files lie beside the results in `root`.

    Raises:
        InvalidInput: `dataset_missing`, `dataset_too_small`, `dataset_unreadable`.
        Conflict: `bench_running`.
    """
    limit, setup = Limit(minutes), SHORT if short else LONG
    if data is None and not short:
        raise InvalidInput(
            "dataset_missing", "Name an nnU-Net raw dataset (--data PATH), or try phantoms (--short)."
        )
    with only_one(root / "bench/partial") as held:
        dataset = RawDataset.open(data) if data else write_phantoms(root / "bench/phantoms", 7)
        patients = parts(dataset.patients, setup)
        work = root / "bench/partial" / _digest(setup, patients)
        keep(work / "setup.json", {"setup": asdict(setup), "patients": patients})
        try:
            _all_runs(dataset, patients, setup, work, limit, held, say)
        except OutOfTime:
            say(f"The {minutes:g} minutes are over; the same command goes on where this one stopped.")
        found = results(work)
        if not any(result["arm"] == "full" for result in found):
            return {}
        return partial_report.write(found, work, say)


def parts(patients: Sequence[str], setup: Setup) -> dict[str, list[str]]:
    """Return which patients are base, further and test: the same for ever for the same names.

    Raises:
        InvalidInput: `dataset_too_small`.
    """
    needed = setup.n_base + setup.n_further + setup.n_test
    if len(patients) < needed:
        raise InvalidInput(
            "dataset_too_small",
            f"{needed} patients are needed and there are {len(patients)}. Name a larger dataset.",
        )
    rest, test = split_patients(patients, setup.n_test)
    rest, base = split_patients(rest, setup.n_base)
    further = split_patients(rest, setup.n_further)[1] if len(rest) > setup.n_further else rest
    return {"base": base, "further": further, "test": test}


def results(work: Path) -> list[dict[str, Any]]:
    """Return the runs that are finished."""
    return [json.loads(file.read_text()) for file in sorted((work / "results").glob("*.json"))]


def _digest(setup: Setup, patients: dict[str, list[str]]) -> str:
    body = json.dumps([asdict(setup), patients], sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()[:10]


def _planned(setup: Setup) -> Iterator[tuple[int, Arm]]:
    for seed in range(setup.n_seeds):
        for arm in get_args(Arm):
            yield seed, arm


def _all_runs(
    data: RawDataset,
    patients: dict[str, list[str]],
    setup: Setup,
    work: Path,
    limit: Limit,
    held: int,
    say: Callable[[str], None],
) -> None:
    net = plan(data, patients["base"], work / "plans", setup.size)
    base = dict.fromkeys(patients["base"], WHOLE)
    first = train(net, data, work / "runs/first", setup.first, new=base, limit=limit, held=held)
    if not (work / "results/first.json").exists():
        scores = scoring.score(first, data, patients["test"])
        keep(work / "results/first.json", {"seed": None, "arm": "first", **scoring.tables(scores)})
    for seed, arm in _planned(setup):
        name = f"seed{seed}-{arm.replace(' ', '-')}"
        if (work / "results" / f"{name}.json").exists():
            continue
        bundle = _train(net, data, patients, setup, work / "runs" / name, (seed, arm), first, limit, held)
        limit.left_s()
        scores = scoring.score(bundle, data, patients["test"])
        tables = scoring.tables(scores)
        keep(work / "results" / f"{name}.json", {"seed": seed, "arm": arm, **tables})
        say(f"  seed {seed}, {arm}: mean Dice {scoring.overall(tables['dice']):.3f}")


def _train(
    net: Net,
    data: RawDataset,
    patients: dict[str, list[str]],
    setup: Setup,
    folder: Path,
    which: tuple[int, Arm],
    first: Path,
    limit: Limit,
    held: int,
) -> Path:
    seed, arm = which
    new: dict[str, ReviewedRegion] = {}
    for number, patient in enumerate(patients["further"]):
        if arm == "full":
            new[patient] = WHOLE
        elif arm == "tenth":
            new[patient] = every_nth(data.load(patient).geometry, EVERY, seed=seed, patient=number)
    recipe = Recipe.from_dict(setup.recipe.to_dict() | {"seed": seed})
    return train(
        net, data, folder, recipe, new=new, earlier=patients["base"], start=first, limit=limit, held=held
    )
