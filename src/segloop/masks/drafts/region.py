"""The reviewed region: what a person vouches for."""

import json
from collections.abc import Sequence
from typing import Any

from segloop.errors import InvalidInput

AXES = ("sagittal", "coronal", "axial")
"""The plane whose slices lie along x, y and z of the RAS order."""


def parse(body: bytes, *, shape: Sequence[int], indices: Sequence[int]) -> dict[str, Any]:
    """Return a reviewed region from JSON: slice ranges per plane (RAS order, inclusive), labels or None for all.

    `shape` is the RAS shape; `whole` vouches for every slice.

    Raises:
        InvalidInput: `entry_invalid`.
    """
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise _invalid("it is no JSON") from None
    return check(given, shape=shape, indices=indices)


def check(given: Any, *, shape: Sequence[int], indices: Sequence[int]) -> dict[str, Any]:
    """Return a decoded region in its normal form.

    Raises:
        InvalidInput: `entry_invalid`.
    """
    if not isinstance(given, dict) or set(given) - {"whole", "labels", *AXES}:
        raise _invalid("it has other fields than whole, axial, coronal, sagittal and labels")
    whole, labels = given.get("whole", False), given.get("labels")
    if not isinstance(whole, bool):
        raise _invalid("'whole' is neither true nor false")
    if labels is not None and (
        not isinstance(labels, list) or not set(map(repr, labels)) <= set(map(repr, indices))
    ):
        raise _invalid("'labels' names labels that are not in the label set")
    region: dict[str, Any] = {"whole": whole, "labels": None if labels is None else sorted(set(labels))}
    for axis, n in zip(AXES, shape, strict=True):
        region[axis] = _ranges(given.get(axis) or [], axis, n)
    return region


def _ranges(ranges: Any, axis: str, n_slices: int) -> list[list[int]]:
    wrong = _invalid(f"'{axis}' is no list of ranges [first, last] of the {n_slices} slices")
    if not isinstance(ranges, list):
        raise wrong
    for item in ranges:
        if not (isinstance(item, list) and len(item) == 2 and all(type(value) is int for value in item)):
            raise wrong
        if not 0 <= item[0] <= item[1] < n_slices:
            raise wrong
    merged: list[list[int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    return merged


def _invalid(why: str) -> InvalidInput:
    return InvalidInput("entry_invalid", f"This reviewed region can't be saved: {why}.")
