"""Is a candidate better than the version in production? A pure function from scores to a verdict with its reasons."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from math import inf
from statistics import fmean, median
from typing import Any, Literal
from zlib import crc32

from segloop.errors import InvalidInput
from segloop.training.bootstrap import FEWEST, lower_bound, patients_needed
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

    @property
    def lacks_patients(self) -> bool:
        """Of a label there are so few patients that no bound could be given: nothing else is to say about it."""
        return (
            self.label is not None
            and self.standing == "unclear"
            and self.lower_bound is None
            and self.check != "no_catastrophe"
        )


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
        """What stands against promotion, the gravest first; all that passed if nothing does.

        What lacks patients alone is said once for all labels.
        """
        against = [f for f in self.findings if f.standing != "passed"]
        few = [f for f in against if f.lacks_patients]
        said = [f for f in against or self.findings if f not in few]
        return [f.reason for f in sorted(said, key=lambda f: f.standing != "failed")] + _too_few(few)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "reasons": self.reasons}


def decide(production: Evaluation | None, candidate: Evaluation, protocol: Protocol) -> Decision:
    """Compare two versions evaluated on the same cases; the same input gives the same verdict.

    *promote* when every check passes, *reject* when one fails, *not_enough_cases* when one is unclear or there are fewer
    patients than the protocol asks for, whatever they show. Differences are candidate minus production, averaged within a
    patient. Each label must be non-inferior in both metrics; as all must hold, no correction for
    their number is due (intersection-union test: Berger, Technometrics 24, 1982). A single failure rejects, and there the
    number of checks does count: one fails only where the decline is shown at alpha divided by their number (Bonferroni).
    Without a version in production there is nothing to compare with: *not_enough_cases*.

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
    findings += [_calibration(frozen or corrected, label, protocol) for label in protocol.labels]
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
        if counts["failed"]:
            summary += " What there is speaks against it."
    elif counts["failed"]:
        outcome, summary = "reject", "Worse than the version in production: it must not be promoted."
        failed = {f.check for f in findings if f.standing == "failed"}
        if failed == {"better_on_corrected"}:
            summary = "Nothing gained on corrected cases: there is no reason to change the version."
        elif failed == {"calibration"}:
            summary = "Its probabilities hold less well than those in production: it must not be promoted."
    return Decision(outcome, summary, n, needed, tuple(findings), protocol.to_dict())


