"""Integer codes for what a voxel may be: one label, one of several, or anything."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segloop.errors import InvalidInput

LARGEST_CODE = np.iinfo(np.int16).max  # nnU-Net keeps preprocessed labels as int16


@dataclass(frozen=True)
class LabelSets:
    """The codes of a project's training targets; a table only grows, so a code keeps its meaning for ever.

    | code | meaning |
    |---|---|
    | 0 ... n_classes - 1 | exactly this class, 0 being the background |
    | n_classes | anything: nnU-Net's *ignore*, which must follow the highest label |
    | n_classes + 1 + i | one of `sets[i]`: nobody looked which |

    Codes are categories: whatever picks one of the neighbours' (nearest neighbour, the majority of interpolated indicators,
    mirroring, cropping) keeps them whole. dataset.json names the labels and "ignore" only; sets get no output channel.

    Raises:
        InvalidInput: `label_sets` when a set is not of 2 to n_classes - 1 of the classes, or there are too many.
    """

    n_classes: int
    sets: tuple[frozenset[int], ...] = ()

    def __post_init__(self) -> None:
        classes = range(self.n_classes)
        proper = all(1 < len(some) < self.n_classes and some <= set(classes) for some in self.sets)
        if self.n_classes < 2 or not proper or len(set(self.sets)) != len(self.sets):
            raise InvalidInput(
                "label_sets", "The table of label sets is broken; make the training cases again."
            )
        if self.n_classes + len(self.sets) > LARGEST_CODE:
            raise InvalidInput(
                "label_sets", "Too many different choices of reviewed labels for one training."
            )

    @property
    def ignore(self) -> int:
        """The code of a voxel that nobody vouched for."""
        return self.n_classes

    @property
    def n_codes(self) -> int:
        """All codes are below this."""
        return self.n_classes + 1 + len(self.sets)

    def code(self, possible: Iterable[int]) -> int:
        """Return the code of the classes that a voxel may be.

        Raises:
            InvalidInput: `label_sets` for a set that the table lacks; see `extended`.
        """
        some = frozenset(possible)
        if len(some) == 1 and (only := next(iter(some))) in range(self.n_classes):
            return only
        if some == frozenset(range(self.n_classes)):
            return self.ignore
        if some not in self.sets:
            raise InvalidInput("label_sets", f"The table has no code for the labels {sorted(some)}.")
        return self.n_classes + 1 + self.sets.index(some)

    def extended(
        self, sets: Iterable[Iterable[int]], mirrored: Mapping[int, int] | None = None
    ) -> "LabelSets":
        """Return a table with these sets as well, and with what they become when left and right change places.

        `mirrored` maps each paired class to its partner. Sets that have a code already keep it.
        """
        grown = list(self.sets)
        pairs = mirrored or {}
        for some in sorted({frozenset(one) for one in sets}, key=sorted):
            for one in (some, frozenset(pairs.get(label, label) for label in some)):
                if 1 < len(one) < self.n_classes and one not in grown:
                    grown.append(one)
        return LabelSets(self.n_classes, tuple(grown))

    @cached_property
    def membership(self) -> NDArray[np.bool_]:
        """Boolean (n_codes, n_classes): may a voxel of this code be of this class?"""
        rows = np.zeros((self.n_codes, self.n_classes), dtype=bool)
        rows[np.arange(self.n_classes), np.arange(self.n_classes)] = True
        rows[self.ignore] = True
        for i, some in enumerate(self.sets):
            rows[self.n_classes + 1 + i, sorted(some)] = True
        return rows

    def swapped(self, mirrored: Mapping[int, int]) -> NDArray[np.int16]:
        """Return what each code becomes when left and right change places, as an array over codes."""
        codes = [
            self.code(mirrored.get(label, label) for label in np.flatnonzero(row).tolist())
            for row in self.membership
        ]
        return np.array(codes, dtype=np.int16)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"n_classes": self.n_classes, "sets": [sorted(some) for some in self.sets]}

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> "LabelSets":
        """Return a stored table."""
        return cls(int(body["n_classes"]), tuple(frozenset(some) for some in body["sets"]))


_SIDES = [
    *(("left", "right"), ("l", "r"), ("lt", "rt"), ("lft", "rgt"), ("links", "rechts"), ("gauche", "droite")),
    *(("gauche", "droit"), ("sinistra", "destra"), ("sinistro", "destro"), ("izquierda", "derecha")),
    *(("izquierdo", "derecho"), ("sinister", "dexter"), ("sin", "dex"), ("esquerda", "direita")),
]
_BREAK = re.compile(r"[_\W]+|(?<=[a-z])(?=[A-Z])")  # never inside "L1", a vertebra


def mirror_pairs(names: Iterable[str]) -> dict[int, int]:
    """Return each class that has a left or right partner, by index from 1, mapped to that partner.

    Names are compared by their words, in any order: `parotid_left` and `Right Parotid`, `kidney-l` and `kidney-r`, `LeftLung`
    and `RightLung`, `Niere links` and `Niere rechts`.
    """
    words = {_words(name): index for index, name in enumerate(names, 1)}
    pairs = {}
    for name, index in words.items():
        partner = next((words[other] for other in _on_the_other_side(name) if other in words), index)
        if partner != index:
            pairs[index] = partner
    return pairs


def has_lone_side(names: Sequence[str]) -> bool:
    """Say whether a name speaks of a side and its partner is not there: mirrored, such a class would be on the wrong side."""
    pairs = mirror_pairs(names)
    return any(
        index not in pairs and any(True for _ in _on_the_other_side(_words(name)))
        for index, name in enumerate(names, 1)
    )


def _words(name: str) -> tuple[str, ...]:
    return tuple(sorted(word.lower() for word in _BREAK.split(name) if word))


def _on_the_other_side(words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Return the words with left and right exchanged, for each pair of words for them; none where there is no side."""
    for left, right in _SIDES:
        opposite = {left: right, right: left}
        if opposite.keys() & set(words):
            yield tuple(sorted(opposite.get(word, word) for word in words))
