"""What the best of several vectors is worth on scenarios it was not chosen on."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import special

from backend.core.arrays import Bools, Floats
from backend.core.cases import Cases
from backend.core.estimate import HALVES, Estimate
from backend.core.statistics.clustered import effective_of, p_over, quantile_over

SPLITS = 200
SEED = 20260303
# Variance of a half, the whole having variance 1, below which it is rounding.
FLAT = 1e-12


def held_out_choice(
    candidates: Floats,
    cases: Cases,
    *,
    splits: int = SPLITS,
    seed: int = SEED,
) -> Estimate:
    """r of the best candidate, chosen on one half of the groups and measured on the other.

    Candidates are layers, thresholds or methods.

    Halves swap roles and splits are random; Fisher's z is averaged over both halves of all
    splits. Each scenario is held out once per split, so the interval is that of two independent
    halves, z +- 1.96 sqrt((1/(n1-3) + 1/(n2-3)) / 4), and p is that of z = 0. Of dependent cases
    n is what the candidate that is best on all of them is worth in independent ones (see
    ``clustered``), and Student's t with groups - 1 takes the place of 1.96.

    Where nothing predicts, halves choose now one candidate and now another, and a mean over several
    varies less than one of them does, so p is conservative: with six candidates at a level of 5%,
    about 2% of nulls are below it if candidates are unrelated, 3% to 4% if they correlate by 0.3 to
    0.64, and 4% to 5% from 0.9 on, as neighbouring layers do; dependent cases make no difference.
    It is left so: a smaller error would hold only as long as the choice wavers.

    Args:
        candidates: drift (or level) of the projections of each, [candidates, n].
        cases: y and groups; cases of one group stay in one half. Their x does not count.
        splits: number of random splits.
        seed: of the splits.

    Undefined with fewer than 10 groups or where half of them does not vary.
    """
    groups, n, size = cases.groups, cases.group_count, len(cases)
    y, candidates = cases.centred(cases.y), cases.centred(candidates.T).T
    if n < 10:
        units = "groups" if cases.dependent else "scenarios"
        return Estimate.undefined(size, f"halves need at least 10 {units}, not {n}")
    half = n // 2
    halves = _halves(n, splits, seed)[:, groups]
    parts = tuple(_half_r(candidates, y, chosen) for chosen in (halves, ~halves))
    zs = []
    for train, test in (parts, parts[::-1]):
        if np.isnan(train).all(axis=1).any():
            return Estimate.undefined(size, "a half of the scenarios does not vary")
        held = test[np.arange(splits), np.nanargmax(train, axis=1)]
        if np.isnan(held).any():
            return Estimate.undefined(size, "a half of the scenarios does not vary")
        zs.append(np.arctanh(np.clip(held, -1 + 1e-12, 1 - 1e-12)))
    z = float(np.mean(zs))
    worth = float(n - cases.absorbed)
    if cases.dependent:
        whole = _half_r(candidates, y, np.ones((1, len(y)), bool))[0]
        worth = effective_of(cases.with_x(candidates[int(np.nanargmax(whole))]))
    first = worth * half / n
    error = math.sqrt((1 / max(1.0, first - 3) + 1 / max(1.0, worth - first - 3)) / 4)
    if cases.dependent:
        width, p = quantile_over(n) * error, p_over(n, z / error)
    else:
        width = float(special.ndtri(0.975)) * error
        p = float(2 * special.ndtr(-abs(z) / error))
    return Estimate(
        value=math.tanh(z),
        low=math.tanh(z - width),
        high=math.tanh(z + width),
        p=p,
        n=size,
        interval_method=HALVES,
        effective=worth if worth < size else None,
        groups=n if cases.dependent else None,
    )


@lru_cache(maxsize=4)
def _halves(count: int, splits: int, seed: int) -> Bools:
    """Which groups are in the first half of each split, [splits, count]; the same for every cell
    of a run."""
    rng = np.random.default_rng(seed)
    halves = np.zeros((splits, count), bool)
    for row in halves:
        row[rng.permutation(count)[: count // 2]] = True
    halves.setflags(write=False)
    return halves


def _half_r(projections: Floats, y: Floats, halves: Bools) -> Floats:
    """r of every layer over every half, [splits, layers]; NaN where a side does not vary.

    Halves are rows of indicators, so that all of them are a few matrix products.
    """
    weights = halves / halves.sum(axis=1, keepdims=True)
    # Centring and scaling first keeps the differences of means below exact enough.
    x = _standard(projections)
    y = _standard(y[None, :])[0]
    mean_x, mean_y = weights @ x.T, (weights @ y)[:, None]
    product = weights @ (x * y).T - mean_x * mean_y
    x_square = weights @ np.square(x).T - np.square(mean_x)
    y_square = (weights @ np.square(y))[:, None] - np.square(mean_y)
    varies = (x_square > FLAT) & (y_square > FLAT)
    scale = np.sqrt(np.where(varies, x_square * y_square, 1.0))
    found: Floats = np.where(varies, np.clip(product / scale, -1.0, 1.0), np.nan)
    return found


def _standard(rows: Floats) -> Floats:
    """Rows with mean 0 and standard deviation 1; zero where a row does not vary."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    size = np.sqrt(np.square(centred).mean(axis=1, keepdims=True))
    varies = size > 1e-12 * np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    found: Floats = np.where(varies, centred / np.where(varies, size, 1.0), 0.0)
    return found
