"""Send a mask to where the CT came from: what the model made goes by itself, a person's correction when they say so."""

import streamlit as st

from segloop.errors import SegloopError
from segloop.schemas import Mask, Volume
from ui.api_client import ApiClient
from ui.views.text import explain, plain


def show(api: ApiClient, volume: Volume, mask: Mask, *, is_editing: bool) -> None:
    """Offer to send a mask to the destinations of its CT's series, where a gateway brought that; not beside edits of it."""
    if not volume.is_dicom:
        return
    try:
        found = api.received_series(volume.project_id, volume_id=volume.id, limit=20).items
    except SegloopError:
        return  # the page itself says what is wrong
    series = next((one for one in found if one.deliveries), None)
    if series is None:
        return
    places = ", ".join(sorted({one.destination for one in series.deliveries}))
    why_not = _why_not(api, volume, mask, is_editing=is_editing)
    with st.popover("Send to PACS", disabled=bool(why_not), help=why_not or None):
        if series.mask_id == mask.id:
            st.caption(f"This mask was sent to {plain(places)}. The page Studies tells whether it arrived.")
        else:
            st.caption(
                f"Another mask was sent to {plain(places)}. This one goes there as a new series beside it; nothing is replaced."
            )
        if st.button("Send again" if series.mask_id == mask.id else "Send this mask", type="primary"):
            try:
                api.send_again(series.id, mask.id)
            except SegloopError as error:
                st.error(explain(error))
            else:
                st.success("Asked the gateway to send it. The page Studies tells how it fares.")


def _why_not(api: ApiClient, volume: Volume, mask: Mask, *, is_editing: bool) -> str:
    """Return why a mask can't be sent now, "" where it can: what is drawn on it and not finalized would not go with it."""
    if not is_editing:
        try:
            me = api.me().name
            mine = [draft for draft in api.drafts(volume.id) if draft.created_by == me]
        except SegloopError:
            return ""  # the API is asked again when it is sent
        unfinished = (draft for draft in mine if draft.state == "open" and draft.head.sequence > 0)
        if not any(draft.base_mask_id == mask.id for draft in unfinished):
            return ""
    return "You have edits of this mask that are not finalized, and the mask would go without them. Finalize or discard them first."
