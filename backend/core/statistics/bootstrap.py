"""BCa bootstrap intervals of r over scenarios, all resamples at once.

A resample is a vector of counts, one per scenario, so every resampled r is a ratio of a few
matrix products (Pearson) or of cumulative counts along the sorted values (Spearman): no loop
over resamples. Scenarios, not responses, are drawn, as responses of one scenario are not
independent, and each is taken from its responder's mean. Source: Efron 1987, JASA 82: 171-185.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import stats

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.core.estimate import BCA_BOOTSTRAP, Estimate
from backend.core.statistics.correlation import pearson, spearman

RESAMPLES = 2000
SEED = 20260301
Kind = Literal["pearson", "spearman"]


def bootstrap_r(
    cases: Cases,
    *,
    kind: Kind = "pearson",
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
    inner = cases.within_responders()
    x, y, groups, count = inner.x, inner.y, cases.groups, cases.group_count
    whole = pearson(cases) if kind == "pearson" else spearman(cases)
    n = len(cases)
    if whole.value is None:
        return Estimate.undefined(n, whole.reason or "r is undefined")
    if count < 10:
        units = "groups" if cases.dependent else "scenarios"
        return Estimate.undefined(n, f"a bootstrap needs at least 10 {units}, not {count}")
    draws = _draws(count, resamples, seed)
    left_out = 1.0 - np.eye(count)
    weighted = _weighted_pearson if kind == "pearson" else _weighted_spearman
    resampled = weighted(x, y, draws[:, groups])
    jackknife = weighted(x, y, left_out[:, groups])
    if np.isnan(resampled).any() or np.isnan(jackknife).any() or np.ptp(resampled) == 0:
        why = "resamples are flat"
        return Estimate(whole.value, None, None, None, n, why, groups=whole.groups)
    low, high = _bca(whole.value, resampled, jackknife, level)
    return Estimate(
        value=whole.value,
        low=low,
        high=high,
        p=None,
        n=n,
        interval_method=BCA_BOOTSTRAP,
        effective=whole.effective,
        groups=whole.groups,
    )


@lru_cache(maxsize=4)
def _draws(count: int, resamples: int, seed: int) -> Floats:
    """How often each scenario is drawn, [resamples, count]; the same for every cell of a run."""
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
    draws.setflags(write=False)
    return draws


def _bca(value: float, resampled: Floats, jackknife: Floats, level: float) -> tuple[float, float]:
    below = ((resampled < value).sum() + 0.5 * (resampled == value).sum()) / len(resampled)
    below = np.clip(below, 0.5 / len(resampled), 1 - 0.5 / len(resampled))
    bias = stats.norm.ppf(below)
    deviations = jackknife.mean() - jackknife
    scale = 6.0 * np.square(deviations).sum() ** 1.5
    acceleration = float((deviations**3).sum() / scale) if scale > 0 else 0.0
    ends = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        z = bias + stats.norm.ppf(tail)
        ends.append(float(stats.norm.cdf(bias + z / (1 - acceleration * z))))
    low, high = np.quantile(resampled, ends)
    return float(low), float(high)


def _weighted_pearson(x: Floats, y: Floats, weights: Floats) -> Floats:
    """r of each row of case weights, [rows]; NaN where a side does not vary."""
    # Centring and scaling first keeps the differences of sums below exact enough.
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    total = weights.sum(axis=1)
    columns = np.stack([x, y, x * x, y * y, x * y], axis=1)
    mx, my, xx, yy, xy = (weights @ columns).T / total
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
