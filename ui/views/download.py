"""What a mask can be downloaded as."""

import streamlit as st

from segloop.schemas import Mask, Volume
from ui.views.here import Here
from ui.views.masks import API_BASE

_DICOM = {
    "seg": "DICOM Segmentation",
    "labelmap": "DICOM label map (for viewers of 2024 and later)",
    "rtstruct": "RT Structure Set (contours)",
    "pdf": "Report (DICOM PDF)",
    "capture": "Key images (Secondary Capture)",
    "sr": "Measurements (structured report, TID 1500)",
}
"""By the form's name in the API: what it is for the user."""


def show(here: Here, volume: Volume, mask: Mask) -> None:
    """Offer a mask as NIfTI and, of a CT that came as DICOM, as an object of its study."""
    place = f"{API_BASE}/v1/masks/{mask.id}"
    with st.popover("Download mask"):
        st.markdown(f"[NIfTI, on the CT's grid]({place}/content)")
        if not volume.is_dicom or "identity" not in here.permissions:
            return
        st.caption("As a new series of the CT's study. These files name the patient.")
        for form, name in _DICOM.items():
            st.markdown(f"[{name}]({place}/dicom/{form})")
