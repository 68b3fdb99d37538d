"""What the best layer is worth on scenarios it was not chosen on."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from backend.statistics.correlation import Floats
from backend.statistics.interval import Estimate

SPLITS = 200
SEED = 20260303


def held_out_best_layer(
    projections: Floats, y: Floats, *, splits: int = SPLITS, seed: int = SEED
) -> Estimate:
    """r of the best layer, chosen on one half of the scenarios and measured on the other.

    Halves swap roles and splits are random; Fisher's z is averaged over both halves of all
    splits. Each scenario is held out once per split, so the interval is that of two independent
    halves, z +- 1.96 sqrt((1/(n1-3) + 1/(n2-3)) / 4), and p is that of z = 0.

    Args:
        projections: [layers, n], drift (or level) of the projections.
        y: [n], drift (or level) of the scores.
        splits: number of random splits.
        seed: of the splits.

    Undefined with fewer than 10 scenarios or where half of them does not vary.
    """
    n = len(y)
    if n < 10:
        return Estimate.undefined(n, f"halves need at least 10 scenarios, not {n}")
    rng = np.random.default_rng(seed)
    half = n // 2
    zs = []
    for _ in range(splits):
        order = rng.permutation(n)
        parts = (order[:half], order[half:])
        for chosen_on, measured_on in (parts, parts[::-1]):
            train = _row_r(projections[:, chosen_on], y[chosen_on])
            if np.isnan(train).all():
                return Estimate.undefined(n, "a half of the scenarios does not vary")
            layer = int(np.nanargmax(train))
            held = _row_r(projections[layer : layer + 1, measured_on], y[measured_on])[0]
            if np.isnan(held):
                return Estimate.undefined(n, "a half of the scenarios does not vary")
            zs.append(math.atanh(max(-1 + 1e-12, min(1 - 1e-12, held))))
    z = float(np.mean(zs))
    error = math.sqrt((1 / (half - 3) + 1 / (n - half - 3)) / 4)
    width = float(stats.norm.ppf(0.975)) * error
    p = float(2 * stats.norm.sf(abs(z) / error))
    return Estimate(math.tanh(z), math.tanh(z - width), math.tanh(z + width), p, n)


def _row_r(rows: Floats, y: Floats) -> Floats:
    dx = rows - rows.mean(axis=1, keepdims=True)
    dy = y - y.mean()
    scale = np.linalg.norm(dx, axis=1) * np.linalg.norm(dy)
    flat = scale <= 1e-12 * np.maximum(np.abs(rows).max(axis=1) * max(np.abs(y).max(), 1e-300), 0)
    found: Floats = np.where(flat, np.nan, (dx @ dy) / np.where(flat, 1.0, scale))
    return found
