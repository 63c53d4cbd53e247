"""When the project retrains and what a candidate must show."""

from typing import Any

import streamlit as st

from segloop.accounts.roles import Role
from segloop.schemas import Policy
from segloop.training.protocol import Protocol
from ui.api_client import ApiClient
from ui.views.here import Here
from ui.views.models.run import KINDS


def show(api: ApiClient, here: Here, rules: Policy) -> None:
    """Show the policy as a form, for admins of the project to save; saving makes a new version of it."""
    with st.form("training_policy"):
        left, right = st.columns(2)
        minimum = left.number_input("Minimum of new corrections", 1, 100_000, rules.minimum_corrections)
        automatic = right.toggle("Retrain by itself once there are so many", rules.automatic)
        kind = right.selectbox(
            "What is started then",
            list(KINDS),
            list(KINDS).index(rules.automatic_kind),
            lambda name: KINDS[name],
        )
        promote = left.toggle(
            "Let a candidate that passes every check go live without a person",
            rules.automatic_promotion,
            help="Off unless you know why. A candidate with too few test cases never goes live by itself.",
        )
        with st.expander("For experts: shares of patients, and what the comparison asks"):
            shares, gate = _shares(rules), _gate(rules)
        may_save = here.may(Role.ADMIN)
        if not may_save:
            st.caption("Admins of the project change the policy.")
        if st.form_submit_button("Save", type="primary", disabled=not may_save):
            api.change_training_policy(
                here.project.slug,
                minimum_corrections=int(minimum),
                automatic=automatic,
                automatic_kind=kind,
                automatic_promotion=promote,
                gate=gate,
                **shares,
            )
            st.toast("Saved.")
            st.rerun()
    st.caption(
        f"Version {rules.version} of the policy." if rules.version else "Nobody has changed the defaults yet."
    )


def _shares(rules: Policy) -> dict[str, float]:
    left, right = st.columns(2)
    return {
        "test_share": left.number_input("Share of patients kept for tests", 0.0, 0.9, rules.test_share, 0.05),
        "validation_share": right.number_input(
            "Share of patients that validate", 0.0, 0.9, rules.validation_share, 0.05
        ),
    }


def _gate(rules: Policy) -> dict[str, Any]:
    """Return the gate's values; those of single labels stay as they are."""
    now = {**Protocol(("any",)).to_dict(), **rules.gate}
    margin = now["default_margin"]
    left, middle, right = st.columns(3)
    return {
        **({"margins": rules.gate["margins"]} if rules.gate.get("margins") else {}),
        "default_margin": {
            "dice": left.number_input("Dice may fall by", 0.001, 0.5, margin["dice"], 0.005, format="%.3f"),
            "nsd": middle.number_input("NSD may fall by", 0.001, 0.5, margin["nsd"], 0.005, format="%.3f"),
        },
        "catastrophic_drop": right.number_input(
            "No case may lose more Dice than", 0.01, 1.0, now["catastrophic_drop"], 0.05
        ),
        "minimum_patients": int(
            left.number_input("Test patients at least", 2, 10_000, now["minimum_patients"])
        ),
        "minimum_corrected": int(
            middle.number_input("Corrected test patients at least", 2, 10_000, now["minimum_corrected"])
        ),
        "calibration_margin": left.number_input(
            "Calibration error may grow by", 0.0, 1.0, now["calibration_margin"], 0.01, format="%.3f"
        ),
        "runtime_ratio": right.number_input(
            "A case may take so many times as long", 1.0, 100.0, now["runtime_ratio"]
        ),
    }
