"""Activations of one cell, drawn at random with a direction of the trait in them."""

from __future__ import annotations

import numpy as np

WIDTH = 60


def cell(seed, high=8, low=8, cases=30, width=WIDTH, scale=1.0):
    """Activations of one cell: prompts, t1 and tN responses, score drift."""
    rng = np.random.default_rng(seed)
    offset, trait = rng.normal(size=(2, width))
    noise = 0.7 * rng.normal(size=(high + low, width)) * rng.uniform(0.5, 2, size=(high + low, 1))
    mask = np.arange(high + low) < high
    prompts = scale * (2 * offset + np.where(mask, 1.0, -1.0)[:, None] * 0.4 * trait + noise)
    drift = rng.normal(size=cases)
    first = scale * (offset + rng.normal(size=(cases, width)))
    last = first + scale * (0.3 * drift[:, None] * trait + rng.normal(size=(cases, width)))
    return prompts, mask, first, last, drift
