"""Charts of the benchmarks as SVG files that come out the same for the same figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

COLORS = ("#8a8f98", "#d9822b", "#2b6cb0", "#2f855a", "#9b2c2c")
MARKS = "osD^v"
CANDIDATES = ", candidates"
"""What an arm's name ends with where its candidates are meant, promoted or not, and not the versions in production."""


def partial(report: Mapping[str, Any], file: Path) -> None:
    """Draw the mean Dice of each arm, a dot per seed, and beside it each label."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 2.4), sharey=True)
    for i, (arm, values) in enumerate(report["mean"].items()):
        left.bar(i, np.mean(values), color=COLORS[i], width=0.6, alpha=0.55)
        left.plot([i] * len(values), values, MARKS[i], color="black", markersize=4)
        labels = report["labels"][arm]
        at = np.arange(len(labels)) + (i - 1) * 0.26
        right.bar(at, list(labels.values()), 0.25, color=COLORS[i], label=arm)
    left.set_xticks(range(len(report["mean"])), list(report["mean"]))
    left.set_ylabel(f"mean Dice on {report['n_patients']} unseen patients")
    left.set_title("all labels; a dot is a seed", fontsize=9)
    names = [name.replace("_", "\n") for name in next(iter(report["labels"].values()))]
    right.set_xticks(range(len(names)), names, fontsize=8)
    right.set_title("by label, mean of seeds", fontsize=9)
    right.legend(fontsize=8, ncols=3)
    for axes in (left, right):
        axes.set_ylim(0, 1)
        axes.grid(axis="y", alpha=0.3)
    save(figure, file)


def learning(found: Mapping[str, Any], file: Path) -> None:
    """Draw the mean Dice by patients fed, an arm a line and a fold a dot, and each label in a small chart of its own.

    Candidates have the colour of their arm, dotted.
    """
    labels = list(found["rows"][0]["arms"][found["arms"][0]]["labels"])
    figure = Figure(figsize=(10, 5), layout="constrained")
    grid = figure.add_gridspec(2, 2 + (len(labels) + 1) // 2)
    large = figure.add_subplot(grid[:, :2])
    small = [figure.add_subplot(grid[i % 2, 2 + i // 2]) for i in range(len(labels))]
    fed = [row["n_fed"] for row in found["rows"]]
    bases = [arm for arm in found["arms"] if not arm.endswith(CANDIDATES)]
    for arm in found["arms"]:
        of_arm = [row["arms"][arm] for row in found["rows"]]
        base = bases.index(arm.removesuffix(CANDIDATES))
        color = COLORS[base]
        look: dict[str, Any] = {"color": color, "marker": MARKS[base], "ls": "-" if arm in bases else ":"}
        large.plot(fed, [one["mean"] for one in of_arm], label=arm, **look)
        for x, one in zip(fed, of_arm, strict=True):
            large.plot([x] * len(one["by_fold"]), one["by_fold"], ".", color=color, alpha=0.5)
        for axes, label in zip(small, labels, strict=True):
            axes.plot(fed, [one["labels"][label] for one in of_arm], markersize=3, **look)
    large.set_xlabel("patients fed")
    large.set_ylabel("mean Dice on patients never fed")
    large.legend(fontsize=8)
    for axes, label in zip(small, labels, strict=True):
        axes.set_title(label.replace("_", " "), fontsize=8)
        axes.tick_params(labelsize=7)
    for axes in (large, *small):
        axes.set_ylim(0, 1)
        axes.grid(alpha=0.3)
    save(figure, file)


def save(figure: Figure, file: Path) -> None:
    """Write an SVG with real text and nothing that changes from run to run."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "segloop"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