def _too_few(findings: Sequence[Finding]) -> list[str]:
    """Return one reason for all labels of which there are too few patients for a bound."""
    if not findings:
        return []
    labels = list(dict.fromkeys(f.label for f in findings if f.label is not None))
    counts = [f.n_patients for f in findings]
    n = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    who = "1 patient" if n == "1" else f"{n} patients"
    return [f"Measured in {who}, too few to judge: {', '.join(labels)}."]


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
    as 0: a version can't pass by failing on a case, nor gain by the other's failing. Where reference and both versions have
    none of the label there is nothing to compare: counted as equal, such cases would hide a loss where it is there.
    """
    if (
        old is not None
        and new is not None
        and old.reference_empty
        and old.predicted_empty
        and new.predicted_empty
    ):
        return None
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


def _bound(differences: list[float], protocol: Protocol, name: str, *, n_checks: int = 1) -> float:
    seed = (protocol.seed, crc32(name.encode()))  # another label added changes nobody else's draw
    alpha = protocol.alpha / n_checks
    return lower_bound(differences, alpha=alpha, n_bootstrap=protocol.n_bootstrap, seed=seed)


def _finite(bound: float) -> float | None:
    return None if bound == -inf else bound


def _is_shown_below_zero(differences: list[float], protocol: Protocol, name: str, *, n_checks: int) -> bool:
    """Say whether the mean is shown to be below 0, with all `n_checks` that could reject counted."""
    return _bound([-value for value in differences], protocol, name, n_checks=n_checks) > 0


def _non_inferior(pairs: Pairs, label: str, metric: Metric, protocol: Protocol) -> Finding:
    found = _by_patient(pairs, lambda a, b: _difference(a.labels.get(label), b.labels.get(label), metric))
    n, margin, needed = len(found), protocol.margin(label, metric), protocol.minimum_patients
    what = f"{label}: {_TITLES[metric]}"
    if n < 2:
        some = "1 patient" if n == 1 else f"{n} patients"
        reason = f"{what} could be compared in {some} only, {needed} are needed."
        only = found[0] if found else None
        return Finding("non_inferior", "unclear", reason, label, metric, n, needed, only, margin=margin)
    name, n_checks = f"{label}/{metric}", len(METRICS) * len(protocol.labels)
    mean, low = fmean(found), _bound(found, protocol, name)
    change = "the same" if mean == 0 else f"{abs(mean):.3f} {'higher' if mean > 0 else 'lower'}"
    sure = "too few to say more" if low == -inf else f"at most {max(0.0, -low):.3f} lower"
    reason = (
        f"{what} is {change} on average in {n} patients ({sure}, at {1 - protocol.alpha:.0%} confidence); "
        f"{margin:.3f} is allowed."
    )
    standing: Standing = "passed"
    if mean <= -margin and _is_shown_below_zero(found, protocol, name, n_checks=n_checks):
        standing = "failed"
    elif low <= -margin or n < protocol.minimum_patients:
        standing = "unclear"
        room = margin + min(mean, 0.0)
        needed = max(needed, patients_needed(found, room=room, alpha=protocol.alpha) or 0, n + 1)
        reason += f" About {needed} patients would tell."
    return Finding("non_inferior", standing, reason, label, metric, n, needed, mean, _finite(low), margin)


def _catastrophes(pairs: Pairs, protocol: Protocol) -> list[Finding]:
    """Name each case and label whose Dice fell by more than the protocol allows; one that says none did.

    Where the label isn't there, a voxel is enough for a fall of 1: that is for a person to look at, and rejects nothing.
    """
    found = []
    for old, new in pairs:
        for label in protocol.labels:
            fall = _difference(old.labels.get(label), new.labels.get(label), "dice")
            if fall is not None and -fall > protocol.catastrophic_drop:
                is_absent = old.labels[label].reference_empty
                what = f"collapsed in case {old.case_id}: Dice fell by {-fall:.2f}"
                if is_absent:
                    what = f"appears in case {old.case_id}, where nobody drew it"
                standing: Standing = "unclear" if is_absent else "failed"
                reason = f"{label} {what}; look at it."
                found.append(
                    Finding("no_catastrophe", standing, reason, label, "dice", 1, mean_difference=fall)
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
        return Finding(
            "better_on_corrected", "passed", f"{reason}.", None, "dice", n, needed, mean, _finite(low), 0.0
        )
    if mean == 0 or _is_shown_below_zero(found, protocol, "corrected", n_checks=1):
        reason += ": nothing was gained where people had to correct."
        return Finding(
            "better_on_corrected", "failed", reason, None, "dice", n, needed, mean, _finite(low), 0.0
        )
    reason += ", which could be chance"
    more = patients_needed(found, room=mean, alpha=protocol.alpha) if mean > 0 else None
    reason += "." if more is None else f"; about {max(n + 1, more)} patients would tell."
    needed = n + 1 if more is None else max(n + 1, more)
    return Finding("better_on_corrected", "unclear", reason, None, "dice", n, needed, mean, _finite(low), 0.0)


def _calibration(pairs: Pairs, label: str, protocol: Protocol) -> Finding:
    """Do probabilities hold as well as before? Passed and failed as in `_non_inferior`, on the cases it was measured on."""

    def improvement(old: CaseScores, new: CaseScores) -> float | None:
        before, after = (
            side.labels[label].calibration_error if label in side.labels else None for side in (old, new)
        )
        return None if before is None or after is None else before - after

    found = _by_patient(pairs, improvement)
    if len(found) < FEWEST:
        reason = f"{label}: how well its probabilities hold was measured in {len(found)} patients, too few to tell."
        return Finding("calibration", "unclear", reason, label, n_patients=len(found))
    name, margin, n_checks = f"{label}/calibration", protocol.calibration_margin, len(protocol.labels)
    mean, low = fmean(found), _bound(found, protocol, name)
    reason = (
        f"{label}: its probabilities are off by {-mean:+.3f} on average against production in {len(found)} patients "
        f"(at most {-low:+.3f}); {margin:.3f} more is allowed."
    )
    standing: Standing = "passed" if low > -margin else "unclear"
    if mean <= -margin and _is_shown_below_zero(found, protocol, name, n_checks=n_checks):
        standing = "failed"
    return Finding("calibration", standing, reason, label, None, len(found), None, mean, low, margin)


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
