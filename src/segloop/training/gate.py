"""Is a candidate better than the version in production? A pure function from scores to a verdict with its reasons."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any, Literal
from zlib import crc32

from segloop.errors import InvalidInput
from segloop.training.bootstrap import lower_bound, patients_needed
from segloop.training.protocol import METRICS, CaseScores, Evaluation, LabelScore, Metric, Protocol

Outcome = Literal["promote", "reject", "not_enough_cases"]
Standing = Literal["passed", "failed", "unclear"]
_TITLES: dict[Metric, str] = {"dice": "Dice", "nsd": "surface agreement (NSD)"}


@dataclass(frozen=True)
class Finding:
    """One check and how it stands, with its reason in words and the numbers behind them."""

    check: str
    standing: Standing
    reason: str
    label: str | None = None
    metric: Metric | None = None
    n_patients: int = 0
    n_needed: int | None = None
    mean_difference: float | None = None
    lower_bound: float | None = None
    margin: float | None = None


@dataclass(frozen=True)
class Decision:
    """The verdict, why, and `n_patients` of about `n_needed`; None is unknown. `protocol` is what it was judged by."""

    outcome: Outcome
    summary: str
    n_patients: int
    n_needed: int | None
    findings: tuple[Finding, ...]
    protocol: dict[str, Any]

    @property
    def reasons(self) -> list[str]:
        """What stands against promotion, the gravest first; all that passed if nothing does."""
        against = [f for f in self.findings if f.standing != "passed"]
        return [f.reason for f in sorted(against or self.findings, key=lambda f: f.standing != "failed")]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "reasons": self.reasons}


def decide(production: Evaluation | None, candidate: Evaluation, protocol: Protocol) -> Decision:
    """Compare two versions evaluated on the same cases; the same input gives the same verdict.

    *promote* when every check passes, *reject* when one fails, *not_enough_cases* when one is unclear or there are fewer
    patients than the protocol asks for, whatever they show. Differences are candidate minus production, averaged within a
    patient. Each label must be non-inferior in both metrics; as all must hold, no correction for
    their number is due (intersection-union test: Berger, Technometrics 24, 1982). Without a version in production there is
    nothing to compare with: *not_enough_cases*.

    Raises:
        InvalidInput: `evaluation_incomplete` when the two were not evaluated on the same cases.
    """
    if production is None:
        lone = Finding("comparison", "unclear", "There is no version in production to compare with.")
        return _verdict(protocol, [lone], len({c.patient_id for c in candidate.frozen}))
    frozen = _paired(production.frozen, candidate.frozen)
    corrected = _paired(production.corrected, candidate.corrected)
    findings = [
        _non_inferior(frozen, label, metric, protocol) for label in protocol.labels for metric in METRICS
    ]
    findings += _catastrophes(frozen, protocol)
    findings.append(_better_on_corrected(corrected, protocol))
    findings += [_calibration(production, candidate, label, protocol) for label in protocol.labels]
    findings.append(_runtime(frozen, protocol))
    return _verdict(protocol, findings, len({case.patient_id for case, _ in frozen}))


def _verdict(protocol: Protocol, findings: Sequence[Finding], n: int) -> Decision:
    counts = {standing: sum(f.standing == standing for f in findings) for standing in ("failed", "unclear")}
    needs = [f.n_needed for f in findings if f.check == "non_inferior" and f.n_needed is not None]
    needed = max([protocol.minimum_patients, *needs])
    outcome: Outcome = "promote"
    summary = "Not worse in any label, better on corrected cases: it may be promoted."
    if n < protocol.minimum_patients or (counts["unclear"] and not counts["failed"]):
        outcome, summary = "not_enough_cases", f"Not enough cases to tell: {n} of {needed} test patients."
        if n >= needed:
            summary = "Not enough to tell: see the reasons."
    elif counts["failed"]:
        outcome, summary = "reject", "Worse than the version in production: it must not be promoted."
        if all(f.check == "better_on_corrected" for f in findings if f.standing == "failed"):
            summary = "Nothing gained on corrected cases: there is no reason to change the version."
    return Decision(outcome, summary, n, needed, tuple(findings), protocol.to_dict())


Pairs = list[tuple[CaseScores, CaseScores]]


def _paired(production: Iterable[CaseScores], candidate: Iterable[CaseScores]) -> Pairs:
    """Return (production, candidate) by case, ascending, so that their order in the input does not matter."""
    ours, theirs = ({case.case_id: case for case in side} for side in (production, candidate))
    if ours.keys() != theirs.keys():
        odd = sorted(ours.keys() ^ theirs.keys())
        raise InvalidInput(
            "evaluation_incomplete",
            f"{len(odd)} cases were evaluated for one version only; evaluate both on the same cases.",
            cases=odd,
        )
    return [(ours[case], theirs[case]) for case in sorted(ours)]


def _difference(old: LabelScore | None, new: LabelScore | None, metric: Metric) -> float | None:
    """Return candidate minus production; None where the pair does not count.

    A pair counts where the reference speaks about the label and production has a number. A candidate without one counts
    as 0: a version can't pass by failing on a case, nor gain by the other's failing.
    """
    before = None if old is None else old.value(metric)
    if before is None:
        return None
    after = None if new is None else new.value(metric)
    return (0.0 if after is None else after) - before


def _by_patient(pairs: Pairs, difference: Callable[[CaseScores, CaseScores], float | None]) -> list[float]:
    """Return each patient's mean difference, by patient: cases of one patient are not independent."""
    found: dict[str, list[float]] = defaultdict(list)
    for old, new in pairs:
        value = difference(old, new)
        if value is not None:
            found[old.patient_id].append(value)
    return [fmean(found[patient]) for patient in sorted(found)]


