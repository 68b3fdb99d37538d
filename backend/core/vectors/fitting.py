"""How a method makes its vector: from prompts by a pipeline, or fitted to scored responses.

Every method is one function from what a cell holds to a vector with its projections and r.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Bools, Floats, Integers
from backend.core.behaviour import Behaviour
from backend.core.estimate import Estimate
from backend.core.moments import Moments, correlation_of_weights
from backend.core.statistics.correlation import pearson
from backend.core.vectors.build import build
from backend.core.vectors.cell_stack import stack
from backend.core.vectors.inner_product import InnerProduct, WithinClass, direction
from backend.core.vectors.pipeline import Pipeline
from backend.core.vectors.probes import Labels, Probe, RidgeTarget, logistic_probes, ridge_probes
from backend.core.vectors.responses import ResponseSpace


@dataclass(frozen=True)
class TraitProducts:
    """Inner products of one trait's prompts under one metric.

    Attributes:
        gram: G = PMP', [n, n].
        alignment: A = RMP', [N, n].
        moments: S, b and y'y.
    """

    gram: Floats
    alignment: Floats
    moments: Moments


@dataclass(frozen=True)
class PromptGroup:
    """The prompts of one trait that belong to one prompt set.

    Attributes:
        trait: the trait.
        prompt_set: which of its prompts.
        members: positions among the trait's prompts, [n].
        high: True for the high pole, [n].
        pairs: number of the pair that each belongs to, -1 for none, [n]; None without any pair.
    """

    trait: str
    prompt_set: str
    members: Integers
    high: Bools
    pairs: Integers | None = None


@dataclass(frozen=True)
class FitInput:
    """What a method may use of one cell.

    Attributes:
        group: the cell's prompts.
        prompts: P, the activations of all prompts of the trait, [n, d].
        products: metric -> inner products of those prompts.
        inner_products: metrics of the layer that do not depend on the trait.
        within: the trait's within-class metric; None if it has none.
        responses: moments and principal components of the responses.
        features: coordinates of the responses along those components, [N, q].
        project: projections of the responses along any vector [d], [N]; reads all of them.
        response_groups: group of each response as 0..k-1, [N].
        scores: the trait's score of each response, NaN where not scored, [N].
        score_range: lowest and highest allowed score.
        behaviour: the cases that enter r.
    """

    group: PromptGroup
    prompts: Floats
    products: Mapping[str, TraitProducts]
    inner_products: tuple[InnerProduct, ...]
    within: WithinClass | None
    responses: ResponseSpace
    features: Floats
    project: Callable[[Floats], Floats]
    response_groups: Integers
    scores: Floats
    score_range: tuple[float, float]
    behaviour: Behaviour


@dataclass(frozen=True)
class Fitted:
    """What a method makes of one cell.

    Attributes:
        vector: [d], not normalised; None where undefined.
        projections: of every response along the unit vector, [N]; NaN where there is none. Of a
            probe from the fold that did not see the response's scenario.
        correlation: r of their drift (or level) with the behaviour.
    """

    vector: Floats | None
    projections: Floats
    correlation: Estimate


# One cell after the other, or all at once: what is fitted to responses shares its work.
Fit = Callable[[Sequence[FitInput]], list[Fitted]]


def from_prompts(pipeline: Pipeline) -> Fit:
    """The vectors that a pipeline builds from the prompts of cells.

    Args:
        pipeline: the choices.
    """

    def fit(cells: Sequence[FitInput]) -> list[Fitted]:
        return [_of_pipeline(pipeline, given) for given in cells]

    return fit


def _of_pipeline(pipeline: Pipeline, given: FitInput) -> Fitted:
    name, group = pipeline.metric, given.group
    if name not in given.products:
        return _nothing(given, f"there is no metric {name} at this layer")
    own = given.products[name]
    chosen = np.ix_(group.members, group.members)
    part = own.moments.of(group.members)
    cells = stack([own.gram[chosen]], [group.high], [part], given.prompts.shape[1])
    built = build(pipeline, cells)
    if 0 in built.refusals:
        return _nothing(given, built.refusals[0])
    weights = np.zeros(len(given.prompts))
    weights[group.members] = built.weights[0]
    vector = direction(name, given.inner_products, given.within, given.prompts, weights)
    length = float(np.linalg.norm(vector))
    if length <= 0:
        return _nothing(given, ZERO)
    projections = own.alignment @ weights / length
    correlation = correlation_of_weights(weights, own.moments)
    if own.moments.groups is not None or correlation.value is None:
        # Sums over all cases do not say what each group of them does, nor within whom nothing
        # varies; whether anything does, they say.
        found = pearson(given.behaviour.cases(given.behaviour.drift_of(projections)))
        if correlation.value is not None or found.value is None:
            correlation = found
    return Fitted(vector, projections, correlation)


def from_direction(direction_of: Callable[[FitInput], Floats]) -> Fit:
    """Vectors that are no weighted sum of prompts, such as a difference of coordinate-wise medians.

    Args:
        direction_of: the vector of a cell, [d], from its own prompts (``prompts[group.members]``);
            none where it is of length zero.
    """

    def fit(cells: Sequence[FitInput]) -> list[Fitted]:
        return [_along(given, direction_of(given)) for given in cells]

    return fit


def _along(given: FitInput, vector: Floats) -> Fitted:
    length = float(np.linalg.norm(vector))
    if length <= 0:
        return _nothing(given, ZERO)
    return _projected(given, vector, given.project(vector) / length)


def from_binary_scores(labels: Labels) -> Fit:
    """Logistic probes of high v low scores (study, Solution B).

    Args:
        labels: which scores of 0 to 10 are high and which low; carried to the study's range.
    """

    def fit(cells: Sequence[FitInput]) -> list[Fitted]:
        if not cells:
            return []
        one = cells[0]
        if one.features.shape[1] == 0:
            return [_nothing(given, NO_RESPONSES) for given in cells]
        probes = logistic_probes(
            one.features,
            [given.scores for given in cells],
            one.response_groups,
            labels.on(one.score_range),
        )
        return _of_probes(cells, probes)

    return fit


def from_score_drift(cells: Sequence[FitInput]) -> list[Fitted]:
    """Ridge probes of score drift (or level), of cells of one layer."""
    if not cells:
        return []
    one = cells[0]
    if one.features.shape[1] == 0:
        return [_nothing(given, NO_RESPONSES) for given in cells]
    targets = [
        RidgeTarget(given.behaviour.first, given.behaviour.last, given.behaviour.values)
        for given in cells
    ]
    probes = ridge_probes(one.features, targets, one.response_groups)
    return _of_probes(cells, probes)


ZERO = "the vector is zero"
NO_RESPONSES = "there are no responses that vary"


def _of_probes(cells: Sequence[FitInput], probes: Sequence[Probe]) -> list[Fitted]:
    components = cells[0].responses.components
    none = np.zeros(len(components))
    directions = [none if probe.direction is None else probe.direction for probe in probes]
    vectors = np.stack(directions) @ components
    return [
        _nothing(given, probe.reason or "the probe is undefined")
        if probe.direction is None
        else _projected(given, vector, probe.held_out)
        for given, probe, vector in zip(cells, probes, vectors, strict=True)
    ]


def _projected(given: FitInput, vector: Floats, projections: Floats) -> Fitted:
    """A vector with what it makes of the responses, and r of that."""
    cases = given.behaviour.cases(given.behaviour.drift_of(projections))
    return Fitted(vector, projections, pearson(cases))


def _nothing(given: FitInput, reason: str) -> Fitted:
    missing = np.full(len(given.response_groups), np.nan)
    return Fitted(None, missing, Estimate.undefined(len(given.behaviour.values), reason))
