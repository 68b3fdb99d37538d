"""Every registered method's vector of one cell, with its projections and r."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.behaviour import Behaviour
from backend.core.cases import Floats
from backend.core.estimate import Estimate
from backend.core.moments import Moments, correlation_of_weights
from backend.core.statistics.correlation import pearson
from backend.core.vectors.build import build
from backend.core.vectors.cell_stack import stack
from backend.core.vectors.inner_product import WithinClass, direction
from backend.core.vectors.methods import METHODS, Method
from backend.core.vectors.probes import Probe, logistic_probe, ridge_probe
from backend.runs.layer_data import Cell, LayerData


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
class MethodVector:
    """What one method makes of one cell.

    Attributes:
        method: the method.
        vector: [d], not normalised; None where undefined.
        projections: of every response along the unit vector, [N]; NaN where there is none. For
            fitted methods from the fold that did not see the response's scenario.
        correlation: r of their drift (or level) with the behaviour.
    """

    method: Method
    vector: Floats | None
    projections: Floats
    correlation: Estimate


def method_vectors(
    cell: Cell,
    layer: LayerData,
    ids: np.ndarray,
    products: dict[str, TraitProducts],
    within: WithinClass | None,
    behaviour: Behaviour,
    scores: Floats,
    probes: dict[str, MethodVector],
    methods: Sequence[Method] = METHODS,
) -> list[MethodVector]:
    """Methods on one cell.

    Args:
        cell: trait and prompt set.
        layer: the layer's data.
        ids: indices of the trait's prompts in the study.
        products: metric -> inner products of the trait's prompts.
        within: the trait's within-class metric; None if it has none.
        behaviour: the cases that enter r.
        scores: the trait's score of each response, NaN where not scored, [N].
        probes: filled with the trait's probes by the first cell and reused by the others, as
            they do not depend on prompts.
        methods: which methods; all registered ones by default.
    """
    found = []
    for method in methods:
        if method.pipeline is None:
            if method.name not in probes:
                probes[method.name] = _probe(method, layer, behaviour, scores)
            found.append(probes[method.name])
        else:
            found.append(_from_prompts(method, cell, layer, ids, products, within, behaviour))
    return found


def _from_prompts(
    method: Method,
    cell: Cell,
    layer: LayerData,
    ids: np.ndarray,
    products: dict[str, TraitProducts],
    within: WithinClass | None,
    behaviour: Behaviour,
) -> MethodVector:
    assert method.pipeline is not None  # probes are made elsewhere
    name = method.pipeline.metric
    if name not in products:
        return _nothing(method, layer, behaviour, f"there is no metric {name} at this layer")
    own = products[name]
    chosen = np.ix_(cell.members, cell.members)
    m = own.moments
    part = Moments(m.s[chosen], m.b[cell.members], m.y_square, m.count, m.rounding)
    cells = stack([own.gram[chosen]], [cell.high], [part], layer.prompts.shape[1])
    built = build(method.pipeline, cells)
    if 0 in built.refusals:
        return _nothing(method, layer, behaviour, built.refusals[0])
    weights = np.zeros(len(ids))
    weights[cell.members] = built.weights[0]
    vector = direction(name, layer.metrics, within, layer.prompts[ids], weights)
    length = float(np.linalg.norm(vector))
    if length <= 0:
        return _nothing(method, layer, behaviour, "the vector is zero")
    correlation = correlation_of_weights(weights, m)
    return MethodVector(method, vector, own.alignment @ weights / length, correlation)


def _probe(method: Method, layer: LayerData, behaviour: Behaviour, scores: Floats) -> MethodVector:
    if layer.features.shape[1] == 0:
        return _nothing(method, layer, behaviour, "there are no responses that vary")
    found: Probe
    if method.labels is None:
        found = ridge_probe(
            layer.features, behaviour.first, behaviour.last, behaviour.values, layer.scenarios
        )
    else:
        found = logistic_probe(layer.features, scores, layer.scenarios, method.labels)
    if found.direction is None:
        return _nothing(method, layer, behaviour, found.reason or "the probe is undefined")
    held = found.held_out
    drift = held[behaviour.last]
    if behaviour.first is not None:
        drift = drift - held[behaviour.first]
    vector = layer.space.components.T @ found.direction
    return MethodVector(method, vector, held, pearson(drift, behaviour.values))


def _nothing(method: Method, layer: LayerData, behaviour: Behaviour, reason: str) -> MethodVector:
    correlation = Estimate.undefined(len(behaviour.values), reason)
    return MethodVector(method, None, np.full(len(layer.scenarios), np.nan), correlation)
