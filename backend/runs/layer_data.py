"""One layer of a run, read in chunks and reduced to inner products."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from backend.core.arrays import Floats, Integers
from backend.core.cases import group_numbers
from backend.core.prompt_cells import pair_numbers
from backend.core.vectors.controls import DRAWS, SEED
from backend.core.vectors.fitting import PromptGroup
from backend.core.vectors.inner_product import (
    LARGEST_REMOVED,
    InnerProduct,
    layer_inner_products,
)
from backend.core.vectors.responses import MOST_COMPONENTS, ResponseSpace, response_space
from backend.extraction.products import product
from backend.types import Study


@dataclass(frozen=True)
class LayerData:
    """Inner products of one layer; no array grows with responses times width.

    Attributes:
        prompts: P, all prompts of the study, [n, d].
        wanted: indices of those whose products with the responses are there, ascending, [m].
        space: the responses' moments.
        inner_products: metrics that do not depend on the trait.
        alignment: metric -> A = RMP', of the wanted prompts, [N, m].
        features: coordinates of the responses along their principal components, [N, q]; without
            probes, along the largest few.
        project: projections of the responses along any vector [d], [N]; reads all of them, for one
            thread at a time.
        random: responses along random directions, [N, draws].
        response_groups: group of dependent responses of each response as 0..k-1, [N].
        device: where products are computed.
    """

    prompts: Floats
    wanted: Integers
    space: ResponseSpace
    inner_products: tuple[InnerProduct, ...]
    alignment: dict[str, Floats]
    features: Floats
    project: Callable[[Floats], Floats]
    random: Floats
    response_groups: Integers
    device: str

    def alignment_of(self, metric: str, ids: Integers) -> Floats:
        """A = RMP' of some prompts, [N, k]. Args: name of M, and indices of wanted prompts."""
        found: Floats = self.alignment[metric][:, np.searchsorted(self.wanted, ids)]
        return found


def layer_data(
    prompts: Floats,
    chunks: Callable[[], Iterator[Floats]],
    study: Study,
    device: str,
    wanted: Integers | None = None,
    *,
    probes: bool = True,
) -> LayerData:
    """Reduce one layer's activations to inner products.

    Args:
        prompts: P, [n, d].
        chunks: gives the responses in chunks of rows, in the study's order; called three
            times, and for each vector that is projected.
        study: whose prompts and responses they are.
        device: where products are computed.
        wanted: indices of the prompts whose products with the responses are needed, ascending;
            all by default.
        probes: whether probes will be fitted: they need the responses along all components.
    """
    count, width = len(study.responses), prompts.shape[1]
    alone = threading.Lock()

    def project(vector: Floats) -> Floats:
        found = [np.zeros(0)]
        with alone:
            found += [product(chunk, vector[None, :], device)[:, 0] for chunk in chunks()]
        return np.concatenate(found)

    if wanted is None:
        wanted = np.arange(len(prompts))
    space = response_space(chunks, count, width, MOST_COMPONENTS if probes else LARGEST_REMOVED + 1)
    metrics = layer_inner_products(space, prompts)
    rows = prompts[wanted]
    # Scales of zeros and ones share one product, without the coordinates that some of them leave
    # out; these few are put back for each. Directions are taken out of products, not of rows.
    left_out = np.zeros(width, bool)
    for metric in metrics:
        if metric.keeps_or_drops:
            left_out |= metric.scale == 0
    few = np.flatnonzero(left_out)
    scaled = [metric for metric in metrics if not metric.keeps_or_drops]
    removed = max((metric.removed for metric in metrics), key=len)
    along_components = space.components if space.coordinates is None else removed[:0]
    units = np.zeros((len(few), width))
    units[np.arange(len(few)), few] = 1.0
    sides = [
        rows * ~left_out,
        units,
        removed,
        along_components,
        _random_directions(width),
        *(rows * metric.scale for metric in scaled),
    ]
    ends = np.cumsum([len(side) for side in sides])
    stacked = np.concatenate(sides)
    found = [np.zeros((0, len(stacked)))]
    found += [product(chunk, stacked, device) for chunk in chunks()]
    base, single, along, coordinates, random, *others = np.split(
        np.concatenate(found), ends[:-1], axis=1
    )
    alignment = {}
    for metric in metrics:
        if metric in scaled:
            own = others[scaled.index(metric)]
        else:
            own = base + (single * metric.scale[few]) @ rows[:, few].T
        k = len(metric.removed)
        alignment[metric.name] = own - along[:, :k] @ (rows @ metric.removed.T).T if k else own
    features = space.coordinates
    if features is None:
        features = coordinates - space.components @ space.mean
    return LayerData(
        prompts=prompts,
        wanted=wanted,
        space=space,
        inner_products=metrics,
        alignment=alignment,
        features=features,
        project=project,
        random=random,
        response_groups=group_numbers([r.dependence for r in study.responses]),
        device=device,
    )


@lru_cache(maxsize=1)
def _random_directions(width: int) -> Floats:
    """Directions of the controls, the same at every layer, [draws, d]."""
    drawn: Floats = np.random.default_rng(SEED).normal(size=(DRAWS, width))
    drawn.setflags(write=False)
    return drawn


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
            pair_numbers([study.prompts[i].pair for i in ids[sets == name]]),
        )
        for name in sorted(set(sets))
    )
