"""A CT for research, without whose it is."""

import streamlit as st

from segloop.schemas import Mask, Volume
from ui.views.here import Here
from ui.views.masks import API_BASE


def offer(here: Here, volume: Volume, mask: Mask | None) -> None:
    """Offer the de-identified CT, and with it the mask that is shown, to whoever may have it."""
    if "export" not in here.permissions:
        return
    place = f"{API_BASE}/v1/volumes/{volume.id}/deidentified"
    form = "DICOM" if volume.is_dicom else "NIfTI"
    with st.popover("For research"):
        st.markdown(f"[The CT as {form}, de-identified (zip)]({place})")
        if mask is not None:
            st.markdown(f"[The CT and this mask as {form}, de-identified (zip)]({place}?mask_id={mask.id})")
        st.warning(
            "**A face can be recognised from a CT of the head.** Nothing is done against that, and the images are not searched "
            "for texts burned into them. Pass it on only under an agreement that forbids to look for the patient."
        )
        st.caption(
            "Name, IDs, dates and free texts are left out, UIDs are replaced. Each export is recorded with your name."
        )
