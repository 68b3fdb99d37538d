"""r over turns against pingouin, statsmodels, direct float64 and planted truths."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats
from statsmodels.formula.api import ols

from backend.core.cases import Cases
from backend.core.statistics import conversations
from backend.core.statistics.conversations import (
    TurnCases,
    conversation_means,
    numbered,
    over_turns,
    within_conversations,
)
from backend.core.statistics.correlation import pearson
from backend.core.statistics.describe import mean


def turn_cases(x, y, conversations, turns, groups=None, responders=()):
    groups = [f"g{c:04d}" for c in conversations] if groups is None else groups
    names = [f"s{c:04d}" for c in conversations]
    cases = Cases.of_study(np.asarray(x), np.asarray(y), names, responders, groups)
    return TurnCases(cases, np.asarray(conversations), np.asarray(turns))


def drawn(seed, conversations=40, turns=5, within=0.6, between=-0.5, trend=0.0, missing=0.0):
    """Conversations whose means correlate otherwise than what happens within them."""
    rng = np.random.default_rng(seed)

    def pairs(r, shape):
        a, b = rng.normal(size=(2, *shape))
        return a, r * a + np.sqrt(1 - r * r) * b

    mx, my = pairs(between, (conversations, 1))
    dx, dy = pairs(within, (conversations, turns))
    ramp = trend * np.arange(turns)
    x, y = 3 * mx + dx + ramp, 3 * my + dy + ramp
    kept = rng.random((conversations, turns)) >= missing
    kept[:, :2] = True
    who, when = np.nonzero(kept)
    return turn_cases(x[kept], y[kept], who, when)


def frame_of(found):
    return pd.DataFrame(
        {
            "x": found.cases.x,
            "y": found.cases.y,
            "c": found.conversations.astype(str),
            "t": found.turns.astype(str),
        }
    )


# pingouin renames a pandas table in a way that pandas is about to drop.
@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize(("seed", "missing"), [(1, 0.0), (2, 0.4)])
def test_within_is_pingouins_repeated_measures_correlation(seed, missing):
    found = drawn(seed, missing=missing)
    known = pingouin.rm_corr(frame_of(found), "x", "y", "c").iloc[0]
    own = within_conversations(found)
    assert own.value == pytest.approx(known["r"], abs=1e-12)
    assert own.n == len(found.cases) and own.groups == 40
    # Where turns are independent once the means are out, both intervals mean the same.
    low, high = known["CI95"]
    assert own.low == pytest.approx(low, abs=0.08) and own.high == pytest.approx(high, abs=0.08)
    # As many independent cases as leave rm_corr's degrees of freedom, at most.
    assert own.effective <= known["dof"] + 2


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_given_turn_is_a_partial_correlation_on_conversations_and_turns(missing):
    found = drawn(4, trend=2.0, missing=missing)
    frame = frame_of(found)
    x, y = (ols(f"{side} ~ C(c) + C(t)", frame).fit().resid for side in "xy")
    own = over_turns(found)
    assert own.given_turn.value == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-10)
    # All conversations rise: r within them is high, whatever the vector reads.
    assert own.within.value > 0.9 and own.given_turn.value == pytest.approx(0.6, abs=0.12)


def test_planted_truths_come_back_and_the_mixture_hides_them():
    found = over_turns(drawn(5, conversations=400, within=0.6, between=-0.5))
    assert found.within.value == pytest.approx(0.6, abs=0.05)
    assert found.within.low < 0.6 < found.within.high
    assert found.between.value == pytest.approx(-0.5, abs=0.1)
    assert found.between.low < -0.5 < found.between.high
    assert found.every.value < 0 < found.within.value


def test_between_and_every_are_pearsons():
    found = drawn(6, missing=0.3)
    frame = frame_of(found)
    means = frame.groupby("c")[["x", "y"]].mean()
    own = over_turns(found)
    assert own.between.value == pytest.approx(stats.pearsonr(means.x, means.y)[0], abs=1e-12)
    interval = stats.pearsonr(means.x, means.y).confidence_interval()
    assert (own.between.low, own.between.high) == pytest.approx(tuple(interval), abs=1e-9)
    assert own.every.value == pytest.approx(stats.pearsonr(frame.x, frame.y)[0], abs=1e-12)
    assert own.every.groups == 40 and own.every.n == len(frame)


def test_the_interval_within_is_the_jackknife_over_groups_done_by_hand():
    """Two conversations a group, and turns that go together: neither may be counted as more."""
    found = drawn(7, conversations=24)
    groups = found.conversations // 2
    found = turn_cases(
        found.cases.x, found.cases.y, found.conversations, found.turns, [f"{g:03d}" for g in groups]
    )
    frame = frame_of(found)
    z = []
    for left in range(12):
        part = frame[groups != left]
        inner = part[["x", "y"]] - part.groupby("c")[["x", "y"]].transform("mean")
        z.append(np.arctanh(stats.pearsonr(inner.x, inner.y)[0]))
    error = np.sqrt(11 / 12 * np.square(z - np.mean(z)).sum())
    own = within_conversations(found)
    half = stats.t.ppf(0.975, 11) * error
    centre = np.arctanh(own.value)
    assert (own.low, own.high) == pytest.approx(np.tanh([centre - half, centre + half]), abs=1e-9)
    assert own.p == pytest.approx(2 * stats.t.sf(abs(centre) / error, 11), rel=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.5])
def test_without_each_group_the_means_of_the_turns_are_fitted_anew(missing):
    """By hand: dummies of conversations and turns, fitted to what is left by least squares."""
    found = drawn(17, conversations=16, turns=6, trend=1.0, missing=missing)
    groups = found.conversations // 2
    # The last turn is of one group only: without it there is no such turn.
    turns = np.where((found.turns == 5) & (groups > 0), 4, found.turns)
    names = [f"{g:03d}" for g in groups]
    found = turn_cases(found.cases.x, found.cases.y, found.conversations, turns, names)
    columns = np.column_stack([found.cases.x, found.cases.y])
    design = np.hstack(
        [found.conversations[:, None] == np.arange(16), turns[:, None] == np.arange(6)]
    ).astype(float)

    def z_of(kept):
        fit = np.linalg.lstsq(design[kept], columns[kept], rcond=None)[0]
        rest = columns[kept] - design[kept] @ fit
        return np.arctanh(np.corrcoef(rest.T)[0, 1])

    z = [z_of(groups != left) for left in range(8)]
    half = stats.t.ppf(0.975, 7) * np.sqrt(7 / 8 * np.square(z - np.mean(z)).sum())
    centre = z_of(groups >= 0)
    own = within_conversations(found, given_turn=True)
    assert (own.low, own.high) == pytest.approx(np.tanh([centre - half, centre + half]), abs=1e-9)
    assert own.interval_method == "Fisher z, jackknife over groups"


def test_where_fitting_anew_would_take_too_long_the_interval_says_so(monkeypatch):
    found = drawn(18, conversations=12, turns=4)
    anew = within_conversations(found, given_turn=True)
    monkeypatch.setattr(conversations, "MOST_REFITS", 0)
    known = within_conversations(found, given_turn=True)
    assert known.value == anew.value and known.low != anew.low
    assert "taken as known" in known.interval_method


def test_copied_turns_make_nothing_surer():
    """The same turn ten times is one turn: the interval over conversations stays as wide."""
    once = drawn(8, conversations=30, turns=2)
    often = np.repeat(np.arange(len(once.cases)), 10)
    ten = TurnCases(once.cases.subset(often), once.conversations[often], once.turns[often])
    one, many = within_conversations(once), within_conversations(ten)
    assert many.value == pytest.approx(one.value, abs=1e-12)
    assert (many.low, many.high) == pytest.approx((one.low, one.high), abs=1e-9)


def test_coverage_within_conversations():
    """95% intervals hold the planted r in about 95% of draws."""
    held = 0
    for seed in range(120):
        own = within_conversations(drawn(1000 + seed, conversations=25, turns=4, within=0.4))
        held += own.low <= 0.4 <= own.high
    assert 106 <= held <= 119


def test_with_two_turns_within_is_r_of_drifts_through_zero():
    """Half the drift up, half down: r within two turns is that of drifts about zero."""
    found = drawn(9, turns=2)
    x, y = (v.reshape(-1, 2) for v in (found.cases.x, found.cases.y))
    dx, dy = x[:, 1] - x[:, 0], y[:, 1] - y[:, 0]
    assert within_conversations(found).value == pytest.approx(
        dx @ dy / np.sqrt((dx @ dx) * (dy @ dy)), abs=1e-12
    )
    # With the mean of the turns out it is the r of drifts itself.
    assert within_conversations(found, given_turn=True).value == pytest.approx(
        stats.pearsonr(dx, dy)[0], abs=1e-10
    )


def test_what_is_undefined_says_why():
    alone = turn_cases([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 5.0], [0, 1, 2, 3], [0, 0, 0, 0])
    assert "conversations of several, and there are 0" in within_conversations(alone).reason
    x = np.repeat(np.random.default_rng(0).normal(size=8) + 1e3, 3)
    still = turn_cases(x, np.arange(24.0) ** 1.5, np.repeat(range(8), 3), np.tile(range(3), 8))
    assert "projections do not vary within any conversation" in within_conversations(still).reason
    level = dataclasses.replace(still, cases=still.cases.with_x(still.cases.y).with_y(x))
    assert "scores do not vary within any conversation" in within_conversations(level).reason
    ramp = np.tile(np.arange(3.0), 8) + x
    moved = dataclasses.replace(still, cases=still.cases.with_x(ramp))
    assert within_conversations(moved).value is not None
    assert "turn by turn" in within_conversations(moved, given_turn=True).reason
    few = drawn(1, conversations=3)
    assert within_conversations(few).low is None and "4 groups" in within_conversations(few).reason


def test_conversations_of_one_turn_are_in_the_means_only():
    found = drawn(2, conversations=12, turns=3)
    more = turn_cases(
        np.append(found.cases.x, 50.0),
        np.append(found.cases.y, -50.0),
        np.append(found.conversations, 12),
        np.append(found.turns, 0),
    )
    assert within_conversations(more).value == pytest.approx(within_conversations(found).value)
    assert within_conversations(more).n == 36
    assert len(conversation_means(more)) == 13


def test_responders_that_differ_make_no_r_between():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 60, 2))
    who = np.repeat(["a", "b"], 60)
    apart = np.where(who == "a", 0.0, 40.0)
    found = turn_cases(
        x.reshape(-1) + apart, y.reshape(-1) + apart, np.arange(120) // 2, np.arange(120) % 2,
        responders=list(who),
    )  # fmt: skip
    own = over_turns(found)
    assert pearson(conversation_means(found).pooled()).value > 0.95
    assert abs(own.between.value) < 0.4 and abs(own.every.value) < 0.4


def test_numbers_of_conversations():
    places = [("s2", "a"), ("s1", "a"), ("s2", "b"), ("s1", "a")]
    assert numbered(places).tolist() == [0, 1, 2, 1]
    assert numbered([]).tolist() == []


def test_mean_is_students_of_independent_values():
    values = np.random.default_rng(1).normal(3, 2, size=15)
    own = mean(values, np.arange(15))
    known = stats.ttest_1samp(values, 0).confidence_interval()
    assert (own.low, own.high) == pytest.approx(tuple(known), abs=1e-12)
    assert own.value == pytest.approx(values.mean()) and own.groups is None
    assert own.interval_method == "Student t"


def test_mean_of_dependent_values_is_over_their_groups():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(9), 4)
    values = rng.normal(size=9)[groups]
    own = mean(values, groups)
    known = stats.ttest_1samp(values[::4], 0).confidence_interval()
    assert (own.low, own.high) == pytest.approx(tuple(known), abs=1e-12)
    uneven = np.append(values, [5.0, 6.0])
    places = np.append(groups, [0, 1])
    left = [uneven[places != g].mean() for g in range(9)]
    error = np.sqrt(8 / 9 * np.square(left - np.mean(left)).sum())
    found = mean(uneven, places)
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 8) * error, abs=1e-12)
    assert found.groups == 9 and found.interval_method == "jackknife over groups"


def test_mean_without_an_interval_says_why():
    assert mean(np.zeros(0), np.zeros(0, int)).reason == "there are no values"
    assert "at least 2" in mean(np.ones(1), np.zeros(1, int)).reason
    assert "4 groups" in mean(np.arange(6.0), np.repeat([0, 1], 3)).reason
