"""One CT with its masks: choose one, look at it, edit it, say what it is worth."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4, uuid5

import streamlit as st
from segloop_viewer import uploader, viewer

from segloop.accounts.roles import Role
from segloop.errors import SegloopError
from segloop.schemas import Draft, Mask, Volume
from ui.api_client import ApiClient
from ui.views import at_work, deliver, download, research
from ui.views.here import Here
from ui.views.masks import (
    API_BASE,
    label_numbers,
    labels_of,
    names_of,
    newest_labels,
    origin,
    stated_offset,
    ticket,
)
from ui.views.standing import Standing, standing
from ui.views.text import explain, moment, plain

NOTHING_YET = Standing("", "", is_reviewed=True)
REASONS = ["", "boundary", "label missing", "label too much", "wrong side", "artefact", "other"]


def resume(volume_id: str, base_mask_id: str | None) -> None:
    """Let the page of a case open with the draft of that mask, or of none, in the editor."""
    st.session_state["resume"] = (volume_id, base_mask_id)


def take_up(volume: Volume, masks: list[Mask]) -> None:
    """Begin to edit what `resume` named, if it named this case; to be called before anything of it is shown."""
    if st.session_state.get("resume", ("", None))[0] != volume.id:
        return
    _, base_id = st.session_state.pop("resume")
    base = next((mask for mask in masks if mask.id == base_id), None)
    if base is not None:
        st.session_state[_choice_key(masks)] = base.id
    if base is not None or not masks:
        st.session_state[_editing_key(volume, base)] = True


def show(
    api: ApiClient,
    here: Here,
    volume: Volume,
    masks: list[Mask],
    *,
    again: Callable[[], None],
    compare: Callable[[], None],
) -> None:
    """Show the row of what can be done with the CT's masks, and the viewer or editor.

    `again` offers another segmentation, `compare` goes to where masks are compared.
    """
    st.session_state["feedback"] = api.feedback(volume.id)
    drafts = api.drafts(volume.id)
    may_edit = here.may(Role.ANNOTATOR)
    with st.container(horizontal=True, vertical_alignment="center"):
        mask = _choose(api, masks) if masks else None
        if mask is not None:
            download.show(here, volume, mask)
            if may_edit:
                deliver.show(api, volume, mask, is_editing=is_editing(volume, mask))
        editing = may_edit and is_editing(volume, mask)
        if mask is not None and may_edit and not editing:
            again()
        if may_edit and st.button(_edit_text(drafts, here, mask, editing)):
            st.session_state[_editing_key(volume, mask)] = not editing
            st.rerun()
        if mask is not None and not editing:
            _feedback(api, here, mask)
        if st.session_state.pop("thanks", False):
            st.badge("Feedback stored, thank you", icon=":material/check:", color="green")
        if len(masks) > 1 and not editing and st.button("Compare"):
            compare()
        if editing:
            _discard(api, volume, mask)
        elif may_edit:
            _add_mask(api, here, volume, mask)
        if not editing:
            research.offer(here, volume, mask)
    at_work.show(drafts, here.person, may_edit=may_edit)
    if editing:
        _edit(api, here, volume, mask)
    else:
        _look(api, here, volume, mask)


def _discard(api: ApiClient, volume: Volume, mask: Mask | None) -> None:
    """Offer to give a draft up; behind a second press, for it can't be taken back."""
    with st.popover("Discard edits"):
        st.caption("Gives up everything that you drew here since you began. The mask stays as it was.")
        if st.button("Discard my edits", type="primary"):
            api.discard_draft(api.open_draft(volume.id, mask.id if mask else None).id)
            st.session_state[_editing_key(volume, mask)] = False
            st.rerun()


def is_editing(volume: Volume, mask: Mask | None) -> bool:
    """Say whether a mask, or a new one, is edited on this page."""
    return bool(st.session_state.get(_editing_key(volume, mask)))


def _editing_key(volume: Volume, mask: Mask | None) -> str:
    return f"editing-{volume.id}-{mask.id if mask else None}"


def _add_mask(api: ApiClient, here: Here, volume: Volume, shown: Mask | None) -> None:
    """Offer to upload a mask; the newest mask is the one that is shown."""
    with st.popover("Add a mask"):
        of_dicom = ", or as DICOM SEG or RTSTRUCT of its series (.dcm or .zip)" if volume.is_dicom else ""
        st.caption(f"Ground truth, or another tool's result, as NIfTI on exactly this CT's grid{of_dicom}.")
        labels = newest_labels(api, here.project.slug)
        if labels:
            # Other numbers would be taken for other labels, and nothing in the file says which are meant.
            st.caption(f"The values of a NIfTI must mean: {plain(label_numbers(labels))}.")
        uploaded = uploader(
            api_base=API_BASE,
            project=here.project.slug,
            volume_id=volume.id,
            parent_id=shown.id if shown else None,
            labels=[label.model_dump() for label in labels],
            key=f"mask-uploader-{volume.id}",
        )
    if uploaded:
        st.rerun()


