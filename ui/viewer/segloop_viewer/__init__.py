"""Two Streamlit components whose voxels and files go straight between the browser and the API."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

_viewer = st.components.v2.component("segloop_viewer.viewer", js="viewer.js", isolate_styles=True)
_uploader = st.components.v2.component("segloop_viewer.uploader", js="uploader.js", isolate_styles=True)


def viewer(
    *,
    api_base: str,
    volume_id: str,
    volume_ticket: str,
    mask_id: str | None = None,
    mask_ticket: str | None = None,
    compare_mask_id: str | None = None,
    compare_mask_ticket: str | None = None,
    compare_reviewed: bool = False,
    compare_translation: dict[int, int] | None = None,
    disagreements: Sequence[dict[str, Any]] = (),
    mask_name: str = "first mask",
    compare_name: str = "second mask",
    labels: Sequence[dict[str, Any]] = (),
    notice: str = "",
    reviewed: bool = False,
    badge: str = "",
    region: dict[str, Any] | None = None,
    unit: str = "HU",
    hu_offset: float = 0.0,
    draft_id: str | None = None,
    project: str = "",
    key: str,
    height: int | None = None,
) -> dict[str, Any] | None:
    """Show a volume in three linked planes with an optional mask over it; with a draft, that is edited instead.

    In the rerun right after a draft was finalized the answer has `draft_id` and `mask_id`, else it is None.

    Each label is a dict with `index`, `name`, `color` ("#rrggbb" or three numbers) and `volume_ml` (or None).
    A mask that is not `reviewed` is hatched; `badge` is a warning beside the notice, and `region` the reviewed region of
    a mask of which only that was looked at (as in `segloop.schemas.ReviewedRegion`). With a second mask, the
    difference of both is shown, or both side by side, with their names; `compare_translation` gives its label indices in
    the first one's terms, and each of `disagreements` is a dict with `centre` (a RAS voxel) and `text`, the largest
    first. Values are shown, and windowed, as stored value + `hu_offset`, in `unit`
    ("HU", or "stored value" where they are not HU). Without a height the viewer reaches to the bottom of the
    window. What a person sets while editing is kept in the browser for the next draft of the same `project`.
    The key is the viewer's identity: a viewer that comes back under the same key keeps its loaded
    voxels and state.
    """
    data = {
        "instance": key,
        "apiBase": api_base.rstrip("/"),
        "volumeId": volume_id,
        "volumeTicket": volume_ticket,
        "maskId": mask_id,
        "maskTicket": mask_ticket,
        "compareMaskId": compare_mask_id,
        "compareMaskTicket": compare_mask_ticket,
        "isSecondReviewed": compare_reviewed,
        "compareTranslation": compare_translation,
        "disagreements": [dict(each) for each in disagreements],
        "maskName": mask_name,
        "compareName": compare_name,
        "labels": [dict(label) for label in labels],
        "notice": notice,
        "isReviewed": reviewed,
        "badge": badge,
        "region": region,
        "unit": unit,
        "huOffset": hu_offset,
        "draftId": draft_id,
        "project": project,
        "height": height,
    }
    result = _viewer(key=key, data=data, on_finalized_change=lambda: None, height="content")
    finalized: dict[str, Any] | None = result.finalized
    return finalized


def uploader(
    *,
    api_base: str,
    project: str,
    volume_id: str | None = None,
    parent_id: str | None = None,
    labels: Sequence[dict[str, Any]] = (),
    key: str,
    on_uploaded: Callable[[], None] | None = None,
) -> dict[str, Any] | None:
    """Let the user upload a CT, or a CT and its mask, to the project; with `volume_id`, a mask of that volume.

    With `parent_id`, the user can say that the mask corrects that one.
    With `labels`, each a dict with `index` and `name`, the user can say which of them were annotated in the mask.

    In the rerun right after it the answer has `volume_id` and `mask_id` (None without a mask), in every other it is None.
    """
    data = {
        "instance": key,
        "apiBase": api_base.rstrip("/"),
        "project": project,
        "volumeId": volume_id,
        "parentId": parent_id,
        "labels": [{"index": label["index"], "name": label["name"]} for label in labels],
    }
    result = _uploader(key=key, data=data, on_uploaded_change=on_uploaded or (lambda: None), height="content")
    uploaded: dict[str, Any] | None = result.uploaded
    return uploaded
