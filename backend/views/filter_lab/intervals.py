"""What the lab fills in when the slider rests: intervals, and the best threshold held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.cases import Cases, Floats
from backend.core.estimate import Estimate
from backend.core.statistics.bootstrap import bootstrap_r
from backend.core.statistics.dependent import compare_predictors
from backend.core.statistics.held_out_choice import held_out_choice
from backend.core.vectors.build import build
from backend.core.vectors.inner_product import IDENTITY, missing_inner_product
from backend.core.vectors.pipeline import Pipeline
from backend.store.run import Run
from backend.views.filter_lab.axis import cell_steps, effective, one_cell


@dataclass(frozen=True)
class LabIntervals:
    """How sure one cell's numbers are.

    Attributes:
        before: r as published, BCa bootstrap over scenarios.
        after: r under the pipeline, likewise.
        difference: after minus before; both share the scores, so by Williams and Zou.
        held_out: r of the threshold with the highest r, chosen on one half of the scenarios and
            measured on the other; None without a filter.
    """

    before: Estimate
    after: Estimate
    difference: Estimate
    held_out: Estimate | None


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
    plain = own
    if pipeline.metric != IDENTITY:
        plain = run.product_cases(IDENTITY, trait, prompt_set, layer)
    published, _ = _weights(run, trait, prompt_set, layer, Pipeline())
    before = plain.cases.cases(plain.drifts @ published)
    held_out = None
    steps = cell_steps(run, trait, prompt_set, layer, pipeline)
    if steps is not None:
        held_out = held_out_choice(steps.weights @ own.drifts.T, before)
    weights, refusal = _weights(run, trait, prompt_set, layer, effective(pipeline))
    if refusal is not None:
        refused = Estimate.undefined(len(before), refusal)
        return LabIntervals(bootstrap_r(before), refused, refused, held_out)
    after = own.cases.cases(own.drifts @ weights)
    return LabIntervals(
        bootstrap_r(before), bootstrap_r(after), _difference(after, before), held_out
    )


def _weights(
    run: Run, trait: str, prompt_set: str, layer: int, pipeline: Pipeline
) -> tuple[Floats, str | None]:
    """Weights of one cell's vector on its prompts, [n], and why there is none."""
    cell = one_cell(run, pipeline.metric, trait, prompt_set, layer)
    if cell is None:
        prompts = len(run.members(trait, prompt_set))
        return np.zeros(prompts), missing_inner_product(pipeline.metric, layer)
    built = build(pipeline, cell)
    return built.weights[0], built.refusals.get(0)


def _difference(after: Cases, before: Cases) -> Estimate:
    found = compare_predictors(after, before.x)
    if found.alike and found.first.value is not None:
        why = "both vectors point the same way, so r is the same"
        return Estimate.undefined(len(after), why)
    return found.difference
