"""Page "Models & training": what people said of the masks, and the versions that make them."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from segloop.errors import SegloopError
from segloop.schemas import ModelVersion
from segloop.schemas_feedback import FeedbackCounts, FeedbackStatistics
from ui.api_client import ApiClient
from ui.views.masks import PROJECT
from ui.views.text import duration, explain, moment, plain


def page(api: ApiClient) -> None:
    """Show the page."""
    st.subheader("Models & training")
    try:
        versions = api.model_versions(PROJECT)
        found = api.feedback_statistics(PROJECT)
        _production(versions)
        _feedback(found)
        _versions(api, versions)
    except SegloopError as error:
        st.error(explain(error))


def _production(versions: Sequence[ModelVersion]) -> None:
    live = next((version for version in versions if version.stage == "production"), None)
    if live is None:
        st.info(
            "No version is in production, so nothing can be segmented yet; masks can be uploaded, drawn and compared. "
            "Import a model: `./segloop models import FOLDER_OR_ZIP --promote REASON`."
        )
        return
    since = (
        f" since {moment(live.promoted_at)}, promoted by {plain(live.promoted_by or '')}"
        if live.promoted_at
        else ""
    )
    st.markdown(f"In production: **v{live.number}** ({plain(live.name)}){since}.")


def _feedback(found: FeedbackStatistics) -> None:
    st.markdown("**Feedback**")
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


def _versions(api: ApiClient, versions: Sequence[ModelVersion]) -> None:
    st.markdown("**Versions**")
    by_id = {version.id: version for version in versions}
    for version in versions:
        parent = by_id.get(version.parent_id or "")
        title = f"v{version.number} · {version.stage} · {plain(version.name)} · {moment(version.created_at)}"
        with st.expander(title + (f" · from v{parent.number}" if parent else "")):
            st.markdown(version.card or "This version has no card.")
            if version.stage != "production":
                _promote(api, version)


def _promote(api: ApiClient, version: ModelVersion) -> None:
    """Offer to put a version into production; rolling back is promoting one that was there before."""
    verb = "Roll back to this version" if version.stage == "retired" else "Promote"
    with st.form(f"promote-{version.id}", border=False):
        reason = st.text_input("Reason (recorded with your name)", max_chars=500)
        if not st.form_submit_button(verb):
            return
        if not reason.strip():
            st.error("Say why: it is what others will read later.")
            return
        api.promote(version.id, reason.strip())
        st.toast(f"v{version.number} is in production from the next job on.")
        st.rerun()
