"""Who starts, who is fed when, who judges and who is never fed, in three fixed folds: decided by the names alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from segloop.errors import InvalidInput

N_FOLDS = 3


@dataclass(frozen=True)
class Fold:
    """The patients of one simulated project; nobody is in two lists.

    `start` trains the first model, `rounds` are fed as corrections one round after the other, `gate` are held back for
    the comparison of versions, `test` are never fed and measured on.
    """

    number: int
    start: tuple[str, ...]
    rounds: tuple[tuple[str, ...], ...]
    gate: tuple[str, ...]
    test: tuple[str, ...]

    def fed(self, until: int) -> tuple[str, ...]:
        """Return who was fed in the rounds 1 to `until`."""
        return tuple(patient for patients in self.rounds[:until] for patient in patients)


def folds(
    patients: Sequence[str], *, n_start: int, n_gate: int, n_rounds: int, n_folds: int = N_FOLDS
) -> tuple[Fold, ...]:
    """Return the folds: each patient is a test patient of exactly one, and the others are shared out anew in each.

    Patients are ranked by SHA-256 of their name, within a fold by that of fold and name, so neither order nor repeats
    matter. Rounds are as equal as can be, earlier ones larger.

    Raises:
        InvalidInput: `dataset_too_small`.
    """
    ranked = sorted(set(patients), key=lambda patient: _hash(patient))
    needed = n_folds * (n_start + n_gate + n_rounds) / (n_folds - 1)
    if len(ranked) - -(-len(ranked) // n_folds) < n_start + n_gate + n_rounds:
        raise InvalidInput(
            "dataset_too_small",
            f"About {needed:.0f} patients are needed and there are {len(ranked)}. Name a larger dataset.",
        )
    return tuple(_fold(k, ranked, n_start, n_gate, n_rounds, n_folds) for k in range(n_folds))


def _fold(k: int, ranked: Sequence[str], n_start: int, n_gate: int, n_rounds: int, n_folds: int) -> Fold:
    test = ranked[k::n_folds]
    rest = sorted(set(ranked) - set(test), key=lambda patient: _hash(f"{k}/{patient}"))
    start, gate, fed = rest[:n_start], rest[n_start : n_start + n_gate], rest[n_start + n_gate :]
    at = [-(-len(fed) * i // n_rounds) for i in range(n_rounds + 1)]
    rounds = tuple(tuple(fed[a:b]) for a, b in pairwise(at))
    return Fold(k, tuple(start), rounds, tuple(gate), tuple(test))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
