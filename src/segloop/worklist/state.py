"""The states of a case, in the order of its life."""

from typing import Literal, get_args

CaseState = Literal[
    "new", "segmenting", "failed", "segmented", "in_review", "corrected", "accepted", "rejected"
]
CASE_STATES: tuple[CaseState, ...] = get_args(CaseState)

OPEN: tuple[CaseState, ...] = ("in_review", "segmented", "new", "failed")
"""States in which a case waits for a person; the rest are done, or wait for a machine."""
