"""Send a mask to where the CT came from: what the model made goes by itself, a person's correction when they say so."""

import streamlit as st

from segloop.errors import SegloopError
from segloop.schemas import Mask, Volume
from ui.api_client import ApiClient
from ui.views.text import explain, plain


def show(api: ApiClient, volume: Volume, mask: Mask) -> None:
    """Offer to send a mask to the destinations of its CT's series, where a gateway brought that."""
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
    with st.popover("Send to PACS"):
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
