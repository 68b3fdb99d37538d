"""What a choice gains on cases that it was not made on.

A layer or a remedy that is chosen and judged on the same cases looks better than it is, and what
it is compared with looks worse, or better, by the same. So both are chosen on one half of the
groups and compared on the other, both ways, over many random halvings.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from backend.core.arrays import ROUNDING, Bools, Floats, Integers
from backend.core.cases import Cases
from backend.core.estimate import CROSS_FITTED, Estimate
from backend.core.statistics.clustered import LEAST_GROUPS, p_over, quantile_over
from backend.core.statistics.dependent import compare_predictors, no_difference

HALVINGS = 50
# So many of them also have an interval each, which takes far longer than their r.
INTERVALS = 5
SEED = 20260305
_NO_R = "r is undefined in a half of the cases"
# Halves of fewer groups are too small to choose on.
LEAST = 20


@dataclass(frozen=True)
class CrossFitted:
    """A gain, and how often each candidate was chosen.

    Attributes:
        gain: r of the candidate minus r of the base, on the halves they were not chosen on.
        chosen: in how many halves each candidate was chosen, [candidates]; of no meaning where
            there are no halves.
        halves: number of halves in all; 0 where the gain is undefined.
    """

    gain: Estimate
    chosen: Integers
    halves: int

    def share(self, candidates: Bools) -> float | None:
        """In which share of the halves one of some candidates was chosen, [0, 1]; None where there
        are no halves.

        Args:
            candidates: which of them, [candidates].
        """
        return float(self.chosen[candidates].sum()) / self.halves if self.halves else None


def cross_fitted_gain(
    cases: Cases,
    candidates: Floats,
    bases: Floats,
    *,
    halvings: int = HALVINGS,
    seed: int = SEED,
) -> CrossFitted:
    """How much more the best candidate predicts than the best base, each chosen on other cases.

    Of each halving of the groups, candidate and base are those with the highest r on one half,
    and their r are compared on the other (Zou's interval; the jackknife's of dependent cases), and
    the reverse. The two gains are averaged with Zou's interval of a mean of independent
    estimates: mean - sqrt(sum (value - low)^2) / 2, and likewise above (MOVER; Zou and Donner
    2008, Statistics in Medicine 27: 1693-1702). The value is averaged over the halvings, which
    takes out the luck of one, and so is how far the ends lie from it, over the first halvings.
    Range: [-2, 2]; p is two-sided, of no gain.

    Args:
        cases: y, groups and responders; their x does not count.
        candidates: drift (or level) along each candidate, [candidates, n].
        bases: the same along what they are compared with, [bases, n].
        halvings: number of random halvings, at least 1.
        seed: of the halvings.

    Undefined with fewer than 20 groups, or where r is undefined in a half.
    """
    groups = cases.group_count
    chosen = np.zeros(len(candidates), np.intp)
    if groups < LEAST:
        why = f"choosing on halves needs at least {LEAST} independent cases, not {groups}"
        return CrossFitted(Estimate.undefined(len(cases), why), chosen, 0)
    rng = np.random.default_rng(seed)
    drawn = np.zeros((halvings, groups), bool)
    for row in drawn:
        row[rng.permutation(groups)[: groups // 2]] = True
    first = drawn[:, cases.groups]
    # Nothing below asks for names, and subsets are quicker without.
    nameless = dataclasses.replace(cases, scenarios=(), responders=())
    sides = []
    for half in first[:INTERVALS]:
        found = _compared(nameless, candidates, bases, half)
        if isinstance(found, str):
            return CrossFitted(Estimate.undefined(len(cases), found), chosen, 0)
        sides.append(found)
    below, above = (float(side) for side in np.mean(sides, axis=0))
    choices = choices_of_halves(cases, candidates, bases, first)
    if not len(choices.gains):
        return CrossFitted(Estimate.undefined(len(cases), _NO_R), chosen, 0)
    np.add.at(chosen, choices.candidate, 1)
    value = float(choices.gains.mean())
    if below == above == 0.0:
        return CrossFitted(no_difference(cases), chosen, len(choices.gains))
    gain = _estimate(value, value - below, value + above, cases)
    return CrossFitted(gain, chosen, len(choices.gains))


@dataclass(frozen=True, eq=False)
class Choices:
    """What was chosen on each half, and what it gains on the other.

    Attributes:
        candidate: row of the chosen candidate, [halves].
        base: row of the chosen base, [halves].
        gains: r of the one minus r of the other on the half they were not chosen on, [halves].
    """

    candidate: Integers
    base: Integers
    gains: Floats


def choices_of_halves(cases: Cases, candidates: Floats, bases: Floats, first: Bools) -> Choices:
    """Choose on each half and compare on the other, all halves at once.

    Args:
        cases: y and responders.
        candidates: [candidates, n].
        bases: [bases, n].
        first: which cases are in the first half of each halving, [halvings, n].

    Returns:
        First halves, then second ones; those in which a choice has no r, on either half, are
        left out.
    """
    halves = np.concatenate([first, ~first]).astype(np.float64)
    own, base = (_correlations(halves, rows, cases) for rows in (candidates, bases))
    rows = np.arange(len(halves))
    other = np.roll(rows, len(first))
    best, against = own.argmax(axis=1), base.argmax(axis=1)
    seen = np.array([own[rows, best], base[rows, against]])
    unseen = np.array([own[other, best], base[other, against]])
    usable = np.isfinite([*seen, *unseen]).all(axis=0)
    gained, lost = unseen[:, usable]
    return Choices(best[usable], against[usable], gained - lost)


def _correlations(halves: Floats, rows: Floats, cases: Cases) -> Floats:
    """r of rows with y within responders on each half, [halves, rows]; -inf where none varies.

    Args:
        halves: 1 for the cases in it, [halves, n].
        rows: [rows, n].
        cases: y and responders.
    """
    x, y = cases.centred(rows.T).T, cases.centred(cases.y)
    # Near zero, sums of squares less squares of sums are exact enough.
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean()
    square, product, total = halves @ np.square(x).T, halves @ (x * y).T, halves @ np.square(y)
    size, whole = square.copy(), total.copy()
    for stratum in range(cases.stratum_count):
        own = cases.strata == stratum
        part = halves[:, own]
        # A responder with no case in the half has no mean and takes nothing off.
        count = np.maximum(part.sum(axis=1), 1.0)
        sum_x, sum_y = part @ x[:, own].T, part @ y[own]
        square -= np.square(sum_x) / count[:, None]
        product -= sum_x * (sum_y / count)[:, None]
        total -= np.square(sum_y) / count
    varies = (square > ROUNDING * size) & (total > ROUNDING * whole)[:, None]
    scale = np.sqrt(np.where(varies, square * total[:, None], 1.0))
    found: Floats = np.where(varies, np.clip(product / scale, -1.0, 1.0), -np.inf)
    return found


def _compared(
    cases: Cases, candidates: Floats, bases: Floats, first: Bools
) -> tuple[float, float] | str:
    """How far the ends of the interval of one halving lie from its gain, below and above; NaN
    where there is none. Or why the gain is undefined."""
    halves = [(rows, cases.subset(rows)) for rows in (first, ~first)]
    pair = []
    for (train, seen), (test, unseen) in (halves, halves[::-1]):
        own, base = highest(candidates[:, train], seen), highest(bases[:, train], seen)
        if own is None or base is None:
            return _NO_R
        against = unseen.with_x(candidates[own][test])
        pair.append(compare_predictors(against, bases[base][test]).difference)
    for found in pair:
        if found.value is None:
            return found.reason or _NO_R
    return _sides_of_mean(*pair)


def highest(rows: Floats, cases: Cases) -> int | None:
    """Which row has the highest r with y within responders; None where none varies.

    Args:
        rows: [candidates, n].
        cases: y and responders.
    """
    if len(rows) == 1 and np.ptp(rows) > 0:
        return 0
    x, y = cases.centred(rows.T).T, cases.centred(cases.y)
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean()
    sizes = np.linalg.norm(x, axis=1)
    varies = sizes > 1e-12 * np.abs(rows).max(axis=1, initial=0.0)
    if not varies.any():
        return None
    r = np.where(varies, x @ y / np.where(varies, sizes, 1.0), -np.inf)
    return int(r.argmax())


def _sides_of_mean(first: Estimate, second: Estimate) -> tuple[float, float]:
    """How far the ends of the mean of two independent estimates lie from it; NaN without ends."""
    assert first.value is not None and second.value is not None
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return math.nan, math.nan
    below = math.hypot(first.value - first.low, second.value - second.low) / 2
    above = math.hypot(first.high - first.value, second.high - second.value) / 2
    return below, above


def _estimate(value: float, low: float, high: float, cases: Cases) -> Estimate:
    n = len(cases)
    groups = cases.group_count if cases.dependent else None
    if math.isnan(low) or math.isnan(high):
        why = f"an interval needs {LEAST_GROUPS} groups in each half, and cases that vary"
        return Estimate(value, None, None, None, n, why, groups=groups)
    side = value - low if value > 0 else high - value
    if groups is None:
        p = float(2 * special.ndtr(-abs(value) / side * special.ndtri(0.975)))
    else:
        half = groups // 2
        p = p_over(half, value / side * quantile_over(half))
    return Estimate(value, low, high, p, n, interval_method=CROSS_FITTED, groups=groups)
