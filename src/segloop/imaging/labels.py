"""Label sets: names and indices, and whether a mask or model fits them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segloop.errors import Conflict, InvalidInput

MOST_NAMED = 20  # labels that a message lists


@dataclass(frozen=True)
class Label:
    """One class: its index in masks (background is 0), its name, its colour as #rrggbb."""

    index: int
    name: str
    color: str = "#cccccc"
    snomed_code: str | None = None

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as red, green and blue, 0 to 255."""
        red, green, blue = bytes.fromhex(self.color[1:])
        return red, green, blue


@dataclass(frozen=True)
class LabelSet:
    """All labels of a mask or model, in order of index.

    Raises:
        InvalidInput: `label_set_invalid` when a name or an index occurs twice.
    """

    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        for values in ([label.index for label in self.labels], [label.name for label in self.labels]):
            if len(set(values)) != len(values):
                raise InvalidInput("label_set_invalid", "Each label needs a name and an index of its own.")

    @classmethod
    def from_dicts(cls, items: Iterable[dict[str, Any]]) -> "LabelSet":
        """Return the set of stored or posted labels."""
        labels = (
            Label(i["index"], i["name"], i.get("color", "#cccccc"), i.get("snomed_code")) for i in items
        )
        return cls(tuple(sorted(labels, key=lambda label: label.index)))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return the labels as plain values, by index."""
        return [vars(label) for label in self.labels]

    @property
    def indices(self) -> Sequence[int]:
        """All indices, ascending, without background."""
        return [label.index for label in self.labels]

    def require_extends(self, earlier: "LabelSet") -> None:
        """Check that no earlier label was changed or removed.

        Raises:
            Conflict: `label_set_changed`, naming the labels.
        """
        mine = {(label.name, label.index) for label in self.labels}
        lost = [label.name for label in earlier.labels if (label.name, label.index) not in mine]
        if lost:
            raise Conflict(
                "label_set_changed",
                f"Label sets only grow; these labels were changed or removed: {', '.join(lost)}.",
            )

    def _numbers(self) -> str:
        each = [f"{label.index} {label.name}" for label in self.labels]
        return ", ".join([*each[:MOST_NAMED], "..."] if len(each) > MOST_NAMED else each)

    def require_known_values(self, mask: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Check that a mask holds nothing but background and these labels; return how many voxels each value has.

        Raises:
            InvalidInput: `mask_labels`, naming the values.
        """
        counts = _count_voxels(mask)
        unknown = sorted(set(np.flatnonzero(counts).tolist()) - {0, *self.indices})
        if unknown:
            some = ", ".join(str(value) for value in unknown[:10])
            raise InvalidInput(
                "mask_labels",
                f"The mask holds values that are no labels of this project: {some}{' ...' if len(unknown) > 10 else ''}. "
                f"Give its labels the project's numbers and send it again: {self._numbers()}.",
            )
        return counts


def _count_voxels(mask: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return how many voxels each value of a mask has, 0 to 65535, a part at a time."""
    counts = np.zeros(1 << 16, np.int64)
    flat = mask.ravel(order="K")  # in the memory's own order, which is quick for any permutation of axes
    for at in range(0, flat.size, 1 << 20):  # counting widens what it counts to 64 bits
        found = np.bincount(flat[at : at + (1 << 20)])
        counts[: len(found)] += found
    return counts
