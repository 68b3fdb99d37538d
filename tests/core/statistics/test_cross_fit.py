"""What a choice gains on other cases: against a loop by hand, and in simulated studies."""

from __future__ import annotations

import numpy as np
import pytest

from backend.core.cases import Cases
from backend.core.statistics import cross_fit
from backend.core.statistics.correlation import pearson
from backend.core.statistics.cross_fit import (
    HALVINGS,
    LEAST,
    choices_of_halves,
    cross_fitted_gain,
    highest,
)
from backend.core.statistics.dependent import compare_dependent


def drawn(rng, n, rs, per=1):
    """Predictors with given true r, whose errors are half the same; groups of dependent cases."""
    groups = np.repeat(np.arange(n // per), per)

    def values():
        own = rng.normal(size=n)
        return own if per == 1 else (own + rng.normal(size=n // per)[groups]) / np.sqrt(2)

    y, common = values(), values()
    rs = np.asarray(rs)[:, None]
    noise = np.sqrt(0.5) * common + np.sqrt(0.5) * rng.normal(size=(len(rs), n))
    return Cases(y, y, (), (), groups, np.zeros(n, np.intp)), rs * y + np.sqrt(1 - rs**2) * noise


def test_a_halving_is_that_of_a_loop_by_hand():
    cases, x = drawn(np.random.default_rng(1), 80, [0.2, 0.3, 0.5, 0.1])
    candidates, bases = x[2:], x[:2]
    found = cross_fitted_gain(cases, candidates, bases, halvings=1, seed=9)
    first = np.zeros(80, bool)
    first[np.random.default_rng(9).permutation(80)[:40]] = True
    parts = []
    for train in (first, ~first):
        test = ~train

        def best(rows, chosen=train):
            return rows[
                np.argmax([np.corrcoef(row[chosen], cases.y[chosen])[0, 1] for row in rows])
            ]

        a, b = best(candidates)[test], best(bases)[test]
        r = np.corrcoef([a, b, cases.y[test]])
        parts.append(compare_dependent(r[0, 2], r[1, 2], r[0, 1], 40))
    one, two = parts
    assert found.gain.value == pytest.approx((one.value + two.value) / 2)
    below = np.hypot(one.value - one.low, two.value - two.low) / 2
    above = np.hypot(one.high - one.value, two.high - two.value) / 2
    assert found.gain.low == pytest.approx(found.gain.value - below)
    assert found.gain.high == pytest.approx(found.gain.value + above)
    assert found.chosen.sum() == found.halves == 2


@pytest.mark.parametrize(("n", "per"), [(64, 1), (200, 1), (160, 4)])
def test_the_interval_holds_the_gain_of_what_was_chosen(n, per, monkeypatch):
    """Chosen among 8 layers of a base and 40 candidates; 95% intervals, 150 studies each."""
    layers = 0.45 * np.exp(-(((np.arange(8) - 4) / 4) ** 2))
    true = np.concatenate([layers, np.tile(layers, 5)])
    picked = []

    def kept(*given):
        picked.append(choices_of_halves(*given))
        return picked[-1]

    monkeypatch.setattr(cross_fit, "choices_of_halves", kept)
    inside, accused, errors = 0, 0, []
    rng = np.random.default_rng(n + per)
    for _ in range(150):
        cases, x = drawn(rng, n, true, per)
        gain = cross_fitted_gain(cases, x[8:], x[:8]).gain
        truth = np.mean(true[8:][picked[-1].candidate] - layers[picked[-1].base])
        inside += gain.low <= truth <= gain.high
        accused += gain.low > max(truth, 0)
        errors.append(gain.value - truth)
    assert inside / 150 > 0.91  # 95% less three binomial standard errors
    assert accused / 150 < 0.08
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(150)


@pytest.mark.parametrize("responders", [1, 3])
def test_all_halves_at_once_are_those_of_a_loop(responders):
    """r within responders of each half, choice by choice, with a row that varies in one half."""
    rng = np.random.default_rng(8)
    strata = np.repeat(np.arange(responders), 60)
    n = len(strata)
    y = rng.normal(size=n) + 3.0 * strata
    rows = 0.3 * y + rng.normal(size=(5, n)) + 5.0 * strata
    cases = Cases(y, y, (), (), np.arange(n), strata)
    first = rng.random((20, n)) < 0.5
    rows[4] = np.where(np.arange(n) == 0, 100.0, 0.0)
    found = choices_of_halves(cases, rows[1:], rows[:2], first)
    halves = [*first, *~first]

    def r(row, half):
        return pearson(cases.with_x(row).subset(half)).value

    expected = []
    for train, test in zip(halves, [*~first, *first], strict=True):
        own, base = (highest(some[:, train], cases.subset(train)) for some in (rows[1:], rows[:2]))
        expected.append((own, base, r(rows[1:][own], test) - r(rows[base], test)))
    own, base, gains = (np.array(each) for each in zip(*expected, strict=True))
    assert np.array_equal(found.candidate, own) and np.array_equal(found.base, base)
    assert found.gains == pytest.approx(gains, abs=1e-12)


def test_halves_without_r_are_left_out():
    """A candidate that varies in few cases has no r in most halves."""
    cases, x = drawn(np.random.default_rng(13), 40, [0.3, 0.5])
    rare = np.zeros((1, 40))
    rare[0, :2] = 1.0, 2.0
    first = np.zeros((3, 40), bool)
    first[0, ::2], first[1, :20], first[2, 10:30] = True, True, True
    found = choices_of_halves(cases, rare, x[:1], first)
    assert len(found.gains) == 2 and np.isfinite(found.gains).all()  # of the first halving alone
    assert len(choices_of_halves(cases, np.ones((1, 40)), x[:1], first).gains) == 0


def test_another_seed_moves_a_gain_by_less_than_a_twentieth_of_its_interval():
    cases, x = drawn(np.random.default_rng(12), 64, [0.2, 0.25, 0.3, 0.45, 0.4])
    found = [cross_fitted_gain(cases, x[2:], x[:2], seed=seed).gain for seed in range(10)]
    spread = np.std([gain.value for gain in found], ddof=1)
    assert spread < np.mean([gain.high - gain.low for gain in found]) / 20


def test_choosing_on_the_same_cases_would_find_a_gain_that_is_not_there():
    rng = np.random.default_rng(3)
    naive, fair = [], []
    for _ in range(60):
        cases, x = drawn(rng, 64, np.zeros(41))
        rs = [np.corrcoef(row, cases.y)[0, 1] for row in x]
        naive.append(max(rs[1:]) - rs[0])
        fair.append(cross_fitted_gain(cases, x[1:], x[:1]).gain.value)
    assert np.mean(naive) > 0.2 and abs(np.mean(fair)) < 0.05


def test_scale_and_order_of_cases_change_little_and_the_same_vector_gains_nothing():
    cases, x = drawn(np.random.default_rng(4), 60, [0.3, 0.5])
    found = cross_fitted_gain(cases, x[1:], x[:1]).gain
    scaled = cross_fitted_gain(cases, 9 * x[1:] + 4, x[:1] / 7).gain
    assert (scaled.value, scaled.low, scaled.p) == pytest.approx((found.value, found.low, found.p))
    same = cross_fitted_gain(cases, x[:1], x[:1]).gain
    assert (same.value, same.low, same.high, same.p) == (0.0, 0.0, 0.0, None)
    assert found.p < 0.05 and found.low > 0
    worse = cross_fitted_gain(cases, x[:1], x[1:]).gain
    assert (worse.value, worse.low, worse.high) == pytest.approx(
        (-found.value, -found.high, -found.low)
    )
    assert worse.p == pytest.approx(found.p)


def test_responders_that_differ_do_not_count_as_a_gain():
    rng = np.random.default_rng(6)
    strata = np.tile([0, 1, 2], 60)
    groups = np.repeat(np.arange(60), 3)
    y, x = rng.normal(size=180), rng.normal(size=(2, 180))
    alike = Cases(y, y, (), (), groups, strata)
    apart = alike.with_y(y + 5.0 * strata)
    expected = cross_fitted_gain(alike, x[1:], x[:1]).gain
    found = cross_fitted_gain(apart, x[1:] + 5.0 * strata, x[:1]).gain
    assert (found.value, found.low, found.p) == pytest.approx(
        (expected.value, expected.low, expected.p)
    )
    assert found.groups == 60


def test_what_cannot_be_halved_says_why():
    cases, x = drawn(np.random.default_rng(5), LEAST - 1, [0.3, 0.5])
    assert "at least 20" in cross_fitted_gain(cases, x[1:], x[:1]).gain.reason
    cases, x = drawn(np.random.default_rng(5), 40, [0.3, 0.5])
    still = cross_fitted_gain(cases, np.ones((2, 40)), x[:1])
    assert still.gain.value is None and "undefined in a half" in still.gain.reason
    assert highest(np.ones((2, 40)), cases) is None
    constant = cross_fitted_gain(cases.with_y(np.ones(40)), x[1:], x[:1]).gain
    assert constant.value is None
    perfect = cross_fitted_gain(cases, cases.y[None, :], x[:1]).gain
    assert perfect.value is None or perfect.low is None


def test_a_share_of_the_halves_is_one_of_halves_that_chose():
    cases, x = drawn(np.random.default_rng(4), 60, [0.3, 0.5, 0.45])
    found = cross_fitted_gain(cases, x[1:], x[:1])
    shares = [found.share(np.arange(2) == place) for place in range(2)]
    assert found.halves == 2 * HALVINGS == found.chosen.sum()
    assert shares == [count / found.halves for count in found.chosen] and sum(shares) == 1
    assert found.share(np.array([True, True])) == 1
    for few in (cases.with_y(np.ones(60)), cases.with_y(np.eye(60)[7])):
        flat = cross_fitted_gain(few, x[1:], x[:1])
        assert (flat.gain.value, flat.halves, flat.share(np.array([True, True]))) == (None, 0, None)
