"""BCa bootstrap intervals of r over scenarios, all resamples at once.

A resample is a vector of counts, one per scenario, so every resampled r is a ratio of a few
matrix products (Pearson) or of cumulative counts along the sorted values (Spearman): no loop
over resamples. Scenarios, not responses, are drawn, as responses of one scenario are not
independent, and each is taken from its responder's mean. Source: Efron 1987, JASA 82: 171-185.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from backend.core.arrays import Floats, Integers, parts
from backend.core.cases import Cases
from backend.core.estimate import BCA_BOOTSTRAP, Estimate
from backend.core.statistics.correlation import pearson, same_behaviour, spearman

RESAMPLES = 2000
SEED = 20260301
Coefficient = Literal["pearson", "spearman"]


def bootstrap_r(
    cases: Cases,
    *,
    kind: Coefficient = "pearson",
    resamples: int = RESAMPLES,
    seed: int = SEED,
    level: float = 0.95,
) -> Estimate:
    """r with its bias-corrected and accelerated bootstrap interval.

    Args:
        cases: x and y; whole groups are drawn.
        kind: pearson or spearman.
        resamples: number of bootstrap samples.
        seed: of the resampling.
        level: coverage.

    Undefined with fewer than 10 scenarios, where resampling cannot show the spread, where r is
    undefined, or where resamples leave r undefined or do not vary. Range of value, low and high:
    [-1, 1].
    """
    if kind == "pearson":
        return bootstrap_rs([cases], resamples=resamples, seed=seed, level=level)[0]
    whole = spearman(cases)
    refused = _refused(cases, whole)
    if refused is not None:
        return refused
    inner, count = cases.within_responders(), cases.group_count
    draws = _draws(count, resamples, seed)
    left_out = 1.0 - np.eye(count)
    resampled = _weighted_spearman(inner.x, inner.y, draws[:, cases.groups].astype(np.float64))
    jackknife = _weighted_spearman(inner.x, inner.y, left_out[:, cases.groups])
    return _intervals([whole], resampled[:, None], jackknife[:, None], level)[0]


def bootstrap_rs(
    predictors: Sequence[Cases],
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    level: float = 0.95,
) -> list[Estimate]:
    """:func:`bootstrap_r` of several predictors of the same behaviour, resampled together.

    Args:
        predictors: cases that differ in x alone.
        resamples: number of bootstrap samples.
        seed: of the resampling.
        level: coverage.

    Raises:
        ValueError: the cases are not the same.
    """
    if predictors:
        same_behaviour(predictors)
    wholes = [pearson(cases) for cases in predictors]
    found = [_refused(cases, whole) for cases, whole in zip(predictors, wholes, strict=True)]
    left = [number for number, refused in enumerate(found) if refused is None]
    if left:
        inner = [predictors[number].within_responders() for number in left]
        x = np.stack([cases.x for cases in inner], axis=1)
        groups, count = inner[0].groups, inner[0].group_count
        resampled, jackknife = _resampled_pearson(x, inner[0].y, groups, count, resamples, seed)
        estimates = _intervals([wholes[number] for number in left], resampled, jackknife, level)
        for number, estimate in zip(left, estimates, strict=True):
            found[number] = estimate
    return [estimate for estimate in found if estimate is not None]


def _refused(cases: Cases, whole: Estimate) -> Estimate | None:
    """Why there is no bootstrap; None where there is one."""
    count, n = cases.group_count, len(cases)
    if whole.value is None:
        return Estimate.undefined(n, whole.reason or "r is undefined")
    if count < 10:
        units = "groups" if cases.dependent else "scenarios"
        return Estimate.undefined(n, f"a bootstrap needs at least 10 {units}, not {count}")
    return None


def _intervals(
    wholes: Sequence[Estimate], resampled: Floats, jackknife: Floats, level: float
) -> list[Estimate]:
    """The intervals of several predictors.

    Args:
        wholes: each with its r.
        resampled: r of every resample, [resamples, predictors].
        jackknife: r without each group, [groups, predictors].
        level: coverage.
    """
    values = np.array([whole.value for whole in wholes], np.float64)
    unknown = np.isnan(resampled).any(axis=0) | np.isnan(jackknife).any(axis=0)
    flat = unknown | (np.ptp(resampled, axis=0) == 0)
    lows, highs = np.zeros((2, len(wholes)))
    some = ~flat
    if some.any():
        lows[some], highs[some] = _bca(values[some], resampled[:, some], jackknife[:, some], level)
    return [
        Estimate(whole.value, None, None, None, whole.n, "resamples are flat", groups=whole.groups)
        if undefined
        else Estimate(
            value=whole.value,
            low=float(low),
            high=float(high),
            p=None,
            n=whole.n,
            interval_method=BCA_BOOTSTRAP,
            effective=whole.effective,
            groups=whole.groups,
        )
        for whole, undefined, low, high in zip(wholes, flat, lows, highs, strict=True)
    ]


@lru_cache(maxsize=4)
def _draws(count: int, resamples: int, seed: int) -> NDArray[np.int16]:
    """How often each scenario is drawn, [resamples, count]; the same for every cell of a run."""
    rng = np.random.default_rng(seed)
    draws = np.empty((resamples, count), np.int16)
    for part in parts(resamples, count):
        size = len(draws[part])
        draws[part] = rng.multinomial(count, np.full(count, 1 / count), size=size)
    draws.setflags(write=False)
    return draws


def _bca(
    values: Floats, resampled: Floats, jackknife: Floats, level: float
) -> tuple[Floats, Floats]:
    """Ends of the interval of each column, [k] each.

    Args:
        values: r of all cases, [k].
        resampled: [resamples, k].
        jackknife: [groups, k].
        level: coverage.
    """
    count = len(resampled)
    below = ((resampled < values).sum(axis=0) + 0.5 * (resampled == values).sum(axis=0)) / count
    bias = ndtri(np.clip(below, 0.5 / count, 1 - 0.5 / count))
    deviations = jackknife.mean(axis=0) - jackknife
    scale = 6.0 * np.square(deviations).sum(axis=0) ** 1.5
    skewed = scale > 0
    cubes = (deviations**3).sum(axis=0)
    acceleration = np.where(skewed, cubes / np.where(skewed, scale, 1.0), 0.0)
    ordered = np.sort(resampled, axis=0)
    ends = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        z = bias + ndtri(tail)
        # The quantile of each column's own share, linear between order statistics.
        place = ndtr(bias + z / (1 - acceleration * z)) * (count - 1)
        lower = np.floor(place).astype(np.intp)
        upper, columns = np.minimum(lower + 1, count - 1), np.arange(len(values))
        low = ordered[lower, columns]
        ends.append(low + (place - lower) * (ordered[upper, columns] - low))
    return ends[0], ends[1]


def _resampled_pearson(
    x: Floats, y: Floats, groups: Integers, count: int, resamples: int, seed: int
) -> tuple[Floats, Floats]:
    """r of every resample, [resamples, k], and without each group, [count, k].

    A group is drawn whole, so sums over its cases are all that is needed of it.

    Args:
        x: [n, k].
        y: [n].
        groups: [n].
        count: of the groups.
        resamples: number of bootstrap samples.
        seed: of the resampling.
    """
    # Centring and scaling first keeps the differences of sums below exact enough.
    x, y = (x - x.mean(axis=0)) / x.std(axis=0), (y - y.mean()) / y.std()
    columns = np.column_stack([np.ones(len(y)), y, y * y, x, x * x, x * y[:, None]])
    sums = np.zeros((count, columns.shape[1]))
    np.add.at(sums, groups, columns)
    draws = _draws(count, resamples, seed)
    drawn = [draws[part].astype(np.float64) @ sums for part in parts(resamples, count)]
    return _pearson_of_sums(np.concatenate(drawn)), _pearson_of_sums(sums.sum(axis=0) - sums)


def _pearson_of_sums(sums: Floats) -> Floats:
    """r from sums of 1, y, y^2, x, x^2 and xy, [rows, k]; NaN where a side does not vary."""
    means = sums[:, 1:] / sums[:, :1]
    my, yy = means[:, :1], means[:, 1:2]
    mx, xx, xy = np.split(means[:, 2:], 3, axis=1)
    return _ratio(xy - mx * my, xx - mx * mx, yy - my * my)


def _weighted_spearman(x: Floats, y: Floats, weights: Floats) -> Floats:
    """rho of each row of case weights: weighted midranks, then weighted r."""
    rx, ry = _weighted_ranks(x, weights), _weighted_ranks(y, weights)
    total = weights.sum(axis=1, keepdims=True)
    rx = rx - (weights * rx).sum(axis=1, keepdims=True) / total
    ry = ry - (weights * ry).sum(axis=1, keepdims=True) / total
    scale = np.square(total[:, 0])
    return _ratio(
        (weights * rx * ry).sum(axis=1) / scale,
        (weights * rx * rx).sum(axis=1) / scale,
        (weights * ry * ry).sum(axis=1) / scale,
    )


def _weighted_ranks(values: Floats, weights: Floats) -> Floats:
    """Midrank of each value in each resample: ties, and copies of one case, share their mean."""
    _, level = np.unique(values, return_inverse=True)
    levels = int(level.max()) + 1
    indicator = np.zeros((len(values), levels))
    indicator[np.arange(len(values)), level] = 1.0
    counts = weights @ indicator
    upper = np.cumsum(counts, axis=1)
    ranks: Floats = (upper - 0.5 * (counts - 1))[:, level]
    return ranks


def _ratio(product: Floats, x_square: Floats, y_square: Floats) -> Floats:
    defined = (x_square > 1e-24) & (y_square > 1e-24)
    scale = np.sqrt(np.where(defined, x_square * y_square, 1.0))
    found: Floats = np.where(defined, np.clip(product / scale, -1.0, 1.0), np.nan)
    return found
