"""What people said of the masks, in numbers."""

from typing import Any

import streamlit as st

from segloop.schemas import FeedbackCounts, FeedbackStatistics
from ui.views.text import duration


def show(found: FeedbackStatistics) -> None:
    """Show the counts by verdict, label, annotator and age."""
    overall = found.overall
    if not overall.total:
        st.caption("None yet. Open a case, look at its mask or correct it, and submit feedback there.")
        return
    left = st.columns(6)
    for column, (name, value) in zip(left, _facts(overall).items(), strict=True):
        column.metric(name, value)
    by_label, by_person, by_age = st.tabs(["By label", "By annotator", "By age"])
    by_label.dataframe([_label(item.model_dump()) for item in found.by_label], hide_index=True)
    by_person.dataframe(
        [{"Annotator": item.created_by, **_facts(item)} for item in found.by_annotator], hide_index=True
    )
    by_age.dataframe([{"Age": _age(item.days), **_facts(item)} for item in found.by_age], hide_index=True)


def _facts(counts: FeedbackCounts) -> dict[str, Any]:
    return {
        "Accepted": counts.accepted,
        "Corrected": counts.corrected,
        "Rejected": counts.rejected,
        "Mean time": "-" if counts.mean_active_time_s is None else duration(counts.mean_active_time_s),
        "Mean Dice to original": "-" if counts.mean_dice is None else f"{counts.mean_dice:.3f}",
        "Mean rating": "-" if counts.mean_rating is None else f"{counts.mean_rating:.1f} of 5",
    }


def _label(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "Label": item["name"],
        "Corrected masks": item["n_corrected"],
        "of them changed": item["n_changed"],
        "Voxels changed": item["voxels_changed"],
        "Mean Dice to original": None if item["mean_dice"] is None else round(item["mean_dice"], 3),
    }


def _age(days: int | None) -> str:
    return "older" if days is None else f"up to {days} day{'' if days == 1 else 's'}"
