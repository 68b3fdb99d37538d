"""Reliability from repeated scores, floors and steps, against other libraries and by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from backend.core.statistics.reliability import (
    judge_reliability,
    rounding_of,
    score_use,
    usual_step,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pingouin


def scored(cases, k, error, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(cases, 1)) + error * rng.normal(size=(cases, k))


@pytest.mark.parametrize(("cases", "k", "error"), [(12, 2, 0.5), (40, 3, 1.0), (25, 2, 4.0)])
def test_intraclass_correlations_are_pingouins(cases, k, error):
    scorings = scored(cases, k, error)
    frame = pd.DataFrame(
        {
            "case": np.repeat(np.arange(cases), k),
            "scoring": np.tile(np.arange(k), cases),
            "score": scorings.ravel(),
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = pingouin.intraclass_corr(frame, "case", "scoring", "score")
    found = judge_reliability(scorings, np.zeros(cases, np.intp), every=True)
    ends = next(name for name in oracle.columns if name.startswith("CI95"))
    p = next(name for name in oracle.columns if name.lower().startswith("p"))
    for row, own in ((0, found.single), (3, found.mean)):
        expected = oracle.iloc[row]
        assert own.value == pytest.approx(expected["ICC"], abs=1e-10)
        assert own.p == pytest.approx(expected[p])
        # It prints two digits of the interval.
        assert (own.low, own.high) == pytest.approx(tuple(expected[ends]), abs=0.0051)
    assert found.used == found.mean
    assert judge_reliability(scorings, np.zeros(cases, np.intp), every=False).used == found.single


def test_one_responder_is_analysis_of_variance_and_several_lose_their_means():
    scorings = scored(30, 2, 0.7)
    strata = np.repeat([0, 1, 2], 10)
    apart = scorings + 5.0 * strata[:, None]
    found = judge_reliability(apart, strata, every=False).single
    own = [scorings[strata == s] for s in range(3)]
    between = sum(2 * ((part.mean(1) - part.mean()) ** 2).sum() for part in own) / (30 - 3)
    within = sum(((part - part.mean(1, keepdims=True)) ** 2).sum() for part in own) / 30
    assert found.value == pytest.approx((between - within) / (between + within))
    # A difference between responders is no reliability.
    assert judge_reliability(apart, np.zeros(30, np.intp), every=False).single.value > 0.9


def test_the_interval_holds_the_truth_and_the_ceiling_is_its_root():
    truth = 1 / (1 + 1.5**2)
    inside = 0
    for seed in range(400):
        found = judge_reliability(scored(60, 2, 1.5, seed), np.zeros(60, np.intp), every=False)
        inside += found.single.low <= truth <= found.single.high
    assert 0.93 <= inside / 400 <= 0.97
    assert found.ceiling.value == pytest.approx(found.single.value**0.5)
    assert found.ceiling.high == pytest.approx(found.single.high**0.5)


def test_scale_and_order_of_scorings_change_nothing():
    scorings, strata = scored(20, 3, 1.0), np.repeat([0, 1], 10)
    found = judge_reliability(scorings, strata, every=False).single
    other = judge_reliability(7 - 3 * scorings[:, ::-1], strata, every=False).single
    assert (other.value, other.low, other.high) == pytest.approx(
        (found.value, found.low, found.high)
    )


def test_what_cannot_be_known_is_said():
    strata = np.zeros(5, np.intp)
    assert "several times" in judge_reliability(np.zeros((5, 1)), strata, every=True).used.reason
    still = judge_reliability(np.ones((5, 2)), strata, every=True)
    assert still.used.value is None and "do not vary" in still.used.reason
    assert still.ceiling.value is None
    same = judge_reliability(np.repeat(np.arange(5.0), 2).reshape(5, 2), strata, every=True)
    assert (same.used.value, same.used.low) == (1.0, None)
    alone = judge_reliability(np.array([[1.0, 2.0]]), np.zeros(1, np.intp), every=True)
    assert "too few cases" in alone.used.reason
    opposed = judge_reliability(np.array([[1.0, -1.0], [-1.0, 1.0]]), strata[:2], every=True)
    assert opposed.single.value == -1.0 and opposed.mean.value is None


def test_an_end_of_the_range_reaches_a_hundredth_of_it():
    use = score_use(np.array([0, 0.9, 1.0, 1.1, 50, 99.0, 98.9]), 0, 100)
    assert (use.floor, use.ceiling) == (3 / 7, 1 / 7)
    likert = score_use(np.array([1.0, 2, 3, 4, 5]), 1, 5)
    assert (likert.floor, likert.ceiling) == (1 / 5, 1 / 5)


@pytest.mark.parametrize(
    ("counts", "two", "crowding"),
    [
        ((40, 0, 40), True, 0.0),
        ((38, 0, 42), True, 0.05),
        ((95, 0, 5), True, 0.9),
        ((25, 0, 75), True, 0.5),
        ((52, 8, 40), True, 0.04),
        # What is between the ends could have held the half.
        ((55, 35, 10), False, 0.55),
        ((60, 40, 0), False, 0.6),
        ((100, 0, 0), False, 1.0),
    ],
)
def test_one_of_two_levels_holds_half_and_is_not_crowded_for_that(counts, two, crowding):
    use = score_use(np.repeat([0.0, 4.0, 10.0], counts), 0, 10)
    assert use.two_ends is two and use.crowding == pytest.approx(crowding)


def test_scores_stick_at_one_value_if_they_differ_by_less_than_a_hundredth_of_the_range():
    rng = np.random.default_rng(3)
    wobble = 50 + 1e-6 * rng.normal(size=200)
    use = score_use(wobble, 0, 100)
    assert (use.stuck, use.crowding) == (1.0, 0.0) and use.middle == np.median(wobble)
    spread = np.where(np.arange(200) < 30, rng.uniform(0, 100, 200), wobble)
    by_hand = np.mean(np.abs(spread - np.median(spread)) <= 1)
    assert score_use(spread, 0, 100).stuck == by_hand < 0.9
    # A coarse scale may have most of its scores at one step, and scores that are all the same
    # differ by no step.
    assert score_use(np.repeat([7.0, 8.0], [199, 1]), 0, 10).stuck == 0
    assert score_use(np.full(60, 7.0), 0, 10).stuck == 0


def test_the_step_is_the_usual_gap_not_the_smallest():
    whole = np.random.default_rng(4).integers(2, 9, size=300).astype(float)
    assert usual_step(whole) == 1.0
    assert usual_step(np.append(whole, 5.01)) == 1.0
    # A few means of two scores lie between the steps.
    assert usual_step(np.append(whole, [4.5] * 6 + [6.5] * 5)) == 1.0
    halves = np.random.default_rng(4).integers(4, 18, size=300) / 2
    assert usual_step(halves) == 0.5
    assert usual_step(np.array([3.0] * 99 + [7.0])) == 4.0
    assert usual_step(np.ones(3)) is None and usual_step(np.zeros(0)) is None


def test_a_drift_is_rounded_twice():
    rng = np.random.default_rng(5)
    truth = rng.normal(5, 2, size=(2, 200_000))
    scores = np.round(truth)
    drifts = scores[1] - scores[0]
    error = np.var(drifts - (truth[1] - truth[0])) / np.var(drifts)
    assert rounding_of(scores.ravel(), drifts).share == pytest.approx(error, rel=0.05)
    assert rounding_of(scores.ravel(), np.zeros(9)).share == 1.0
