"""One layer of a run, read in chunks and reduced to inner products."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats, Integers
from backend.core.cases import group_numbers
from backend.core.vectors.controls import DRAWS, SEED
from backend.core.vectors.fitting import PromptGroup
from backend.core.vectors.inner_product import IDENTITY, InnerProduct, layer_inner_products
from backend.core.vectors.responses import ResponseSpace, response_space
from backend.extraction.products import product
from backend.store.run import Run
from backend.types import Study

# Responses of so many numbers are read once; more are read again for each pass over them.
HELD = 2**25


@dataclass(frozen=True)
class LayerData:
    """Inner products of one layer; no array grows with responses times width.

    Attributes:
        prompts: P, all prompts of the study, [n, d].
        space: the responses' moments.
        inner_products: metrics that do not depend on the trait.
        alignment: metric -> A = RMP', [N, n].
        features: coordinates of the responses along their principal components, [N, q].
        random: responses along random directions, [N, draws].
        response_groups: group of dependent responses of each response as 0..k-1, [N].
        device: where products are computed.
    """

    prompts: Floats
    space: ResponseSpace
    inner_products: tuple[InnerProduct, ...]
    alignment: dict[str, Floats]
    features: Floats
    random: Floats
    response_groups: Integers
    device: str


def read_layer(run: Run, study: Study, layer: int) -> LayerData:
    """Read one layer.

    Args:
        run: a run with all its activations.
        study: its study.
        layer: one of its layers.
    """
    prompts = run.prompt_activations(layer)
    device = run.record.device
    if len(study.responses) * prompts.shape[1] > HELD:
        return layer_data(prompts, lambda: run.response_chunks(layer), study, device)
    held = tuple(run.response_chunks(layer))
    return layer_data(prompts, lambda: iter(held), study, device)


def layer_data(
    prompts: Floats, chunks: Callable[[], Iterator[Floats]], study: Study, device: str
) -> LayerData:
    """Reduce one layer's activations to inner products.

    Args:
        prompts: P, [n, d].
        chunks: gives the responses in chunks of rows, in the study's order; called three
            times.
        study: whose prompts and responses they are.
        device: where products are computed.
    """
    count, width = len(study.responses), prompts.shape[1]
    space = response_space(chunks, count, width)
    metrics = layer_inner_products(space, prompts)
    # Where no coordinate is massive, taking them away changes nothing.
    own = [metric for metric in metrics if metric.name == IDENTITY or not metric.plain]
    directions = np.random.default_rng(SEED).normal(size=(DRAWS, width))
    sides = [metric.apply(prompts) for metric in own] + [space.components, directions]
    ends = np.cumsum([len(side) for side in sides])
    rows = [np.zeros((0, int(ends[-1])))]
    stacked = np.concatenate(sides)
    rows += [product(chunk, stacked, device) for chunk in chunks()]
    products = np.split(np.concatenate(rows), ends[:-1], axis=1)
    features = products[len(own)] - space.components @ space.mean
    alignment = {metric.name: products[0] for metric in metrics if metric.plain}
    alignment |= {metric.name: products[i] for i, metric in enumerate(own)}
    return LayerData(
        prompts=prompts,
        space=space,
        inner_products=metrics,
        alignment=alignment,
        features=features,
        random=products[-1],
        response_groups=group_numbers([r.dependence for r in study.responses]),
        device=device,
    )


def prompt_groups(study: Study, trait: str, ids: Integers) -> tuple[PromptGroup, ...]:
    """The prompt sets of a trait, by name.

    Args:
        study: the study.
        trait: one of its traits.
        ids: indices of the trait's prompts in the study.
    """
    sets = np.array([study.prompts[i].prompt_set for i in ids])
    high = np.array([study.prompts[i].pole == "high" for i in ids])
    return tuple(
        PromptGroup(
            trait,
            str(name),
            np.flatnonzero(sets == name),
            high[sets == name],
            _pairs([study.prompts[i].pair for i in ids[sets == name]]),
        )
        for name in sorted(set(sets))
    )


def _pairs(names: list[str | None]) -> Integers | None:
    """Pairs as 0..k-1 in the order of their names, -1 for none; None without any pair."""
    known = sorted({name for name in names if name is not None})
    if not known:
        return None
    return np.array([-1 if name is None else known.index(name) for name in names], np.intp)
