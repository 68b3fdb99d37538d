"""Centres of groups of rows as weights of the rows: the mean and the geometric median."""

from __future__ import annotations

import numpy as np

from backend.core.arrays import Bools, Floats

ITERATIONS = 500
TOLERANCE = 1e-12


def mean_weights(members: Bools) -> Floats:
    """Weights of the mean: 1 / count on members, 0 elsewhere; [..., n]. Zero for an empty group."""
    counts = members.sum(axis=-1, keepdims=True)
    weights: Floats = members / np.maximum(counts, 1)
    return weights


def geometric_median_weights(gram: Floats, members: Bools) -> Floats:
    """Weights a of the geometric median P'a, the point with the least sum of distances.

    Weiszfeld's iteration on inner products: a_i is proportional to 1 / ||x_i - P'a||. It ends
    when no weight changes by more than 1e-12, or after 500 rounds. At a data point, where the
    distance is zero, the distance counts as 1e-9 of the group's size. Source: Weiszfeld 1937;
    Vardi and Zhang 2000, PNAS 97: 1423-1426.

    Args:
        gram: [C, n, n].
        members: [C, n], the rows of each group.

    Returns:
        [C, n], non-negative, each row sums to 1 (0 for an empty group).
    """
    weights = mean_weights(members)
    diagonal = np.einsum("cii->ci", gram)
    scale = np.sqrt(np.where(members, diagonal, 0.0).max(axis=1, keepdims=True))
    floor = 1e-9 * np.where(scale > 0, scale, 1.0)
    for _ in range(ITERATIONS):
        products = (gram @ weights[..., None])[..., 0]
        own = np.einsum("ci,ci->c", weights, products)[:, None]
        distances = np.sqrt(np.maximum(diagonal - 2 * products + own, 0.0))
        inverse = np.where(members, 1.0 / np.maximum(distances, floor), 0.0)
        total = inverse.sum(axis=1, keepdims=True)
        changed = inverse / np.where(total > 0, total, 1.0)
        step = float(np.abs(changed - weights).max(initial=0.0))
        weights = changed
        if step <= TOLERANCE:
            break
    return weights
