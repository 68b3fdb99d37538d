"""Dose-response: changes, slopes and bands against direct computation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend.core.dose import Band, Dose, band_of, changes, lost_from, steerability
from backend.core.estimate import Estimate

STRENGTHS = np.array([-2.0, -1.0, 0.0, 0.5, 2.0])


def planted(items=12, directions=6, slope=0.7, noise=0.3, seed=0, groups=None):
    rng = np.random.default_rng(seed)
    own = slope + rng.normal(0, noise, items)
    values = rng.normal(3, 1, items)[:, None] + own[:, None] * STRENGTHS
    values += rng.normal(0, 0.1, values.shape)
    controls = 3 + rng.normal(0, 0.1, (directions, items, len(STRENGTHS)))
    return Dose(STRENGTHS, values, np.arange(items) if groups is None else groups, controls)


def test_a_change_is_the_paired_mean_with_students_interval():
    dose = planted()
    for place, change in enumerate(changes(dose)):
        own = dose.values[:, place] - dose.values[:, 2]
        assert change.strength == STRENGTHS[place]
        assert change.change.value == pytest.approx(own.mean(), abs=1e-12)
        if place == 2:
            assert change.change.low == change.change.high == 0.0
            continue
        low, high = stats.ttest_1samp(own, 0).confidence_interval()
        assert change.change.low == pytest.approx(low, abs=1e-12)
        assert change.change.high == pytest.approx(high, abs=1e-12)


def test_a_band_is_where_one_more_random_direction_would_lie():
    means = [0.3, -0.1, 0.2, 0.05, -0.2]
    band = band_of(means)
    half = stats.t.ppf(0.975, 4) * np.std(means, ddof=1) * np.sqrt(1 + 1 / 5)
    assert band.middle == pytest.approx(np.mean(means))
    assert (band.low, band.high) == pytest.approx((0.05 - half, 0.05 + half))
    # By simulation: of many draws of five and one more, it holds the one in 95 of 100.
    drawn = np.random.default_rng(1).normal(2, 3, (2000, 6))
    held = [
        one.low <= row[5] <= one.high
        for row in drawn
        if (one := band_of(list(row[:5]))).low is not None
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)
    assert band_of([]) == Band(None, None, None, 0, "no random direction was tried")
    few = band_of([1.0, 2.0])
    assert few.middle == 1.5 and few.low is None and "at least 4 random directions" in few.reason


def test_slopes_are_least_squares_and_scale_with_the_measure():
    dose = planted()
    dose.values[1, 3] = np.nan
    dose.values[2, 1:] = np.nan
    found = steerability(dose)
    for item, slope in enumerate(found.slopes):
        there = np.isfinite(dose.values[item])
        if there.sum() < 2:
            assert slope is None
            continue
        expected = stats.linregress(STRENGTHS[there], dose.values[item, there]).slope
        assert slope == pytest.approx(expected, abs=1e-12)
    known = [slope for slope in found.slopes if slope is not None]
    assert len(known) == 11 and found.slope.n == 11
    low, high = stats.ttest_1samp(known, 0).confidence_interval()
    assert (found.slope.value, found.slope.low, found.slope.high) == pytest.approx(
        (np.mean(known), low, high)
    )
    ten = steerability(Dose(STRENGTHS, 10 * dose.values, dose.groups, 10 * dose.controls))
    assert ten.slope.value == pytest.approx(10 * found.slope.value)
    assert ten.band.high == pytest.approx(10 * found.band.high)
    per_half = steerability(Dose(STRENGTHS / 2, dose.values, dose.groups, dose.controls))
    assert per_half.slope.value == pytest.approx(2 * found.slope.value)


def test_items_that_move_the_wrong_way_are_counted():
    dose = planted(items=10, slope=0.0, noise=1.0, seed=3)
    found = steerability(dose)
    backwards = sum(slope < 0 for slope in found.slopes)
    assert 0 < backwards < 10
    interval = stats.binomtest(backwards, 10).proportion_ci(method="wilson")
    assert found.wrong_way == Estimate(
        backwards / 10, interval.low, interval.high, None, 10, None, "Wilson"
    )


def test_rounding_moves_no_item():
    still = Dose(
        STRENGTHS,
        3.0 + np.random.default_rng(0).normal(0, 1e-8, (8, 5)),
        np.arange(8),
        np.zeros((0, 8, 5)),
    )
    found = steerability(still)
    assert set(found.slopes) == {0.0} and found.wrong_way.value == 0.0 and found.slope.value == 0.0


def test_dependent_items_widen_the_interval():
    dose = planted(items=12)
    doubled = Dose(
        STRENGTHS,
        np.concatenate([dose.values] * 2),
        np.tile(np.arange(12), 2),
        np.concatenate([dose.controls] * 2, axis=1),
    )
    once, twice = steerability(dose).slope, steerability(doubled).slope
    assert twice.value == pytest.approx(once.value)
    assert twice.high == pytest.approx(once.high) and twice.groups == 12


def test_a_vector_steers_when_it_does_more_than_a_random_direction():
    assert steerability(planted(slope=0.7)).steers is True
    assert steerability(planted(slope=-0.7)).steers is False
    assert steerability(planted(slope=0.0, noise=0.0)).steers in (False, None)
    assert steerability(planted(slope=0.2, noise=1.0)).steers is None
    assert steerability(planted(directions=2)).steers is None
    # As large a push by any direction: the vector is nothing special.
    dose = planted(slope=0.7, noise=0.01)
    rng = np.random.default_rng(5)
    pushes = rng.normal(0, 1.0, 6)[:, None, None] * STRENGTHS + np.zeros((6, 12, 1))
    assert steerability(Dose(STRENGTHS, dose.values, dose.groups, pushes)).steers is False


def test_coherence_is_lost_from_the_first_strength_beyond_which_it_stays_lost():
    rng = np.random.default_rng(2)
    curve = np.array([1.5, 0.2, 0.0, 0.1, 2.0])
    values = 3 + curve + rng.normal(0, 0.05, (15, 5))
    dose = Dose(STRENGTHS, values, np.arange(15), np.zeros((0, 15, 5)))
    assert lost_from(dose, 1.0, 1) == 2.0 and lost_from(dose, 1.0, -1) == -2.0
    assert lost_from(dose, 0.05, -1) == -1.0 and lost_from(dose, 3.0, 1) is None
    fallen = Dose(STRENGTHS, -values, dose.groups, dose.controls)
    assert lost_from(fallen, -1.0, 1) == 2.0 and lost_from(fallen, -3.0, 1) is None


def test_shapes_and_strengths_are_checked():
    with pytest.raises(ValueError, match="do not fit"):
        Dose(STRENGTHS, np.zeros((3, 4)), np.arange(3), np.zeros((0, 3, 5)))
    with pytest.raises(ValueError, match="hold 0"):
        Dose(STRENGTHS + 0.1, np.zeros((3, 5)), np.arange(3), np.zeros((0, 3, 5)))
