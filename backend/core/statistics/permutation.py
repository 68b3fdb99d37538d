"""Permutation p of r, and of the best of several layers.

p = (b + 1) / (m + 1) with b of m permutations at least as extreme, so it is never zero and is
valid at any m. Source: Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9: 39.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from backend.core.arrays import Floats, Integers
from backend.core.cases import Cases

PERMUTATIONS = 4999
SEED = 20260302
# With fewer groups that can take each other's place, few permutations differ.
ALIKE = 8
# Permutations held at a time.
BLOCK = 500


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
    layers' dependence is kept. Source: Westfall and Young 1993 (maximum statistic). They move
    within a responder, and whole groups of dependent cases move together; groups move only to
    places of groups with the same number of cases of each responder. Where too few groups are
    alike for that, the sums over groups change their signs at random instead, all layers alike
    (a wild bootstrap of the score; Cameron, Gelbach and Miller 2008, Review of Economics and
    Statistics 90: 414-427).

    Args:
        projections: [layers, n].
        cases: y; their x does not count.
        permutations: how many.
        seed: of the permutations.
    """
    return best_layers([projections], cases, permutations=permutations, seed=seed)[0]


def best_layers(
    methods: Sequence[Floats],
    cases: Cases,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = SEED,
) -> list[BestLayer]:
    """:func:`best_layer` of several methods by the same permutations.

    Args:
        methods: of each, [layers, n].
        cases: y; their x does not count.
        permutations: how many.
        seed: of the permutations.
    """
    y = cases.centred(cases.y)
    why = None
    if len(cases) < 4:
        why = "fewer than 4 scenarios"
    elif np.ptp(y) <= 1e-12 * np.abs(y).max():
        why = "the scores do not vary"
    if why is not None:
        return [BestLayer(None, None, None, None, why) for _ in methods]
    varying = [
        np.flatnonzero(np.ptp(own, axis=1) > 1e-12 * np.abs(own).max(axis=1)) for own in methods
    ]
    rows = [own[chosen] for own, chosen in zip(methods, varying, strict=True)]
    standard = np.concatenate([_unit(cases.centred(own.T).T) for own in rows])
    unit = _unit(y[None, :])[0]
    observed = standard @ unit
    # Of all layers of all methods, one block of permutations at a time.
    starts = np.cumsum([0, *map(len, rows)])
    nulls = np.empty((len(methods), permutations))
    first = 0
    for found in _permuted(standard, unit, cases, permutations, seed):
        block = slice(first, first + found.shape[1])
        for number, (low, high) in enumerate(pairwise(starts)):
            nulls[number, block] = found[low:high].max(axis=0, initial=-np.inf)
        first = block.stop
    return [
        _best(observed[low:high], chosen, null)
        for (low, high), chosen, null in zip(pairwise(starts), varying, nulls, strict=True)
    ]


def _best(observed: Floats, layers: Integers, null: Floats) -> BestLayer:
    if not len(observed):
        return BestLayer(None, None, None, None, "the projections do not vary at any layer")
    place = int(observed.argmax())
    p = (1 + int((null >= observed[place] - 1e-12).sum())) / (len(null) + 1)
    return BestLayer(
        index=int(layers[place]),
        r=float(observed[place]),
        p=p,
        null_95=float(np.quantile(null, 0.95)),
    )


def _permuted(
    standard: Floats, unit: Floats, cases: Cases, permutations: int, seed: int
) -> Iterator[Floats]:
    """r of every row in every permutation, [rows, permutations] a block at a time.

    Args:
        standard: projections, centred and of length 1, [rows, n].
        unit: y, likewise, [n].
        cases: what is dependent.
        permutations: how many.
        seed: of the permutations.
    """
    rng = np.random.default_rng(seed)
    alike = [np.arange(len(cases))[:, None]]
    if cases.dependent or cases.absorbed:
        alike = _groups_alike(cases) or []
    for start in range(0, permutations, BLOCK):
        count = min(BLOCK, permutations - start)
        if alike:
            yield standard @ unit[_orders(alike, count, rng)].T
        else:
            yield _signs_changed(standard * unit, cases, count, rng)


def _groups_alike(cases: Cases) -> list[Integers] | None:
    """Cases in tables whose rows are groups that can take each other's place.

    Returns:
        Tables [groups, cases of each], in one order of responders; None where fewer than
        ``ALIKE`` groups are alike in some way.
    """
    order = np.lexsort((cases.strata, cases.groups))
    members = np.split(order, np.flatnonzero(np.diff(cases.groups[order])) + 1)
    kinds: dict[tuple[int, ...], list[Integers]] = {}
    for rows in members:
        kinds.setdefault(tuple(cases.strata[rows].tolist()), []).append(rows)
    tables = [np.stack(rows) for rows in kinds.values()]
    return tables if all(len(table) >= ALIKE for table in tables) else None


def _orders(alike: list[Integers], permutations: int, rng: np.random.Generator) -> Integers:
    """Which case gives its score to which in each permutation, [permutations, n]."""
    orders = np.empty((permutations, sum(table.size for table in alike)), np.intp)
    for table in alike:
        places = rng.permuted(np.tile(np.arange(len(table)), (permutations, 1)), axis=1)
        orders[:, table.ravel()] = table[places].reshape(permutations, -1)
    return orders


def _signs_changed(
    products: Floats, cases: Cases, permutations: int, rng: np.random.Generator
) -> Floats:
    """Sums of products with the sign of each group drawn at random, [layers, permutations].

    Args:
        products: of every layer's x with y, both of unit length, [layers, n].
    """
    sums = np.zeros((cases.group_count, len(products)))
    np.add.at(sums, cases.groups, products.T)
    signs = rng.choice([-1.0, 1.0], size=(permutations, cases.group_count))
    found: Floats = (signs @ sums).T
    return found


def _unit(rows: Floats) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    unit: Floats = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return unit
