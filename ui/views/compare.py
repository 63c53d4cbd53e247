"""Page "Compare": two masks of one CT, in pictures and in numbers."""

from typing import Any

import streamlit as st
from segloop_viewer import viewer

from segloop.errors import SegloopError
from segloop.schemas import Disagreement, Mask, MaskComparison, Volume
from ui.api_client import ApiClient
from ui.views import here as place
from ui.views.here import Here
from ui.views.labels import shared_labels
from ui.views.masks import API_BASE, names_of, origin, shared_offset, stated_offset, ticket
from ui.views.navigation import Open
from ui.views.standing import standing
from ui.views.text import as_csv, explain, plain

HELP = (
    "Dice: overlap, 1 is identical. NSD: the part of both surfaces that lies within 2 mm of the other. HD95: the distance "
    "that 95 % of the surfaces keep to each other. None where it is not defined: Dice and NSD where both masks lack the "
    "label, HD95 where one of them does."
)
COLUMNS = {
    "name": "Label",
    "dice": "Dice",
    "nsd": "NSD 2 mm",
    "hd95_mm": "HD95 mm",
    "volume_ml_a": "A ml",
    "volume_ml_b": "B ml",
    "difference": "B - A ml",
}


def page(api: ApiClient, here: Here, open_case: Open) -> None:
    """Show the page for the case of the address, or the one shown last."""
    volume_id = st.query_params.get("volume") or st.session_state.get("volume_id")
    if volume_id is None:
        st.info("Choose a case in the worklist first.")
        return
    try:
        volume = api.volume(volume_id)
        st.session_state["volume_id"] = st.query_params["volume"] = volume_id
        place.go_to(here, volume.project_id)
        _show(api, volume, open_case)
    except SegloopError as error:
        st.error(explain(error))


def _show(api: ApiClient, volume: Volume, open_case: Open) -> None:
    masks = api.masks(volume.id)
    st.session_state["feedback"] = api.feedback(volume.id)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Case", icon=":material/arrow_back:"):
            open_case(volume.id)
        st.markdown(f"**{plain(volume.case_reference)}**", width="content")
        if len(masks) < 2:
            st.info(
                "Two masks are needed to compare, and this case has "
                f"{'one' if masks else 'none'}. Segment it, correct a mask, or add one (ground truth, or another "
                "tool's result) on the page Segment."
            )
            return
        if not _is_here(masks):
            return
        first, second = _choose(api, masks)
        if first.id == second.id:
            st.info("Choose two different masks.")
            return
        found = api.compare(first.id, second.id)
        _numbers(found, volume)
    st.caption(_summary(found))
    _pictures(api, volume, first, second, found)


def _is_here(masks: list[Mask]) -> bool:
    """Say whether the masks that the address names are the case's own; else offer those that are."""
    known = {mask.id for mask in masks}
    if all(st.query_params.get(name, masks[0].id) in known for name in ("a", "b")):
        return True
    st.error("A mask of this address does not belong to this case. Nothing is compared.")
    if st.button("Compare this case's own masks"):
        for name in ("a", "b"):
            st.query_params.pop(name, None)
        st.rerun()
    return False


def _choose(api: ApiClient, masks: list[Mask]) -> tuple[Mask, Mask]:
    """Return the masks chosen as A and B; at first the newest that a person made, and the newest that none did."""
    people = [mask for mask in masks if mask.kind in ("ground_truth", "correction")]
    first = people[0] if people else masks[1]
    others = [mask for mask in masks if mask.id != first.id]
    second = next((mask for mask in others if mask not in people), others[0])
    by_id = {mask.id: mask for mask in masks}
    names = names_of(api, masks)
    chosen = []
    for name, preset in (("A", first), ("B", second)):
        preset_id = st.query_params.get(name.lower(), preset.id)
        picked = st.selectbox(
            f"Mask {name}",
            list(by_id),
            index=list(by_id).index(preset_id),
            format_func=lambda key: names[key],
            key=f"compare-{name}-{masks[0].volume_id}",
            label_visibility="collapsed",
            width="stretch",
        )
        st.query_params[name.lower()] = picked
        chosen.append(by_id[picked])
    return chosen[0], chosen[1]


