"""What leaving prompts out does to r: exact, from stored inner products, without the model.

The mean difference of the prompts that are kept is v = P'w with w = 1/n of each pole's prompts, so
r follows from S and b of those prompts alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Bools, Floats
from backend.core.estimate import Estimate
from backend.core.moments import correlation_of_weights
from backend.core.statistics.dependent import compare_predictors
from backend.core.vectors.inner_product import IDENTITY
from backend.core.vectors.lab import correlations_of_one
from backend.core.vectors.pipeline import LEAST_PROMPTS
from backend.errors import StoreError
from backend.store.run import Run
from backend.store.run_values import CellProducts


@dataclass(frozen=True)
class DropPreview:
    """r of one trait's mean difference with and without some prompts.

    Attributes:
        layer: the shown layer.
        before: r there with all prompts.
        after: r there without the dropped ones; undefined where a pole has too few left.
        difference: after minus before; they share their scores.
        best_before: (layer, r) of the layer with the highest r; None where r is undefined.
        best_after: the same without the dropped prompts.
        kept: prompts that are left of the high and of the low pole.
    """

    layer: int
    before: Estimate
    after: Estimate
    difference: Estimate
    best_before: tuple[int, Estimate] | None
    best_after: tuple[int, Estimate] | None
    kept: tuple[int, int]


def drop_preview(
    run: Run, trait: str, prompt_set: str, layer: int, dropped: Collection[int]
) -> DropPreview:
    """r of one trait with and without some prompts, at one layer and at the best one.

    Args:
        run: an open run.
        trait: one of its traits.
        prompt_set: which of its prompts.
        layer: one of its layers.
        dropped: numbers of the prompts; those of other traits or sets do not count.

    Raises:
        StoreError: the run has no such cell.
    """
    cells = run.cell_products(IDENTITY, trait, prompt_set)
    shown = next((cell for cell in cells if cell.layer == layer), None)
    if shown is None:
        raise StoreError(
            f"Run {run.record.run_id} has no prompts of {trait!r}, set {prompt_set!r}, "
            f"at layer {layer}.",
            expected="a trait, prompt set and layer of the run.",
            remedy="choose them in the sidebar again.",
        )
    kept = ~np.isin(shown.prompt_ids, list(dropped))
    every = np.ones(len(kept), bool)
    found = [(cell.layer, _r(cell, every), _r(cell, kept)) for cell in cells]
    before, after = next((was, now) for at, was, now in found if at == layer)
    return DropPreview(
        layer=layer,
        before=before,
        after=after,
        difference=_difference(run, trait, prompt_set, shown, kept, after),
        best_before=_best([(at, was) for at, was, _ in found]),
        best_after=_best([(at, now) for at, _, now in found]),
        kept=(int((kept & shown.high).sum()), int((kept & ~shown.high).sum())),
    )


def r_without_each(cell: CellProducts, width: int) -> dict[int, Estimate]:
    """Prompt number -> r of the cell's mean difference without that prompt.

    Args:
        cell: inner products under the identity.
        width: d.
    """
    n = len(cell.prompt_ids)
    if n == 0:
        return {}
    kept = ~np.eye(n, dtype=bool)
    high, low = kept & cell.high, kept & ~cell.high
    enough = np.minimum(high.sum(axis=1), low.sum(axis=1)) >= LEAST_PROMPTS
    weights = _mean(high) - _mean(low)
    one = cell.stacked(width)
    values = correlations_of_one(weights, one)
    count = cell.moments.count
    return {
        number: Estimate.undefined(count, _FEW)
        if not ok
        else Estimate.undefined(count, "the projections or the scores do not vary")
        if np.isnan(r)
        else Estimate.exact(float(r), count)
        for number, ok, r in zip(cell.prompt_ids, enough.tolist(), values.tolist(), strict=True)
    }


_FEW = f"each pole needs {LEAST_PROMPTS} prompts"


def _mean(pole: Bools) -> Floats:
    """Weights of the mean of the prompts in each row's pole, [rows, n]; zero for an empty pole."""
    found: Floats = pole / np.maximum(pole.sum(axis=1, keepdims=True), 1)
    return found


def _weights(high: Bools, kept: Bools) -> Floats | None:
    """w of the mean difference of the kept prompts, [n]; None where a pole has too few left."""
    poles = (kept & high)[None], (kept & ~high)[None]
    if min(pole.sum() for pole in poles) < LEAST_PROMPTS:
        return None
    weights: Floats = (_mean(poles[0]) - _mean(poles[1]))[0]
    return weights


def _r(cell: CellProducts, kept: Bools) -> Estimate:
    weights = _weights(cell.high, kept)
    if weights is None:
        return Estimate.undefined(cell.moments.count, _FEW)
    return correlation_of_weights(weights, cell.moments)


def _difference(
    run: Run, trait: str, prompt_set: str, cell: CellProducts, kept: Bools, after: Estimate
) -> Estimate:
    """After minus before, tested as two dependent correlations."""
    now, was = _weights(cell.high, kept), _weights(cell.high, np.ones(len(kept), bool))
    if now is None or was is None:
        return Estimate.undefined(after.n, _FEW)
    found = run.product_cases(IDENTITY, trait, prompt_set, cell.layer)
    return compare_predictors(found.cases.cases(found.drifts @ now), found.drifts @ was).difference


def _best(found: list[tuple[int, Estimate]]) -> tuple[int, Estimate] | None:
    """The layer with the highest r, the first of equals."""
    known = [entry for entry in found if entry[1].value is not None]
    return max(known, key=lambda entry: entry[1].value or 0.0, default=None)
