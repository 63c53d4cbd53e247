"""The gateways under the list of studies: what they are told, and whether their peers answer."""

import streamlit as st

from segloop.errors import SegloopError
from segloop.schemas import Gateway, Order, Peer, RoutingRule
from ui.api_client import ApiClient
from ui.views.text import age, explain, plain

_KINDS = {
    "c-store": "C-STORE",
    "stow-rs": "STOW-RS",
    "dicomweb": "DICOMweb",
    "c-get": "C-GET",
    "c-move": "C-MOVE",
}


def show(api: ApiClient) -> None:
    """Show each gateway with its destinations, sources and rules, and a test for each peer."""
    try:
        known = api.gateways()
    except SegloopError:
        return  # the list above says what is wrong
    for one in known:
        away = f" - away since {age(one.seen_at)}" if one.is_away else ""
        with st.expander(f"Gateway {one.aet}{away}", expanded=one.is_away):
            _gateway(api, one)


@st.fragment(run_every=2.0)
def _gateway(api: ApiClient, one: Gateway) -> None:
    st.caption(
        f"AE title `{one.aet}`, {plain(one.host)} port {one.port}, version {plain(one.version)}, "
        f"seen {age(one.seen_at)}. What it is told stands in its own configuration file (docs/pacs.md)."
    )
    if one.is_away:
        st.warning(
            "This gateway is silent: nothing is received and nothing sent. What it has is safe. Ask operations to start it."
        )
    destinations, sources = st.columns(2)
    with destinations:
        st.markdown("**Destinations**")
        for peer in one.destinations:
            _peer(api, one, peer)
        if not one.destinations:
            st.caption("None: results stay here.")
    with sources:
        st.markdown("**Sources**")
        for peer in one.sources:
            _peer(api, one, peer)
        if not one.sources:
            st.caption("None: series come only when they are sent.")
    if one.rules:
        st.markdown("**Rules**, the first that fits counts")
        st.table(
            [
                {
                    "Rule": rule.name,
                    "If": _conditions(rule),
                    "Project": rule.project or "left alone",
                    "Priority": rule.priority,
                    "Results": ", ".join(rule.forms) or "as the destination takes",
                    "Destinations": ", ".join(rule.destinations) or "none",
                }
                for rule in one.rules
            ]
        )


def _conditions(rule: RoutingRule) -> str:
    """Return what must hold, as it stands in the configuration; code, for regular expressions are full of Markdown's signs."""
    if not rule.conditions:
        return "any series"
    return ", ".join(f"{name} `{text.replace('`', ' ')}`" for name, text in rule.conditions.items())


def _peer(api: ApiClient, gateway: Gateway, peer: Peer) -> None:
    forms = f": {', '.join(peer.forms)}" if peer.forms else ""
    key = f"test-{gateway.aet}-{peer.name}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"{plain(peer.name)} :small[{_KINDS.get(peer.kind, plain(peer.kind))}{forms}]", width="stretch"
        )
        if st.button("Test", key=f"{key}-button", disabled=gateway.is_away):
            try:
                st.session_state[key] = api.try_peer(gateway.aet, peer.name).id
            except SegloopError as error:
                st.error(explain(error))
    if key in st.session_state:
        _outcome(api, st.session_state[key])


def _outcome(api: ApiClient, order_id: str) -> None:
    try:
        order = api.order(order_id)
    except SegloopError as error:
        st.error(explain(error))
        return
    if order.state in ("open", "claimed"):
        st.caption("Testing ...")
    elif order.state == "done" and order.result.get("ok"):
        seconds = float(order.result.get("seconds", 0))
        st.success(f"It answers, in {seconds:.1f} s.{_said(order, 'Tried: ', 'tried')}")
    else:
        said = str(order.result.get("message") or order.message)
        what = _said(order, "Tried: ", "tried") + _said(order, "", "to_do")
        st.error(f"It does not answer as it should. {plain(said)}{what}")


def _said(order: Order, lead: str, name: str) -> str:
    """Return a text of an order's result as a paragraph of its own, where there is one."""
    text = str(order.result.get(name) or "")
    return f"\n\n{lead}{plain(text)}" if text else ""
