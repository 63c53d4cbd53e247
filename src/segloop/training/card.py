"""A version's model card, made from what is on record: what it learned from, how, how good it is, who decided what."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from segloop.training.comparisons.figures import Figure

INTENDED_USE = (
    "Research use only; not a medical device. Its masks are AI-generated and must be checked by a person before anybody "
    "relies on them. Made for CT in Hounsfield units like that of its training cases."
)


def model_card(
    version: Row[Any],
    *,
    parent: Row[Any] | None,
    run: Row[Any] | None,
    cases: Sequence[Row[Any]],
    figures: Sequence[Figure],
    parent_figures: Sequence[Figure],
    history: Sequence[Row[Any]],
) -> str:
    """Return the card as Markdown; an imported version's own card is quoted first.

    `figures` and `parent_figures` are of the same test cases.
    """
    parts = [f"# v{version.number}: {version.name}", INTENDED_USE]
    if version.card:
        parts.append(version.card)
    parts.append(_origin(version, parent, run))
    if cases:
        parts.append(_cases(cases))
    parts.append(_figures(figures, parent_figures, parent))
    if run is not None:
        parts.append(_making(version, run))
    if history:
        parts.append(_history(history))
    return "\n\n".join(parts) + "\n"


def _origin(version: Row[Any], parent: Row[Any] | None, run: Row[Any] | None) -> str:
    how = "imported" if run is None else f"made by a {run.kind.replace('_', ' ')} ({run.trigger})"
    after = "" if parent is None else f", from v{parent.number}"
    made = f"{version.created_at:%Y-%m-%d %H:%M} UTC by {version.created_by}"
    return f"Stage **{version.stage}**; {how}{after}, {made}. Weights: SHA-256 `{version.sha256}`."


def _cases(cases: Sequence[Row[Any]]) -> str:
    rows = [
        "| part | cases | patients | of them new | corrected | accepted | ground truth |",
        "|---|---|---|---|---|---|---|",
    ]
    for part in ("training", "validation", "test", "held back"):
        some = [case for case in cases if case.part == part]
        if not some:
            continue
        origins = [
            sum(case.origin == origin for case in some)
            for origin in ("corrected", "accepted", "ground_truth")
        ]
        patients, new = len({case.patient_id for case in some}), sum(case.is_new for case in some)
        rows.append(f"| {part} | {len(some)} | {patients} | {new} | {' | '.join(map(str, origins))} |")
    text = "Split by patient, by a keyed hash; test cases never train. What nobody reviewed taught nothing."
    return "\n".join(["## What it learned from", "", *rows, "", text])


def _figures(figures: Sequence[Figure], parent_figures: Sequence[Figure], parent: Row[Any] | None) -> str:
    title = "## How good it is"
    if not any(figure.n_patients for figure in figures):
        return f"{title}\n\nNot measured yet: there are no test cases, or it was not compared."
    before = {(figure.name, figure.metric): figure for figure in parent_figures}
    beside = "" if parent is None else f" v{parent.number}'s mean |"
    rows = [
        f"| label | metric | patients | mean | 95% interval |{beside}",
        "|---|---|---|---|---|" + "---|" * bool(beside),
    ]
    names = {
        "dice": "Dice",
        "nsd": "NSD at 2 mm",
        "hd95_mm": "HD95 (mm)",
        "volume_difference_ml": "volume difference (ml)",
    }
    for figure in figures:
        if figure.mean is None:
            continue
        row = f"| {figure.name} | {names[figure.metric]} | {figure.n_patients} | {figure.mean:.3f} | "
        row += "- |" if figure.low is None else f"{figure.low:.3f} to {figure.high:.3f} |"
        old = before.get((figure.name, figure.metric))
        if beside:
            row += " - |" if old is None or old.mean is None else f" {old.mean:.3f} |"
        rows.append(row)
    text = (
        "On the frozen test cases, or where there are none on corrected ones inside what was reviewed: means over patients with a "
        "bootstrap interval. No version trained here learned from them; of an imported one that is not on record. Dice, NSD and "
        "HD95 are Segloop's own (surfaces on voxel faces, in mm); where a label is absent from both masks Dice and NSD are 1, where from "
        "one 0. HD95 is of the patients only in whom both masks have the label. Masks that people corrected lean towards the "
        "version they corrected."
    )
    return "\n".join([title, "", *rows, "", text])


def _making(version: Row[Any], run: Row[Any]) -> str:
    made = version.details.get("training", {})
    recipe = ", ".join(f"{key} {value}" for key, value in sorted(run.recipe.items()))
    libraries = ", ".join(f"{name} {number}" for name, number in sorted(made.get("libraries", {}).items()))
    took = (
        ""
        if run.started_at is None or run.finished_at is None
        else f" Its last attempt took {(run.finished_at - run.started_at).total_seconds() / 60:.1f} minutes."
    )
    return (
        f"## How it was made\n\nRecipe: {recipe}.\n\nOn {made.get('device', 'an unknown device')}, Segloop "
        f"{made.get('code_version', '?')}, Python {made.get('python', '?')}, {libraries}.{took} "
        f"A repeat gives the same version only statistically, and to the last bit on one CPU without loader processes."
    )


def _history(history: Sequence[Row[Any]]) -> str:
    rows = [
        f"- {change.created_at:%Y-%m-%d %H:%M} UTC: {change.stage}, by {change.created_by}"
        + (", **although cases were too few**" if change.is_override else "")
        + f": {change.reason}"
        for change in history
    ]
    return "\n".join(["## Decisions", "", *rows])
