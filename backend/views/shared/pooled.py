"""r over all responders together, of cells without an r within responders."""

from __future__ import annotations

import dataclasses

from backend.core.estimate import Estimate
from backend.core.statistics.correlation import pearson
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.store.run import Run
from backend.store.run_values import CellResult


def pooled_correlation(run: Run, cell: CellResult) -> Estimate:
    """r of the mean difference over all responders together, without p, as it is not judged.

    A run holds it beside an r within responders only. Where there is none, as nothing varies within
    any responder, it is computed from the projections; undefined where these are missing, as r is.

    Args:
        run: an open run.
        cell: one of its cells.
    """
    if cell.correlation.value is not None:
        return cell.pooled
    trait, prompt_set, layer = cell.key.trait, cell.key.prompt_set, cell.key.layer
    stored = run.drifts(MEAN_DIFFERENCE, trait, layer).get((MEAN_DIFFERENCE, trait, prompt_set))
    if stored is None or layer not in stored[0]:
        return cell.pooled
    cases = run.scored_cases(trait).cases(stored[0][layer])
    return dataclasses.replace(pearson(cases.pooled()), p=None)