def _bound(differences: list[float], protocol: Protocol, name: str) -> float:
    seed = (protocol.seed, crc32(name.encode()))  # another label added changes nobody else's draw
    return lower_bound(differences, alpha=protocol.alpha, n_bootstrap=protocol.n_bootstrap, seed=seed)


def _non_inferior(pairs: Pairs, label: str, metric: Metric, protocol: Protocol) -> Finding:
    found = _by_patient(pairs, lambda a, b: _difference(a.labels.get(label), b.labels.get(label), metric))
    n, margin, needed = len(found), protocol.margin(label, metric), protocol.minimum_patients
    what = f"{label}: {_TITLES[metric]}"
    if n < 2:
        reason = f"{what} could be compared in {n} patients only, {needed} are needed."
        return Finding("non_inferior", "unclear", reason, label, metric, n, needed, margin=margin)
    mean, low = fmean(found), _bound(found, protocol, f"{label}/{metric}")
    change = "the same on average" if mean == 0 else f"{abs(mean):.3f} {'higher' if mean > 0 else 'lower'}"
    reason = f"{what} is {change} in {n} patients and at worst {max(0.0, -low):.3f} lower; {margin:.3f} is allowed."
    standing: Standing = "passed"
    if mean <= -margin:
        standing = "failed"
    elif low <= -margin or n < protocol.minimum_patients:
        standing = "unclear"
        room = margin + min(mean, 0.0)
        needed = max(needed, patients_needed(found, room=room, alpha=protocol.alpha) or 0, n + 1)
        reason += f" About {needed} patients would tell."
    return Finding("non_inferior", standing, reason, label, metric, n, needed, mean, low, margin)


def _catastrophes(pairs: Pairs, protocol: Protocol) -> list[Finding]:
    """Name each case and label whose Dice fell by more than the protocol allows; one that says none did."""
    found = []
    for old, new in pairs:
        for label in protocol.labels:
            fall = _difference(old.labels.get(label), new.labels.get(label), "dice")
            if fall is not None and -fall > protocol.catastrophic_drop:
                reason = f"{label} collapsed in case {old.case_id}: Dice fell by {-fall:.2f}; look at it."
                found.append(
                    Finding("no_catastrophe", "failed", reason, label, "dice", 1, mean_difference=fall)
                )
    none = Finding(
        "no_catastrophe",
        "passed",
        f"In no case did a label's Dice fall by more than {protocol.catastrophic_drop:.2f}.",
    )
    return found or [none]


def _better_on_corrected(pairs: Pairs, protocol: Protocol) -> Finding:
    """Is the mean Dice over the labels higher on corrected cases that were held back? Otherwise, why change?"""

    def difference(old: CaseScores, new: CaseScores) -> float | None:
        some = [
            _difference(old.labels.get(label), new.labels.get(label), "dice") for label in protocol.labels
        ]
        known = [value for value in some if value is not None]
        return fmean(known) if known else None

    found = _by_patient(pairs, difference)
    n, needed = len(found), protocol.minimum_corrected
    if n < needed:
        reason = f"Only {n} patients with held-back corrected cases; {needed} are needed to see a gain."
        return Finding("better_on_corrected", "unclear", reason, None, "dice", n, needed)
    mean, low = fmean(found), _bound(found, protocol, "corrected")
    reason = f"On held-back corrected cases Dice changed by {mean:+.3f} in {n} patients"
    if low > 0:
        return Finding("better_on_corrected", "passed", f"{reason}.", None, "dice", n, needed, mean, low, 0.0)
    if mean > 0:
        needed = max(n + 1, patients_needed(found, room=mean, alpha=protocol.alpha) or 0)
        reason += f", which could be chance; about {needed} patients would tell."
        return Finding("better_on_corrected", "unclear", reason, None, "dice", n, needed, mean, low, 0.0)
    reason += ": nothing was gained where people had to correct."
    return Finding("better_on_corrected", "failed", reason, None, "dice", n, needed, mean, low, 0.0)


def _calibration(production: Evaluation, candidate: Evaluation, label: str, protocol: Protocol) -> Finding:
    before, after = (side.calibration_error.get(label) for side in (production, candidate))
    if before is None or after is None:
        reason = f"{label}: how well its probabilities hold was not measured for both versions."
        return Finding("calibration", "unclear", reason, label)
    grown, margin = after - before, protocol.calibration_margin
    reason = f"{label}: its probabilities are off by {after:.3f}, {before:.3f} in production; {margin:.3f} more is allowed."
    standing: Standing = "failed" if grown > margin else "passed"
    return Finding("calibration", standing, reason, label, mean_difference=grown, margin=margin)


def _runtime(pairs: Pairs, protocol: Protocol) -> Finding:
    timed = [(a.runtime_s, b.runtime_s) for a, b in pairs if a.runtime_s and b.runtime_s]
    if not timed:
        return Finding("runtime", "unclear", "The time that a case takes was not measured for both versions.")
    ratio = median(b for _, b in timed) / median(a for a, _ in timed)
    reason = (
        f"A case takes {ratio:.2f} times as long as in production; {protocol.runtime_ratio:.2f} is allowed."
    )
    standing: Standing = "failed" if ratio > protocol.runtime_ratio else "passed"
    return Finding("runtime", standing, reason, n_patients=len(timed), mean_difference=ratio - 1)
