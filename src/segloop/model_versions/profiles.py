"""Profiles: how a prediction trades time for nnU-Net's own answer, by the name that is recorded on each mask."""

from collections.abc import Sequence
from typing import Literal

from segloop.errors import Conflict

Profile = Literal["exact", "exact+mirroring", "fast"]
"""`exact`: nnU-Net's own masks without mirroring (`--disable_tta`). `exact+mirroring`: nnU-Net's default, which averages over
mirrored patches, 2 to 8 times as much work. `fast`: as `exact`, but the network's sums are made in the order and memory layout
that suits the processor, so that single voxels on boundaries may differ."""

MIRRORING_AXES = "mirroring_axes"
"""The entry of a version's details with the axes its training allowed to mirror; absent for versions from before it was kept."""

REGIONS = "regions"
"""The entry of a version's details that says whether its network was trained on overlapping regions."""


def require_profile(profile: Profile, mirroring_axes: Sequence[int] | None) -> None:
    """Check that a model version offers a profile, by the axes it allows to mirror; None where they are not known.

    Raises:
        Conflict: `profile_unavailable`, where `exact+mirroring` would silently be `exact`.
    """
    if profile == "exact+mirroring" and mirroring_axes is not None and not mirroring_axes:
        raise Conflict(
            "profile_unavailable",
            "This model version was trained without mirroring, so exact+mirroring is not possible. Use profile exact.",
        )
