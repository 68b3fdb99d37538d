"""One layer of a run, read from its work file in chunks and reduced to inner products."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.core.cases import Bools, Floats
from backend.core.vectors.controls import DRAWS, SEED
from backend.core.vectors.inner_product import InnerProduct, layer_inner_products
from backend.core.vectors.responses import ResponseSpace, response_space
from backend.extraction.products import product
from backend.store.work_file import WorkFile
from backend.types import Study

CHUNK = 2048


@dataclass(frozen=True)
class LayerData:
    """Inner products of one layer; no array grows with responses times width.

    Attributes:
        prompts: P, all prompts of the study, [n, d].
        space: the responses' moments.
        metrics: inner products that do not depend on the trait.
        alignment: metric -> A = RMP', [N, n].
        features: coordinates of the responses along their principal components, [N, q].
        random: responses along random directions, [N, draws].
        scenarios: scenario of each response as 0..k-1, [N].
        device: where products are computed.
    """

    prompts: Floats
    space: ResponseSpace
    metrics: tuple[InnerProduct, ...]
    alignment: dict[str, Floats]
    features: Floats
    random: Floats
    scenarios: NDArray[np.intp]
    device: str


def read_layer(work: WorkFile, study: Study, layer: int) -> LayerData:
    """Read one layer.

    Args:
        work: a work file whose batches are all committed.
        study: its study.
        layer: one of its layers.
    """
    count = len(study.responses)

    def chunks() -> Iterator[Floats]:
        for start in range(0, count, CHUNK):
            part = work.activations("response", layer, start, min(start + CHUNK, count))
            yield part.astype(np.float64)

    prompts = work.activations("prompt", layer, 0, len(study.prompts)).astype(np.float64)
    return layer_data(prompts, chunks, study, work.record().device)


def layer_data(
    prompts: Floats, chunks: Callable[[], Iterator[Floats]], study: Study, device: str
) -> LayerData:
    """Reduce one layer's activations to inner products.

    Args:
        prompts: P, [n, d].
        chunks: gives the responses in chunks of rows, in the study's order; called twice.
        study: whose prompts and responses they are.
        device: where products are computed.
    """
    count, width = len(study.responses), prompts.shape[1]
    space = response_space(chunks, count, width)
    metrics = layer_inner_products(space, prompts)
    directions = np.random.default_rng(SEED).normal(size=(DRAWS, width))
    sides = [metric.apply(prompts) for metric in metrics] + [space.components, directions]
    ends = np.cumsum([len(side) for side in sides])
    rows = [np.zeros((0, int(ends[-1])))]
    stacked = np.concatenate(sides)
    rows += [product(chunk, stacked, device) for chunk in chunks()]
    products = np.split(np.concatenate(rows), ends[:-1], axis=1)
    features = products[len(metrics)] - space.components @ space.mean
    names = sorted({response.scenario for response in study.responses})
    place = {name: index for index, name in enumerate(names)}
    return LayerData(
        prompts=prompts,
        space=space,
        metrics=metrics,
        alignment={m.name: products[i] for i, m in enumerate(metrics)},
        features=features,
        random=products[-1],
        scenarios=np.array([place[r.scenario] for r in study.responses], np.intp),
        device=device,
    )


@dataclass(frozen=True)
class Cell:
    """One (trait, prompt set).

    Attributes:
        trait: the trait.
        prompt_set: which of its prompts.
        members: positions among the trait's prompts, [n].
        high: True for the high pole, [n].
    """

    trait: str
    prompt_set: str
    members: NDArray[np.intp]
    high: Bools


def trait_cells(study: Study, trait: str, ids: NDArray[np.intp]) -> tuple[Cell, ...]:
    """The cells of a trait, by prompt set.

    Args:
        study: the study.
        trait: one of its traits.
        ids: indices of the trait's prompts in the study.
    """
    sets = np.array([study.prompts[i].prompt_set for i in ids])
    high = np.array([study.prompts[i].pole == "high" for i in ids])
    return tuple(
        Cell(trait, str(name), np.flatnonzero(sets == name), high[sets == name])
        for name in sorted(set(sets))
    )
