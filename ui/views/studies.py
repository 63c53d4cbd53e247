"""Page "Studies": what gateways received, what became of each series and why, and what can be done about it."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Literal

import streamlit as st

from segloop.accounts.roles import Role
from segloop.errors import SegloopError
from segloop.schemas import DeliveredMask, Delivery, Order, ReceivedSeries, SeriesIdentity
from segloop.schemas.studies import Stage
from ui.api_client import ApiClient
from ui.views import gateways, identities
from ui.views import here as place
from ui.views.here import Here
from ui.views.navigation import Open
from ui.views.text import age, explain, moment, plain

PAGE, LONGEST = 25, 200
CHOICES: dict[str, tuple[Stage, ...]] = {
    "All": (),
    "Under way": ("receiving", "closed", "uploaded", "segmenting", "delivering"),
    "Delivered": ("done",),
    "Refused or failed": ("failed",),
    "Left alone": ("ignored",),
}
STANDING: dict[Stage, tuple[str, str]] = {
    "receiving": ("receiving", "blue"),
    "closed": ("received", "blue"),
    "uploaded": ("routed", "blue"),
    "segmenting": ("segmenting", "blue"),
    "delivering": ("delivering", "orange"),
    "done": ("done", "green"),
    "failed": ("failed", "red"),
    "ignored": ("left alone", "gray"),
}
ASKED = {"route": "To be segmented", "redeliver": "To be sent again", "retrieve": "To be fetched"}
ROUTES = {"c-store": "sent by", "stow-rs": "sent by", "retrieve": "fetched from"}
FORMS = {
    "seg": "Segmentation",
    "labelmap": "Label map",
    "rtstruct": "RT structures",
    "pdf": "PDF report",
    "sr": "Structured report",
    "capture": "Pictures",
}
DELIVERED: dict[str, tuple[str, str]] = {
    "waiting": ("waiting", "blue"),
    "sent": ("sent", "green"),
    "verified": ("arrived", "green"),
    "failed": ("failed", "red"),
    "superseded": ("not sent", "gray"),
}


def page(api: ApiClient, here: Here, open_case: Open) -> None:
    """Show the page; `open_case` goes to a case."""
    wanted = st.session_state.pop("open_case", None)
    if wanted:
        open_case(wanted)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Studies", width="stretch")
        place.choose(here)
        is_named = identities.switch(here)
    choice = st.segmented_control(
        "Stage", list(CHOICES), default="All", key="studies_stage", label_visibility="collapsed"
    )
    _list(api, here, choice or "All", is_named)
    if here.is_site_admin:
        gateways.show(api)


@st.fragment(run_every=5.0)
def _list(api: ApiClient, here: Here, choice: str, is_named: bool) -> None:
    shown = st.session_state.setdefault("studies_shown", PAGE)
    try:
        found = api.received_series(here.project.id, stages=CHOICES[choice], limit=shown)
        ids = [series.id for series in found.items]
        who = identities.look_at_series(api, ids, place="studies") if is_named else {}
    except SegloopError as error:
        place.look_again(error)
        st.error(explain(error))
        return
    st.caption(_counts(found.counts))
    if not found.items:
        st.info(_nothing(api, here, is_filtered=bool(CHOICES[choice])))
    for _, together in groupby(found.items, key=lambda series: series.study_key or series.id):
        with st.container(border=True):
            _study(api, here, list(together), who)
    if found.next_cursor and shown < LONGEST and st.button("Show more"):
        st.session_state["studies_shown"] = min(shown + PAGE, LONGEST)
        st.rerun(scope="fragment")


def _study(
    api: ApiClient, here: Here, series: Sequence[ReceivedSeries], who: dict[str, SeriesIdentity]
) -> None:
    named = next((who[one.id] for one in series if one.id in who), None)
    if named is not None:
        about = identities.study(named)
        st.markdown(identities.headline(named) + (f"  \n:small[{about}]" if about else ""))
    else:
        st.markdown(f"**Study {plain(series[0].study_key[:8] or 'without a UID')}**")
    for one in series:
        _series(api, here, one, who.get(one.id))


def _series(api: ApiClient, here: Here, series: ReceivedSeries, identity: SeriesIdentity | None) -> None:
    about, state, action = st.columns([7, 9, 4], vertical_alignment="top")
    name = plain(identity.series_description) if identity and identity.series_description else "Series"
    about.markdown(
        f"{name} · {series.n_instances} images  \n:small[{ROUTES[series.route]} {plain(series.sender)}, "
        f"{age(series.received_at)}]",
        help=f"Received {moment(series.received_at)} by {plain(series.gateway)}",
    )
    text, color = STANDING[series.stage]
    rule = f" :small[by the rule {plain(series.rule)}]" if series.rule else ""
    why = f"  \n:small[{plain(series.message)}]  \n:small[code `{series.code}`]" if series.message else ""
    state.markdown(f":{color}-badge[{text}]{rule}{why}")
    if series.order is not None and series.order.state != "done":
        state.markdown(_asked(series.order))
    masks = {mask.id: mask for mask in series.delivered_masks}
    for one in series.deliveries:
        state.markdown(_delivery(one, masks.get(one.mask_id or "")))
    _actions(api, here, action, series)


def _asked(order: Order) -> str:
    """Return what a person asked the gateway for, and how that fares."""
    what = ASKED.get(order.kind, order.kind)
    if order.state == "failed":
        return f":red[:small[{what}: {plain(order.message)}]] :small[code `{order.code}`]"
    return f":small[{what}: waiting for the gateway]"


def _delivery(one: Delivery, mask: DeliveredMask | None) -> str:
    """Return how a delivery fares: what went where, and of an ended one which mask that was, and when."""
    text, color = DELIVERED[one.state]
    why = f": {plain(one.message)} (code {one.code})" if one.message else ""
    tries = f", tried {one.attempts} times" if one.attempts > 1 and one.state in ("waiting", "failed") else ""
    what = f"{FORMS.get(one.form, one.form)} to {plain(one.destination)}"
    when = f", {moment(one.ended_at)}" if one.ended_at else ""
    of = f"  \n:small[{_made(mask)}]" if mask is not None else ""
    return f":{color}-badge[{text}] :small[{what}{when}{tries}{why}]{of}"


def _made(mask: DeliveredMask) -> str:
    """Return who or what made a mask, and when."""
    if mask.model is not None:
        maker = f"AI-generated by {mask.model}"
    else:
        maker = f"{mask.kind.replace('_', ' ')} by {mask.created_by}"
    return plain(f"Mask: {maker}, {moment(mask.created_at)} ({mask.id[-6:]})")


def _actions(
    api: ApiClient, here: Here, cell: "st.delta_generator.DeltaGenerator", series: ReceivedSeries
) -> None:
    if series.volume_id and cell.button("Open", key=f"open-{series.id}", width="stretch"):
        st.session_state["open_case"] = series.volume_id  # only a whole run can go to another page
        st.rerun(scope="app")
    if not here.may(Role.ANNOTATOR) or series.code == "series_grew":  # a part: another entry has all of it
        return
    if series.mask_id and cell.button(
        "Send again",
        key=f"again-{series.id}",
        width="stretch",
        help="To all its destinations. What is there already stays as it is; nothing is computed again.",
    ):
        _order(lambda: api.send_again(series.id), "Asked the gateway to send it again.")
    if series.stage in ("failed", "ignored") and not _is_refused(series):
        # A popover of its own for each series, and another, closed, once it was asked for: an open one must not pass to the next row.
        n_asked = st.session_state.setdefault("studies_asked", 0)
        with cell.popover("Segment", width="stretch", key=f"segment-{series.id}-{n_asked}"):
            st.caption(
                f"Segment these {series.n_instances} images in the project {plain(here.project.name)}, though no rule took them, or "
                "again after they failed. The result goes where the rule of that project says, or nowhere."
            )
            thanks = 'Asked the gateway to segment it: the series moves to "Under way".'
            for label, priority in (("Segment it", "routine"), ("Urgently", "stat")):
                kind: Literal["primary", "secondary"] = "primary" if priority == "routine" else "secondary"
                if st.button(label, key=f"{priority}-{series.id}", type=kind):
                    _order(partial(api.route, series.id, here.project.slug, priority), thanks)
                    st.session_state["studies_asked"] = n_asked + 1


def _is_refused(series: ReceivedSeries) -> bool:
    """Say whether no volume can be made of a series, however often it is tried."""
    return not series.volume_id and series.code.startswith("dicom_") and series.code != "dicom_not_set_up"


def _order(ask: Callable[[], object], thanks: str) -> None:
    try:
        ask()
    except SegloopError as error:
        st.toast(explain(error), icon=":material/error:")
        return
    st.toast(thanks)


def _counts(counts: dict[str, int]) -> str:
    told = [f"{counts[stage]} {text}" for stage, (text, _) in STANDING.items() if counts.get(stage)]
    return f"Last 30 days: {' · '.join(told)}" if told else ""


def _nothing(api: ApiClient, here: Here, *, is_filtered: bool) -> str:
    if is_filtered:
        return "No series here."
    if not here.is_site_admin:  # gateways belong to the installation
        return (
            "Nothing was received for this project yet. CTs can be uploaded on the page Worklist meanwhile."
        )
    try:
        known = api.gateways()
    except SegloopError:
        known = []
    if known:
        return f"Nothing was received yet. Send a series to AE title **{plain(known[0].aet)}**, port {known[0].port}."
    return (
        "No gateway has reported yet. A gateway takes series from scanners and the PACS, has them segmented and sends the "
        "results back; operations set it up (docs/pacs.md). CTs can be uploaded on the page Worklist meanwhile."
    )
