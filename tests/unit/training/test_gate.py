"""The gate on simulated versions: what is worse is rejected, what is better promoted, and few cases decide nothing."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from segloop.errors import InvalidInput
from segloop.training.gate import Decision, decide
from segloop.training.protocol import CaseScores, Evaluation, LabelScore, Margin, Protocol

LABELS = ("parotid_left", "spinal_cord")
PROTOCOL = Protocol(LABELS, n_bootstrap=2000)
Change = Callable[[np.random.Generator], float]


def evaluate(
    n: int, change: Change = lambda rng: 0.0, *, seed: int = 0, runtime_s: float = 10.0
) -> Evaluation:
    """`n` frozen and `n` corrected cases of a patient each; `change` is drawn for each case, label and metric."""
    base, drawn = np.random.default_rng(7), np.random.default_rng(seed)

    def score() -> LabelScore:
        dice, nsd = (float(np.clip(base.normal(0.8, 0.06), 0, 1) + change(drawn)) for _ in range(2))
        return LabelScore(dice, nsd, calibration_error=0.05)

    def some(kind: str) -> tuple[CaseScores, ...]:
        return tuple(
            CaseScores(f"{kind}{i}", f"{kind}-patient{i}", {label: score() for label in LABELS}, runtime_s)
            for i in range(n)
        )

    return Evaluation(some("frozen"), some("corrected"))


def with_calibration(side: Evaluation, error: Callable[[int], float | None]) -> Evaluation:
    """The evaluation with each frozen case's calibration errors replaced, by the case's place."""
    frozen = tuple(
        replace(
            case,
            labels={name: replace(score, calibration_error=error(i)) for name, score in case.labels.items()},
        )
        for i, case in enumerate(side.frozen)
    )
    return replace(side, frozen=frozen)


def damaged(rng: np.random.Generator) -> float:
    return float(rng.normal(-0.08, 0.05))  # as weights with noise do


def better(rng: np.random.Generator) -> float:
    return float(rng.normal(0.03, 0.02))


def equal(rng: np.random.Generator) -> float:
    return float(rng.normal(0.0, 0.01))


def standings(decision: Decision, check: str) -> set[str]:
    return {f.standing for f in decision.findings if f.check == check}


def test_a_damaged_candidate_is_rejected_with_the_label_named() -> None:
    decision = decide(evaluate(30), evaluate(30, damaged), PROTOCOL)
    assert decision.outcome == "reject"
    assert "spinal_cord" in " ".join(decision.reasons) and "lower" in decision.reasons[0]


def test_a_better_candidate_is_promoted() -> None:
    decision = decide(evaluate(30), evaluate(30, better), PROTOCOL)
    assert decision.outcome == "promote" and {f.standing for f in decision.findings} == {"passed"}


def test_an_equal_candidate_is_non_inferior_and_nothing_else_forbids_it() -> None:
    decision = decide(evaluate(30), evaluate(30, equal), PROTOCOL)
    assert standings(decision, "non_inferior") == standings(decision, "no_catastrophe") == {"passed"}
    assert {f.check for f in decision.findings if f.standing != "passed"} <= {"better_on_corrected"}


def test_the_very_same_version_is_not_promoted_for_nothing() -> None:
    decision = decide(evaluate(30), evaluate(30), PROTOCOL)
    assert standings(decision, "non_inferior") == {"passed"}
    assert decision.outcome == "reject" and "Nothing gained" in decision.summary


@pytest.mark.parametrize("change", [damaged, better, equal])
def test_five_cases_decide_nothing_whatever_they_show(change: Change) -> None:
    decision = decide(evaluate(5), evaluate(5, change), PROTOCOL)
    assert decision.outcome == "not_enough_cases"
    assert decision.n_patients == 5 and decision.n_needed is not None and decision.n_needed >= 20
    assert f"5 of {decision.n_needed}" in decision.summary


def test_cases_of_one_patient_count_as_one_patient() -> None:
    production, candidate = evaluate(30), evaluate(30, better)
    one = [
        replace(side, frozen=tuple(replace(case, patient_id="same") for case in side.frozen))
        for side in (production, candidate)
    ]
    decision = decide(one[0], one[1], PROTOCOL)
    assert decision.outcome == "not_enough_cases" and decision.n_patients == 1
    assert {f.n_patients for f in decision.findings if f.check == "non_inferior"} == {1}


def test_the_same_seed_gives_the_same_numbers_in_any_order_of_cases() -> None:
    production, candidate = evaluate(30), evaluate(30, equal)
    turned = replace(candidate, frozen=candidate.frozen[::-1])
    first, again = decide(production, candidate, PROTOCOL), decide(production, turned, PROTOCOL)
    assert first == again
    assert first != decide(production, candidate, replace(PROTOCOL, seed=1))


def with_frozen_score(side: Evaluation, label: str, score: LabelScore | None) -> Evaluation:
    """The evaluation with one score of its first frozen case replaced or taken away."""
    first = side.frozen[0]
    labels = {name: value for name, value in first.labels.items() if name != label}
    labels |= {label: score} if score is not None else {}
    return replace(side, frozen=(replace(first, labels=labels), *side.frozen[1:]))


def test_one_collapsed_case_forbids_promotion_and_is_named() -> None:
    candidate = with_frozen_score(evaluate(30, better), "spinal_cord", LabelScore(0.2, 0.2))
    decision = decide(evaluate(30), candidate, PROTOCOL)
    assert decision.outcome == "reject" and any("case frozen0" in reason for reason in decision.reasons)


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        (LabelScore(None, None, True, True), LabelScore(None, None, True, True), None),
        (LabelScore(None, None, True, True), LabelScore(None, None, True, False), -1.0),
        (LabelScore(None, None, True, False), LabelScore(None, None, True, True), 1.0),
        (LabelScore(0.8, 0.8), LabelScore(None, None, False, True), -0.8),
        (LabelScore(0.8, 0.8), LabelScore(float("nan"), None), -0.8),
        (LabelScore(None, None), LabelScore(0.9, 0.9), None),
        (None, None, None),
    ],
    ids=[
        "rightly absent",
        "new false structure",
        "false structure gone",
        "missed",
        "candidate has no number",
        "production has no number",
        "nobody vouched for it",
    ],
)
def test_missing_values_follow_the_table(
    before: LabelScore | None, after: LabelScore | None, difference: float | None
) -> None:
    production = with_frozen_score(evaluate(30), "spinal_cord", before)
    candidate = with_frozen_score(evaluate(30), "spinal_cord", after)
    found = next(
        f
        for f in decide(production, candidate, PROTOCOL).findings
        if (f.check, f.label, f.metric) == ("non_inferior", "spinal_cord", "dice")
    )
    assert found.n_patients == (29 if difference is None else 30)
    assert found.mean_difference == pytest.approx((difference or 0.0) / 30, abs=0.004)


def test_versions_evaluated_on_different_cases_are_not_compared() -> None:
    with pytest.raises(InvalidInput) as refused:
        decide(evaluate(30), evaluate(29), PROTOCOL)
    assert refused.value.code == "evaluation_incomplete"


def test_a_slower_or_worse_calibrated_candidate_is_rejected() -> None:
    good = evaluate(30, better)
    slow = evaluate(30, better, runtime_s=15.0)
    vain = with_calibration(good, lambda i: 0.2)
    assert [decide(evaluate(30), c, PROTOCOL).outcome for c in (good, slow, vain)] == [
        "promote",
        "reject",
        "reject",
    ]
    assert decide(evaluate(30), vain, PROTOCOL).summary.startswith("Its probabilities hold less well")


def test_what_was_not_measured_is_not_taken_for_granted() -> None:
    unmeasured = with_calibration(evaluate(30, better), lambda i: None)
    assert decide(evaluate(30), unmeasured, PROTOCOL).outcome == "not_enough_cases"


def test_calibration_rejects_only_what_is_shown_to_be_worse() -> None:
    def noisy(i: int) -> float:
        return 0.05 + (0.6 if i % 3 == 0 else -0.1)  # 0.13 worse on average, in a wide spread

    few = with_calibration(evaluate(30, better), lambda i: noisy(i) if i < 8 else None)
    decision = decide(evaluate(30), few, PROTOCOL)
    assert standings(decision, "calibration") == {"unclear"} and decision.outcome == "not_enough_cases"
    four = with_calibration(evaluate(30, better), lambda i: 0.9 if i < 4 else None)
    assert standings(decide(evaluate(30), four, PROTOCOL), "calibration") == {"unclear"}
    within = with_calibration(evaluate(30, better), lambda i: 0.08)
    assert decide(evaluate(30), within, PROTOCOL).outcome == "promote"


def test_patients_without_a_label_do_not_hide_its_loss_in_the_few_who_have_it() -> None:
    absent = LabelScore(None, None, True, True, calibration_error=None)

    def rare(side: Evaluation, loss: float) -> Evaluation:
        frozen = tuple(
            replace(
                case,
                labels={
                    **case.labels,
                    "spinal_cord": absent
                    if i >= 5
                    else LabelScore(0.8 - loss, 0.8 - loss, calibration_error=0.05),
                },
            )
            for i, case in enumerate(side.frozen)
        )
        return replace(side, frozen=frozen)

    decision = decide(rare(evaluate(100), 0.0), rare(evaluate(100, better), 0.1), PROTOCOL)
    found = [f for f in decision.findings if (f.check, f.label) == ("non_inferior", "spinal_cord")]
    assert {f.n_patients for f in found} == {5} and decision.outcome != "promote"
    assert all(f.mean_difference == pytest.approx(-0.1) for f in found)


def test_a_voxel_where_a_label_is_absent_is_for_a_person_to_look_at_and_rejects_nothing() -> None:
    production = with_frozen_score(evaluate(30), "spinal_cord", LabelScore(None, None, True, True))
    candidate = with_frozen_score(evaluate(30, better), "spinal_cord", LabelScore(None, None, True, False))
    decision = decide(production, candidate, PROTOCOL)
    assert standings(decision, "no_catastrophe") == {"unclear"} and decision.outcome == "not_enough_cases"
    assert any("where nobody drew it" in reason for reason in decision.reasons)


@pytest.mark.parametrize("spread", [0.02, 0.04, 0.06])
def test_an_equal_candidate_is_seldom_rejected_however_its_scores_scatter(spread: float) -> None:
    """Seven labels, twenty patients: judged by its means alone, half of the equal candidates would be."""
    labels = tuple(f"organ{i}" for i in range(7))
    protocol = Protocol(labels, n_bootstrap=1000)

    def side(rng: np.random.Generator | None) -> Evaluation:
        def scores(i: int) -> CaseScores:
            drawn = rng.normal(0, spread, 7) if rng else np.zeros(7)
            values = {
                name: LabelScore(0.7 + d, 0.7 + d, calibration_error=0.05)
                for name, d in zip(labels, drawn, strict=True)
            }
            return CaseScores(f"c{i}", f"p{i}", values, 1.0)

        return Evaluation(tuple(scores(i) for i in range(20)))

    production, rejected = side(None), 0
    for seed in range(60):
        candidate = side(np.random.default_rng(seed))
        failed = [
            f
            for f in decide(production, candidate, protocol).findings
            if f.check == "non_inferior" and f.standing == "failed"
        ]
        rejected += bool(failed)
    assert rejected <= 6, rejected


def test_what_speaks_against_a_candidate_is_said_also_where_cases_are_too_few() -> None:
    decision = decide(evaluate(15), evaluate(15, damaged), PROTOCOL)
    assert decision.outcome == "not_enough_cases" and "speaks against it" in decision.summary


def test_a_first_version_has_nothing_to_be_compared_with() -> None:
    assert decide(None, evaluate(30), PROTOCOL).outcome == "not_enough_cases"


def test_a_wide_spread_asks_for_more_patients_instead_of_rejecting() -> None:
    decision = decide(evaluate(30), evaluate(30, lambda rng: float(rng.normal(0.0, 0.06))), PROTOCOL)
    found = [f for f in decision.findings if f.check == "non_inferior" and f.standing == "unclear"]
    assert found and all(f.n_needed and f.n_needed > 30 and "would tell" in f.reason for f in found)


def test_a_label_has_its_own_margin() -> None:
    def worse(rng: np.random.Generator) -> float:
        return float(rng.normal(-0.02, 0.005))

    wide = replace(PROTOCOL, margins=dict.fromkeys(LABELS, Margin(0.05, 0.05)))
    assert standings(decide(evaluate(30), evaluate(30, worse), wide), "non_inferior") == {"passed"}
    assert "failed" in standings(decide(evaluate(30), evaluate(30, worse), PROTOCOL), "non_inferior")


@pytest.mark.parametrize(
    "loss",
    [
        lambda rng: rng.normal(-0.01, 0.02, 30),
        lambda rng: -rng.gamma(1.0, 0.01, 30),  # most cases lose little, some much
        lambda rng: -0.01 + 0.01 * rng.standard_t(4, 30),
    ],
    ids=["even", "skewed", "heavy tails"],
)
def test_a_decline_of_the_margin_passes_about_as_often_as_alpha_says(
    loss: Callable[[np.random.Generator], np.ndarray],
) -> None:
    protocol = replace(PROTOCOL, labels=("cord",), n_bootstrap=1000, default_margin=Margin(0.01, 0.01))

    def frozen(change: np.ndarray) -> Evaluation:
        scores = [LabelScore(0.8 + d, 0.8 + d) for d in change]
        return Evaluation(tuple(CaseScores(f"c{i}", f"p{i}", {"cord": s}) for i, s in enumerate(scores)))

    production, passed = frozen(np.zeros(30)), 0
    for seed in range(300):
        candidate = frozen(loss(np.random.default_rng(seed)))
        first = decide(production, candidate, protocol).findings[0]
        assert (first.check, first.metric) == ("non_inferior", "dice")
        passed += first.standing == "passed"
    assert 0.01 < passed / 300 < 0.09  # alpha is 0.05; 300 draws of it scatter by 0.0126


def test_protocol_and_decision_survive_storage_as_json() -> None:
    protocol = replace(PROTOCOL, margins={"spinal_cord": Margin(0.02, 0.03)})
    assert Protocol.from_dict(json.loads(json.dumps(protocol.to_dict()))) == protocol
    decision = decide(evaluate(30), evaluate(30, damaged), protocol)
    assert json.loads(json.dumps(decision.to_dict()))["outcome"] == "reject"


@pytest.mark.parametrize(
    "change",
    [
        {"format": 9},
        {"surprise": 1},
        {"labels": []},
        {"alpha": 0.7},
        {"margins": {"no_such_label": {"dice": 0.1}}},
    ],
)
def test_a_protocol_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as refused:
        Protocol.from_dict(PROTOCOL.to_dict() | change)
    assert refused.value.code == "gate_protocol"


@pytest.mark.parametrize("n", [1, 3])
def test_too_few_patients_are_said_once_for_all_labels_and_their_differences_are_kept(n: int) -> None:
    decision = decide(evaluate(n), evaluate(n, lambda rng: 0.01), PROTOCOL)
    assert decision.outcome == "not_enough_cases"
    assert [reason for reason in decision.reasons if "parotid_left" in reason] == [
        f"Measured in {n} patient{'s' if n > 1 else ''}, too few to judge: parotid_left, spinal_cord."
    ]
    found = [f.mean_difference for f in decision.findings if f.check == "non_inferior"]
    assert found == pytest.approx([0.01] * 4)