def _choose(api: ApiClient, masks: list[Mask]) -> Mask:
    if len(masks) == 1:
        st.markdown(plain(f"{origin(api, masks[0])} · {moment(masks[0].created_at)}"), width="content")
        return masks[0]
    names = names_of(api, masks)
    mask_id = st.selectbox(
        "Mask",
        list(names),
        key=_choice_key(masks),
        format_func=lambda key: names[key],
        label_visibility="collapsed",
        width=420,  # the whole name: what tells masks made alike apart is its end
    )
    return next(mask for mask in masks if mask.id == mask_id)


def _choice_key(masks: list[Mask]) -> str:
    # A new mask is shown when it comes, whatever was chosen before.
    return f"mask-{masks[0].id}"


def _edit_text(drafts: Sequence[Draft], here: Here, mask: Mask | None, editing: bool) -> str:
    if editing:
        return "Stop editing"
    if at_work.has_own(drafts, here.person, mask.id if mask else None):
        return "Go on editing"
    return "Edit this mask" if mask else "Draw a mask"


def _edit(api: ApiClient, here: Here, volume: Volume, mask: Mask | None) -> None:
    draft = api.open_draft(volume.id, mask.id if mask else None)
    finalized = _look(api, here, volume, mask, draft)
    if finalized and finalized["draft_id"] == draft.id:
        st.session_state[_editing_key(volume, mask)] = False
        st.rerun()


def _feedback(api: ApiClient, here: Here, mask: Mask) -> None:
    """Ask whoever may say so what a mask is worth; a corrected one was edited and finalized before."""
    may_correct = mask.kind == "correction" and here.may(Role.ANNOTATOR)
    verdicts = {"corrected": "Corrected as it is here"} if may_correct else {}
    if here.may(Role.REVIEWER):
        verdicts |= {"accepted": "Accept as it is", "rejected": "Reject"}
    if not verdicts:
        return
    # Another key is another popover, closed: so it shuts once the feedback is stored.
    n_given = st.session_state.setdefault("feedback_given", 0)
    with (
        st.popover("Feedback", key=f"feedback-popover-{n_given}"),
        st.form(f"feedback-{mask.id}", border=False),
    ):
        # Nobody vouches for a whole mask by a press that was meant to look what is asked.
        verdict = st.radio(
            "Verdict",
            list(verdicts),
            index=0 if mask.kind == "correction" else None,
            format_func=lambda key: verdicts[key],
        )
        reason = st.selectbox("Reason", REASONS)
        notes = st.text_area("Notes", max_chars=5000, help="Nothing that names a patient.")
        st.caption("How good is it? (optional)")
        stars = st.feedback("stars")
        if not st.form_submit_button("Submit feedback", type="primary"):
            return
        if verdict is None:
            st.error("Choose a verdict first.")
            return
        says_nothing = mask.kind != "correction" and mask.reviewed is None
        given = {
            "verdict": verdict,
            # Who accepts a mask as it is vouches for all of it; a correction, or an upload of some labels, says itself
            # what was reviewed, and a second person's word makes no more of it.
            "reviewed": {"whole": True} if verdict == "accepted" and says_nothing else None,
            "reason": reason,
            "notes": notes,
            "rating": None if stars is None else stars + 1,
        }
        # Sent again after a lost answer it is the same feedback; changed before that, it is another.
        nonce = st.session_state.setdefault(f"feedback-key-{mask.id}", uuid4())
        key = str(uuid5(nonce, repr(given)))
        try:
            api.give_feedback(mask.id, idempotency_key=key, **given)
        except SegloopError as error:
            st.error(explain(error))
            return
        del st.session_state[f"feedback-key-{mask.id}"]
        st.session_state["thanks"] = True
        st.session_state["feedback_given"] += 1
        st.rerun()


def _look(
    api: ApiClient, here: Here, volume: Volume, mask: Mask | None, draft: Draft | None = None
) -> dict[str, Any] | None:
    notice = "Research use only. Not a medical device."
    if mask is not None:
        notice = f"{notice} Mask: {origin(api, mask)}."
        if mask.notes:
            notice = f"{notice} Imported: {'; '.join(mask.notes)}."
    offset = stated_offset(api, mask)
    worth = standing(mask, st.session_state["feedback"]) if mask else NOTHING_YET
    return viewer(
        draft_id=draft.id if draft else None,
        project=here.project.slug,
        api_base=API_BASE,
        volume_id=volume.id,
        volume_ticket=ticket(api, "volumes", volume.id),
        mask_id=mask.id if mask else None,
        mask_ticket=ticket(api, "masks", mask.id) if mask else None,
        labels=labels_of(api, mask, draft),
        notice=notice,
        reviewed=worth.is_reviewed,
        badge=worth.badge,
        region=worth.region,
        unit="HU" if volume.is_hu_like or offset is not None else "stored value",
        hu_offset=offset or 0.0,
        # The same for looking and editing, so that the CT is loaded once.
        key=f"viewer-{volume.id}",
    )