def _numbers(found: MaskComparison, volume: Volume) -> None:
    rows = [_row(item.model_dump()) for item in found.labels]
    with st.popover("Numbers", width="content"):
        st.dataframe(rows, hide_index=True, width=640)
        st.caption(HELP)
        st.download_button(
            "Save the numbers",
            as_csv(rows, list(COLUMNS.values())),
            f"comparison-{volume.id[-8:]}.csv",
            "text/csv",
        )


def _row(item: dict[str, Any]) -> dict[str, Any]:
    item["difference"] = round(item["volume_ml_b"] - item["volume_ml_a"], 3)
    rounded = {key: round(item[key], 3) if isinstance(item[key], float) else item[key] for key in COLUMNS}
    return {COLUMNS[key]: value for key, value in rounded.items()}


def _summary(found: MaskComparison) -> str:
    """Return the agreement in one line."""
    dices = [item.dice for item in found.labels if item.dice is not None]
    if not dices:
        return "Both masks are empty."
    worst = min((item for item in found.labels if item.dice is not None), key=lambda item: item.dice or 0.0)
    nsds = [item.nsd for item in found.labels if item.nsd is not None]
    n = len(found.disagreements)
    return (
        f"Mean Dice {sum(dices) / len(dices):.3f} and NSD {sum(nsds) / max(len(nsds), 1):.3f} over {len(dices)} labels; "
        f"lowest: {plain(worst.name)} {worst.dice:.3f}. {n or 'No'} disagreement{'' if n == 1 else 's'} listed, the largest first."
    )


def _pictures(api: ApiClient, volume: Volume, a: Mask, b: Mask, found: MaskComparison) -> None:
    label_sets = {each.id: each.labels for each in api.label_sets(volume.project_id)}
    labels, translation = shared_labels(label_sets[a.label_set_id], label_sets[b.label_set_id])
    volumes = {item.name: (item.volume_ml_a, item.volume_ml_b) for item in found.labels}
    said = [
        {0: "background"} | {label.index: label.name for label in label_sets[mask.label_set_id]}
        for mask in (a, b)
    ]
    feedback = st.session_state["feedback"]
    offset = shared_offset(stated_offset(api, a), stated_offset(api, b))
    viewer(
        api_base=API_BASE,
        volume_id=volume.id,
        volume_ticket=ticket(api, "volumes", volume.id),
        mask_id=a.id,
        mask_ticket=ticket(api, "masks", a.id),
        compare_mask_id=b.id,
        compare_mask_ticket=ticket(api, "masks", b.id),
        compare_translation=translation,
        mask_name=f"A: {a.kind.replace('_', ' ')}",
        compare_name=f"B: {b.kind.replace('_', ' ')}",
        disagreements=[
            {"centre": piece.centre, "text": _piece(piece, said)} for piece in found.disagreements
        ],
        labels=[label.model_dump() | {"volume_ml": volumes[label.name][0]} for label in labels],
        notice=f"Research use only. Not a medical device. A: {origin(api, a)}. B: {origin(api, b)}.",
        reviewed=standing(a, feedback).is_reviewed,
        compare_reviewed=standing(b, feedback).is_reviewed,
        unit="HU" if volume.is_hu_like or offset is not None else "stored value",
        hu_offset=offset or 0.0,
        key=f"compare-{volume.id}",
    )


def _piece(piece: Disagreement, names: list[dict[int, str]]) -> str:
    first, second = names[0].get(piece.label_a, "?"), names[1].get(piece.label_b, "?")
    return f"A says {first}, B says {second}, {piece.volume_ml:.2f} ml"
