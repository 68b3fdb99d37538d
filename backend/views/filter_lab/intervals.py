"""What the lab fills in when the slider rests: intervals, and the best threshold held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.estimate import Estimate
from backend.core.statistics.bootstrap import bootstrap_r
from backend.core.statistics.dependent import compare_predictors
from backend.core.statistics.held_out_choice import held_out_choice
from backend.core.vectors.build import build
from backend.core.vectors.inner_product import IDENTITY, missing_inner_product
from backend.core.vectors.lab import threshold_steps
from backend.core.vectors.pipeline import Pipeline
from backend.store.run import Run
from backend.views.filter_lab.axis import effective, one_cell


@dataclass(frozen=True)
class LabIntervals:
    """How sure one cell's numbers are.

    Attributes:
        before: r as published, BCa bootstrap over scenarios.
        after: r under the pipeline, likewise.
        difference: after minus before; both share the scores, so by Williams and Zou.
        held_out: r of the threshold with the highest r, chosen on one half of the scenarios and
            measured on the other; None without a filter.
        tried: how many thresholds it was chosen among, and how many there are.
    """

    before: Estimate
    after: Estimate
    difference: Estimate
    held_out: Estimate | None
    tried: tuple[int, int] = (0, 0)


def lab_intervals(
    run: Run, trait: str, prompt_set: str, layer: int, pipeline: Pipeline
) -> LabIntervals:
    """Intervals of one cell, and what its best threshold is worth on scenarios not chosen on.

    Args:
        run: an open run.
        trait: one of its traits.
        prompt_set: one of its prompt sets.
        layer: one of its layers.
        pipeline: the setting.
    """
    own = run.product_cases(pipeline.metric, trait, prompt_set, layer)
    cell = one_cell(run, pipeline.metric, trait, prompt_set, layer)
    plain, published = own, cell
    if pipeline.metric != IDENTITY:
        plain = run.product_cases(IDENTITY, trait, prompt_set, layer)
        published = one_cell(run, IDENTITY, trait, prompt_set, layer)
    weights = np.zeros(plain.drifts.shape[1])
    if published is not None:
        weights = build(Pipeline(), published).weights[0]
    before = plain.cases.cases(plain.drifts @ weights)
    if cell is None:
        why = missing_inner_product(pipeline.metric, layer)
        refused = Estimate.undefined(len(before), why)
        return LabIntervals(bootstrap_r(before), refused, refused, None)
    held_out, tried = None, (0, 0)
    if pipeline.filter_reference != "none":
        steps = threshold_steps(pipeline, cell)
        tried = (len(steps.thresholds), steps.of)
        held_out = held_out_choice(steps.weights @ own.drifts.T, before)
    built = build(effective(pipeline), cell)
    if built.refusals:
        refused = Estimate.undefined(len(before), built.refusals[0])
        return LabIntervals(bootstrap_r(before), refused, refused, held_out, tried)
    after = own.cases.cases(own.drifts @ built.weights[0])
    return LabIntervals(
        bootstrap_r(before),
        bootstrap_r(after),
        compare_predictors(after, before.x).difference,
        held_out,
        tried,
    )
