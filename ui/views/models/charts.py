"""Charts of a run's curves, of a comparison and of the versions side by side."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import streamlit as st

from segloop.schemas import EpochRecord, VersionFigures

HEIGHT = 300
TITLES = {
    "dice": "Dice",
    "nsd": "NSD at 2 mm",
    "hd95_mm": "HD95 (mm)",
    "volume_difference_ml": "Volume difference (ml)",
}


def curves(epochs: Sequence[EpochRecord]) -> None:
    """Show the losses and each label's validation Dice by epoch."""
    if not epochs:
        st.caption("Curves appear with the first finished epoch.")
        return
    losses = [
        {"epoch": record.epoch + 1, "curve": name, "loss": value}
        for record in epochs
        for name, value in (("training", record.train_loss), ("validation", record.validation_loss))
    ]
    dice = [
        {"epoch": record.epoch + 1, "label": label, "Dice": value}
        for record in epochs
        for label, value in record.dice.items()
        if value is not None
    ]
    left, right = st.columns(2)
    left.altair_chart(_lines(losses, "loss", "curve", zero=False), height=HEIGHT)
    if dice:
        right.altair_chart(_lines(dice, "Dice", "label", zero=True), height=HEIGHT)
    else:
        right.caption("No label occurred in the validation patches yet.")


def _lines(rows: list[dict[str, Any]], value: str, color: str, *, zero: bool) -> Any:
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=True)
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(zero=False)),
            y=alt.Y(f"{value}:Q", scale=alt.Scale(zero=zero)),
            color=alt.Color(f"{color}:N", title=None, legend=alt.Legend(orient="top", columns=3)),
            tooltip=["epoch:Q", f"{color}:N", alt.Tooltip(f"{value}:Q", format=".3f")],
        )
    )


def across_versions(found: Sequence[VersionFigures]) -> None:
    """Show one metric of each label across the versions, with its 95% interval."""
    metric = st.segmented_control(
        "Metric", list(TITLES), default="dice", format_func=lambda name: TITLES[name], key="figures_metric"
    )
    rows = [
        {"version": f"v{one.number}", "number": one.number, **figure.model_dump()}
        for one in found
        for figure in one.labels
        if figure.metric == (metric or "dice") and figure.mean is not None
    ]
    if not rows:
        st.caption("Nothing was measured yet: there are no test cases.")
        return
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("version:N", sort=alt.EncodingSortField("number"), title=None, axis=alt.Axis(labelAngle=0)),
        color=alt.Color("name:N", title=None, legend=alt.Legend(orient="top", columns=3)),
        xOffset="name:N",
    )
    title = TITLES[metric or "dice"]
    points = base.mark_point(filled=True, size=60).encode(
        y=alt.Y("mean:Q", title=title, scale=alt.Scale(zero=False)),
        tooltip=[
            "version:N",
            "name:N",
            *(alt.Tooltip(f"{key}:Q", format=".3f") for key in ("mean", "low", "high")),
            "n_patients:Q",
        ],
    )
    bars = base.mark_rule().encode(y="low:Q", y2="high:Q")
    st.altair_chart(bars + points, height=300)
    if len({one.cases_sha256 for one in found}) > 1:
        st.warning(
            "These versions were not all measured on the same test cases: compare their figures with care, or compare a version again."
        )


def differences(findings: Sequence[dict[str, Any]]) -> None:
    """Show the mean difference of each label, its lower bound where there is one, and the margin it must stay above."""
    rows = [
        {
            "label": finding["label"],
            "metric": TITLES[finding["metric"]],
            "mean": finding["mean_difference"],
            "low": finding["lower_bound"],
            "margin": -finding["margin"],
        }
        for finding in findings
        if finding["check"] == "non_inferior" and finding["mean_difference"] is not None
    ]
    rows = [{**row, "low": row["mean"] if row["low"] is None else row["low"]} for row in rows]
    if not rows:
        return
    data = alt.Data(values=rows)
    y = alt.Y("label:N", title=None)
    bars = alt.Chart(data).mark_rule(size=2).encode(y=y, x="low:Q", x2="mean:Q")
    points = (
        alt.Chart(data)
        .mark_point(filled=True, size=60)
        .encode(y=y, x=alt.X("mean:Q", title="candidate minus production"))
    )
    margins = alt.Chart(data).mark_tick(color="#d62728", thickness=3).encode(y=y, x="margin:Q")
    chart = alt.layer(bars, points, margins).properties(height=alt.Step(22))
    st.altair_chart(chart.facet(column=alt.Column("metric:N", title=None)))
    st.caption(
        "Dot: mean difference; line: down to its lower bound; red: the margin that the bound must stay above. "
        "A dot alone: too few patients for a bound."
    )
