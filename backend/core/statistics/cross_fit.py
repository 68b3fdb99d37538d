"""What a choice gains on cases that it was not made on.

A layer or a remedy that is chosen and judged on the same cases looks better than it is, and what
it is compared with looks worse, or better, by the same. So both are chosen on one half of the
groups and compared on the other, both ways, over several random halvings.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from backend.core.arrays import Bools, Floats, Integers
from backend.core.cases import Cases
from backend.core.estimate import CROSS_FITTED, Estimate
from backend.core.statistics.clustered import LEAST_GROUPS, p_over, quantile_over
from backend.core.statistics.dependent import compare_predictors, no_difference

SPLITS = 5
SEED = 20260305
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
    cases: Cases, candidates: Floats, bases: Floats, *, splits: int = SPLITS, seed: int = SEED
) -> CrossFitted:
    """How much more the best candidate predicts than the best base, each chosen on other cases.

    Of each halving of the groups, candidate and base are those with the highest r on one half,
    and their r are compared on the other (Zou's interval; the jackknife's of dependent cases), and
    the reverse. The two gains are averaged with Zou's interval of a mean of independent
    estimates: mean - sqrt(sum (value - low)^2) / 2, and likewise above (MOVER; Zou and Donner
    2008, Statistics in Medicine 27: 1693-1702). Value and ends are averaged over the halvings,
    which takes out the luck of one. Range: [-2, 2]; p is two-sided, of no gain.

    Args:
        cases: y, groups and responders; their x does not count.
        candidates: drift (or level) along each candidate, [candidates, n].
        bases: the same along what they are compared with, [bases, n].
        splits: number of random halvings.
        seed: of the halvings.

    Undefined with fewer than 20 groups, or where r is undefined in a half.
    """
    groups = cases.group_count
    chosen = np.zeros(len(candidates), np.intp)
    if groups < LEAST:
        why = f"choosing on halves needs at least {LEAST} independent cases, not {groups}"
        return CrossFitted(Estimate.undefined(len(cases), why), chosen, 0)
    rng = np.random.default_rng(seed)
    # Nothing below asks for names, and subsets are quicker without.
    nameless = dataclasses.replace(cases, scenarios=(), responders=())
    ends = []
    for _ in range(splits):
        inside = np.zeros(groups, bool)
        inside[rng.permutation(groups)[: groups // 2]] = True
        first = inside[cases.groups]
        halves = [(rows, nameless.subset(rows)) for rows in (first, ~first)]
        pair = []
        for (train, seen), (test, unseen) in (halves, halves[::-1]):
            own, base = highest(candidates[:, train], seen), highest(bases[:, train], seen)
            if own is None or base is None:
                why = "r is undefined in a half of the cases"
                return CrossFitted(Estimate.undefined(len(cases), why), chosen, 0)
            chosen[own] += 1
            against = unseen.with_x(candidates[own][test])
            pair.append(compare_predictors(against, bases[base][test]).difference)
        missing = next((found for found in pair if found.value is None), None)
        if missing is not None:
            why = missing.reason or "r is undefined in a half of the cases"
            return CrossFitted(Estimate.undefined(len(cases), why), chosen, 0)
        ends.append(_mean_of_two(*pair))
    value, low, high = (float(found) for found in np.mean(ends, axis=0))
    return CrossFitted(_estimate(value, low, high, cases), chosen, 2 * splits)


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


def _mean_of_two(first: Estimate, second: Estimate) -> tuple[float, float, float]:
    """Mean of two independent estimates with its interval; NaN ends where one has none."""
    assert first.value is not None and second.value is not None
    value = (first.value + second.value) / 2
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return value, math.nan, math.nan
    below = math.hypot(first.value - first.low, second.value - second.low) / 2
    above = math.hypot(first.high - first.value, second.high - second.value) / 2
    return value, value - below, value + above


def _estimate(value: float, low: float, high: float, cases: Cases) -> Estimate:
    n = len(cases)
    groups = cases.group_count if cases.dependent else None
    if math.isnan(low) or math.isnan(high):
        why = f"an interval needs {LEAST_GROUPS} groups in each half, and cases that vary"
        return Estimate(value, None, None, None, n, why, groups=groups)
    if low == high:
        return no_difference(cases)
    side = value - low if value > 0 else high - value
    if groups is None:
        p = float(2 * stats.norm.sf(abs(value) / side * stats.norm.ppf(0.975)))
    else:
        half = groups // 2
        p = p_over(half, value / side * quantile_over(half))
    return Estimate(value, low, high, p, n, interval_method=CROSS_FITTED, groups=groups)
