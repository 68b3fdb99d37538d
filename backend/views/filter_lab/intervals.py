"""What the lab fills in when the slider rests: intervals, and the best threshold held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.core.cases import Floats
from backend.core.estimate import Estimate
from backend.core.statistics.bootstrap import bootstrap_r
from backend.core.statistics.correlation import pearson
from backend.core.statistics.dependent import compare_dependent
from backend.core.statistics.held_out_choice import held_out_choice
from backend.core.vectors.build import build
from backend.core.vectors.cell_stack import take
from backend.core.vectors.lab import Steps
from backend.core.vectors.pipeline import Pipeline
from backend.settings import Settings
from backend.store.connection import matrix_of
from backend.views.filter_lab.axis import effective
from backend.views.filter_lab.cells import Key, LabStack


@dataclass(frozen=True, eq=False)
class LabCases:
    """The cases of one cell: what each prompt's product with the responses does.

    Attributes:
        drifts: drift (or level) of RMP' per case and prompt of the cell, [cases, n].
        behaviour: drift (or level) of the scores, [cases].
        scenarios: scenario of each case as 0..k-1, [cases].
    """

    drifts: Floats
    behaviour: Floats
    scenarios: NDArray[np.intp]


@dataclass(frozen=True)
class LabRest:
    """How sure the chosen cell's numbers are.

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


def lab_cases(settings: Settings, place: Key, prompt_set: str, metric: str) -> LabCases:
    """Read the cases of one cell.

    Args:
        settings: where the store is.
        place: run id, trait and layer.
        prompt_set: which prompts.
        metric: name of the inner product.

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    run_id, trait, layer = place
    with reading_run(settings, run_id) as connection:
        members = [
            own
            for (own,) in connection.execute(
                "SELECT prompt_set = ? FROM prompts WHERE trait = ? ORDER BY prompt_id",
                [prompt_set, trait],
            ).fetchall()
        ]
        rows = connection.execute(
            "SELECT scenario, first_response, last_response, value FROM behaviours"
            " WHERE trait = ? ORDER BY case_id",
            [trait],
        ).fetchall()
        alignment = matrix_of(
            connection,
            "SELECT products FROM alignment WHERE metric = ? AND trait = ? AND layer = ?"
            " ORDER BY response_id",
            [metric, trait, layer],
        )
    count = int(np.sum(members))
    if not rows or not len(alignment):
        return LabCases(np.zeros((0, count)), np.zeros(0), np.zeros(0, np.intp))
    own = alignment[:, np.flatnonzero(members)].astype(np.float64)
    drifts = own[[row[2] for row in rows]]
    if rows[0][1] is not None:
        drifts = drifts - own[[row[1] for row in rows]]
    _, scenarios = np.unique([row[0] for row in rows], return_inverse=True)
    return LabCases(drifts, np.array([row[3] for row in rows], np.float64), scenarios)


def lab_rest(
    plain: LabCases,
    own: LabCases,
    base: LabStack,
    stack: LabStack,
    pipeline: Pipeline,
    place: Key,
    steps: Steps | None,
) -> LabRest:
    """Intervals of one cell, and what its best threshold is worth on scenarios not chosen on.

    Args:
        plain: its cases under the identity.
        own: its cases under the pipeline's metric.
        base: the study's cells under the identity.
        stack: the study's cells under the pipeline's metric.
        pipeline: the setting.
        place: which cell.
        steps: the cell along the threshold axis; None without a filter.
    """
    y, scenarios = plain.behaviour, plain.scenarios
    before = plain.drifts @ _weights(base, Pipeline(), place)[0][: plain.drifts.shape[1]]
    weights, refusal = _weights(stack, effective(pipeline), place)
    after = own.drifts @ weights[: own.drifts.shape[1]]
    refused = Estimate.undefined(len(y), refusal) if refusal else None
    held_out = None
    if steps is not None:
        rows = steps.weights[:, : own.drifts.shape[1]] @ own.drifts.T
        held_out = held_out_choice(rows, y, scenarios)
    return LabRest(
        before=bootstrap_r(before, y, scenarios),
        after=refused or bootstrap_r(after, y, scenarios),
        difference=refused or _difference(after, before, y),
        held_out=held_out,
    )


def _weights(stack: LabStack, pipeline: Pipeline, place: Key) -> tuple[Floats, str | None]:
    """Weights of one cell's vector, and why there is none."""
    if place not in stack.keys:
        return np.zeros(stack.cells.high.shape[1]), stack.missing[place]
    built = build(pipeline, take(stack.cells, np.array([stack.keys.index(place)])))
    return built.weights[0], built.refusals.get(0)


def _difference(after: Floats, before: Floats, y: Floats) -> Estimate:
    parts = [pearson(after, y), pearson(before, y), pearson(after, before)]
    for part in parts:
        if part.r is None:
            return Estimate.undefined(len(y), part.reason or "an r is undefined")
    r_after, r_before, between = (part.r or 0.0 for part in parts)
    if between >= 1 - 1e-12:
        return Estimate.undefined(len(y), "both vectors point the same way, so r is the same")
    return compare_dependent(r_after, r_before, between, len(y))
