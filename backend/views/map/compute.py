"""Prompts and responses of one trait in the plane in which they differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from backend.core.arrays import Floats
from backend.core.principal_plane import PrincipalPlane, plane_along, principal_plane
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.errors import StoreError
from backend.store.run import Run
from backend.store.run_values import ScoredText
from backend.store.study import StoredPrompt
from backend.types import POLES, Pole

# Points drawn: more can neither be told apart nor hovered, and hold the browser up.
MOST_PROMPTS = 600
MOST_RESPONSES = 1000
# Of each text, in the hover.
CHARACTERS = 220
# Which of many points are drawn is the same each time.
_SEED = 0

Basis = Literal["along", "prompts", "responses", "both"]
# What the plane is made of -> title. Along v, its second axis is of the prompts.
BASES: dict[Basis, str] = {
    "along": "v and the prompts",
    "prompts": "prompts",
    "responses": "responses",
    "both": "both",
}


@dataclass(frozen=True)
class MapPoint:
    """One text in the plane.

    Attributes:
        x: coordinate along the first axis, activation units.
        y: along the second.
        text: its beginning.
        cut: whether the text goes on.
    """

    x: float
    y: float
    text: str
    cut: bool


@dataclass(frozen=True)
class PromptPoint(MapPoint):
    """A prompt. Attributes: prompt_id and pole, and those of a point."""

    prompt_id: int
    pole: Pole


@dataclass(frozen=True)
class ResponsePoint(MapPoint):
    """A response. Attributes: those of a point, and those of :class:`ScoredText`."""

    scenario: str
    turn: str | None
    responder: str
    score: float | None


@dataclass(frozen=True)
class TraitMap:
    """One trait at one layer, in a plane.

    Attributes:
        trait: the trait.
        layer: the layer.
        basis: which points the plane is of.
        prompts: those drawn.
        responses: those drawn.
        counts: number of prompts and of responses that there are.
        low_mean: where the mean of the low pole lies; with ``high_mean`` the ends of v, which is
            their difference.
        high_mean: where that of the high pole lies.
        shares: share of the variance of the basis along each axis.
        v_inside: share of v's squared length that lies in the plane; None where v is zero.
        score_range: the lowest and highest allowed score.
        reason: why there is no plane; None where there is one. Without one there are no points.
    """

    trait: str
    layer: int
    basis: Basis
    prompts: tuple[PromptPoint, ...]
    responses: tuple[ResponsePoint, ...]
    counts: tuple[int, int]
    low_mean: tuple[float, float]
    high_mean: tuple[float, float]
    shares: tuple[float, float]
    v_inside: float | None
    score_range: tuple[float, float]
    reason: str | None


def trait_map(run: Run, trait: str, prompt_set: str, layer: int, basis: Basis) -> TraitMap:
    """The plane of the first two principal components, or of v and the first component across it,
    and what lies in it.

    No more than MOST_PROMPTS and MOST_RESPONSES activations are held at once; of more texts some
    are drawn by lot, and the plane is of these.

    Args:
        run: an open run.
        trait: a trait of the run.
        prompt_set: which of its prompts.
        layer: a layer of the run.
        basis: which points the plane is of.

    Raises:
        StoreError: the trait has no prompts of both poles in the set, or the layer was not
            extracted.
    """
    prompts = [p for p in run.prompts(trait) if p.prompt_set == prompt_set]
    ends = [[p.prompt_id for p in prompts if p.pole == pole] for pole in POLES]
    if not all(ends) or layer not in run.record.layers:
        raise StoreError(
            f"There is no vector of {trait!r} with prompt set {prompt_set!r} at layer {layer}.",
            expected="prompts of both poles, and a layer of the run.",
            remedy="choose another trait, prompt set or layer.",
        )
    _, every_response = run.text_counts
    drawn = _some(range(len(prompts)), MOST_PROMPTS)
    shown = [prompts[place] for place in drawn]
    texts = run.scored_texts(trait, _some(range(every_response), MOST_RESPONSES), CHARACTERS)
    of_prompts = run.some_activations("prompt", layer, [p.prompt_id for p in shown])
    of_responses = run.some_activations("response", layer, [t.response_id for t in texts])
    if not len(of_responses):
        of_responses = np.zeros((0, of_prompts.shape[1]))
    high_mean, low_mean = (_mean(run, layer, ids) for ids in ends)
    vector = high_mean - low_mean
    points = {
        "along": of_prompts,
        "prompts": of_prompts,
        "responses": of_responses,
        "both": np.concatenate([of_prompts, of_responses]),
    }[basis]
    plane = (plane_along if basis == "along" else principal_plane)(points, vector)
    counts = (len(prompts), every_response)
    if isinstance(plane, str):
        nowhere = (0.0, 0.0)
        return TraitMap(
            trait, layer, basis, (), (), counts, nowhere, nowhere, nowhere, None,
            run.score_range, plane,
        )  # fmt: skip
    return TraitMap(
        trait=trait,
        layer=layer,
        basis=basis,
        prompts=_prompt_points(plane, shown, of_prompts),
        responses=_response_points(plane, texts, of_responses),
        counts=counts,
        low_mean=_pair(plane.place(low_mean)),
        high_mean=_pair(plane.place(high_mean)),
        shares=plane.shares,
        v_inside=plane.share_inside(vector),
        score_range=run.score_range,
        reason=None,
    )


def layer_of_map(run: Run, trait: str, prompt_set: str) -> int:
    """The layer to begin with: the best of the mean difference, else the run's middle one."""
    for best in run.best_layers(MEAN_DIFFERENCE, prompt_set):
        if best.trait == trait and best.layer is not None:
            return best.layer
    return run.summary().middle_layer


def _some(ids: range, most: int) -> list[int]:
    """All ids, or as many as wanted drawn by lot: every n-th one could be of one turn alone."""
    if len(ids) <= most:
        return list(ids)
    drawn = np.random.default_rng(_SEED).choice(len(ids), most, replace=False)
    return sorted(int(place) for place in drawn)


def _mean(run: Run, layer: int, ids: Sequence[int]) -> Floats:
    """Mean activation of some prompts, [d], a bounded number held at once."""
    sums = [
        run.some_activations("prompt", layer, ids[start : start + MOST_PROMPTS]).sum(axis=0)
        for start in range(0, len(ids), MOST_PROMPTS)
    ]
    mean: Floats = np.sum(sums, axis=0) / len(ids)
    return mean


def _prompt_points(
    plane: PrincipalPlane, prompts: Sequence[StoredPrompt], activations: Floats
) -> tuple[PromptPoint, ...]:
    return tuple(
        PromptPoint(
            *_pair(place), p.text[:CHARACTERS], len(p.text) > CHARACTERS, p.prompt_id, p.pole
        )
        for p, place in zip(prompts, plane.place(activations), strict=True)
    )


def _response_points(
    plane: PrincipalPlane, texts: Sequence[ScoredText], activations: Floats
) -> tuple[ResponsePoint, ...]:
    return tuple(
        ResponsePoint(*_pair(place), t.text, t.cut, t.scenario, t.turn, t.responder, t.score)
        for t, place in zip(texts, plane.place(activations), strict=True)
    )


def _pair(place: Floats) -> tuple[float, float]:
    return float(place[0]), float(place[1])
