"""What `segloop bench partial` found, as a table, a chart and plain values."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segloop.stack.learning import chart, scoring
from segloop.stack.learning.small_net import keep
from segloop.training.bootstrap import lower_bound

PAIRS = (("tenth", "left out"), ("full", "tenth"), ("full", "left out"))
Result = Mapping[str, Any]


def write(found: Sequence[Result], folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Write report.json, table.md and chart.svg of the finished runs, say the table and return the report."""
    report = summarize(found)
    keep(folder / "report.json", report)
    text = table(report)
    (folder / "table.md").write_text(text)
    chart.partial(report, folder / "chart.svg")
    say(text)
    say(f"Table, chart and every patient's figures: {folder}")
    return report


def summarize(found: Sequence[Result]) -> dict[str, Any]:
    """Return Dice by arm, seed and label, and paired differences with bounds of 95% over patients.

    Only seeds whose three arms are finished count. A patient's difference is its mean over labels and seeds, so the bounds say how
    sure the mean is for further patients, not for other training patients.
    """
    tables = {(r["seed"], r["arm"]): r["dice"] for r in found}
    seeds = sorted(
        {seed for seed, _ in tables if all((seed, arm) in tables for pair in PAIRS for arm in pair)}
    )
    arms = ("left out", "tenth", "full")
    return {
        "seeds": seeds,
        "first": next((scoring.overall(r["dice"]) for r in found if r["arm"] == "first"), None),
        "n_patients": len(next(iter(tables.values()))),
        "mean": {arm: [scoring.overall(tables[s, arm]) for s in seeds] for arm in arms},
        "labels": {arm: _mean_rows([scoring.by_label(tables[s, arm]) for s in seeds]) for arm in arms},
        "nsd": {
            arm: float(
                np.mean([scoring.overall(r["nsd"]) for r in found if r["arm"] == arm and r["seed"] in seeds])
            )
            for arm in arms
        },
        "differences": [_difference(tables, seeds, *pair) for pair in PAIRS],
    }


def _difference(
    tables: Mapping[tuple[int, str], scoring.Table], seeds: Sequence[int], one: str, other: str
) -> dict[str, Any]:
    by_seed = []
    for seed in seeds:
        a, b = (scoring.by_patient(tables[seed, arm]) for arm in (one, other))
        by_seed.append({patient: a[patient] - b[patient] for patient in a})
    of_patients = list(_mean_rows(by_seed).values())
    options: dict[str, Any] = {"alpha": 0.025, "n_bootstrap": 10_000, "seed": [0]}
    return {
        "of": [one, other],
        "by_seed": [float(np.mean(list(row.values()))) for row in by_seed],
        "mean": float(np.mean(of_patients)),
        "low": lower_bound(of_patients, **options),
        "high": -lower_bound([-value for value in of_patients], **options),
        "patients_better": sum(value > 0 for value in of_patients),
    }


def _mean_rows(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def table(report: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    arms, labels = list(report["mean"]), list(next(iter(report["labels"].values())))
    lines = [
        f"| Dice | {' | '.join(arms)} | tenth - left out |",
        "|---|" + "---|" * (len(arms) + 1),
    ]
    for i, seed in enumerate(report["seeds"]):
        row = [report["mean"][arm][i] for arm in arms]
        lines.append(f"| all labels, seed {seed} | {_figures(row)} | {row[1] - row[0]:+.3f} |")
    row = [float(np.mean(report["mean"][arm])) for arm in arms]
    lines.append(f"| **all labels, mean** | {_figures(row)} | {row[1] - row[0]:+.3f} |")
    for label in labels:
        row = [report["labels"][arm][label] for arm in arms]
        lines.append(f"| {label} | {_figures(row)} | {row[1] - row[0]:+.3f} |")
    row = [report["nsd"][arm] for arm in arms]
    lines.append(f"| NSD at 2 mm, mean | {_figures(row)} | {row[1] - row[0]:+.3f} |")
    if report["first"] is not None:
        lines += ["", f"The first model, before any arm: {report['first']:.3f}."]
    lines += ["", *(_sentence(one, report["n_patients"]) for one in report["differences"])]
    return "\n".join(lines) + "\n"


def _sentence(one: Mapping[str, Any], n_patients: int) -> str:
    return (
        f"- {one['of'][0]} minus {one['of'][1]}: {one['mean']:+.3f} (95%: {one['low']:+.3f} to {one['high']:+.3f}); "
        f"higher in {one['patients_better']} of {n_patients} patients."
    )


def _figures(values: Sequence[float]) -> str:
    return " | ".join(f"{value:.3f}" for value in values)
