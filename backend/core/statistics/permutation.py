"""Permutation p of r, and of the best of several layers.

p = (b + 1) / (m + 1) with b of m permutations at least as extreme, so it is never zero and is
valid at any m. Source: Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9: 39.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.core.cases import Cases

PERMUTATIONS = 4999
SEED = 20260302


@dataclass(frozen=True)
class BestLayer:
    """The best of several layers, allowing for the choice.

    Attributes:
        index: which layer has the highest r; None if r is undefined at every layer.
        r: that r, inflated by the choice.
        p: permutation p of a maximum this high; one-sided, as the best is the highest.
        null_95: what the maximum reaches in 5% of permutations, when nothing is there.
        reason: why it is undefined.
    """

    index: int | None
    r: float | None
    p: float | None
    null_95: float | None
    reason: str | None = None


def best_layer(
    projections: Floats, cases: Cases, *, permutations: int = PERMUTATIONS, seed: int = SEED
) -> BestLayer:
    """The layer with the highest r and the permutation p of the maximum over layers.

    The scores are permuted against the scenarios, the same way for all layers, so that the
    layers' dependence is kept. Source: Westfall and Young 1993 (maximum statistic).

    Args:
        projections: [layers, n].
        cases: y; their x does not count.
    """
    y = cases.y
    if projections.shape[1] < 4:
        return BestLayer(None, None, None, None, "fewer than 4 scenarios")
    if np.ptp(y) <= 1e-12 * np.abs(y).max():
        return BestLayer(None, None, None, None, "the scores do not vary")
    varies = np.ptp(projections, axis=1) > 1e-12 * np.abs(projections).max(axis=1)
    if not varies.any():
        return BestLayer(None, None, None, None, "the projections do not vary at any layer")
    standard = _unit(projections[varies])
    observed = (standard @ _unit(y[None, :]).T)[:, 0]
    null = (standard @ _shuffled(y, permutations, seed).T).max(axis=0)
    place = int(observed.argmax())
    p = (1 + int((null >= observed[place] - 1e-12).sum())) / (permutations + 1)
    return BestLayer(
        index=int(np.flatnonzero(varies)[place]),
        r=float(observed[place]),
        p=p,
        null_95=float(np.quantile(null, 0.95)),
    )


def _shuffled(y: Floats, permutations: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    return _unit(rng.permuted(np.tile(y, (permutations, 1)), axis=1))


def _unit(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    unit: Floats = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return unit
