"""What a vector says: its nearest vectors, and the responses at its ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.core.vectors.methods import METHODS
from backend.runs.directions import DirectionKey, directions, method_key
from backend.runs.imported_vectors import NamedVector
from backend.store.run import Run
from backend.store.run_values import ScoredText
from backend.views.tokens.compute import vector_cases

# Responses of each end, and how much of each text.
MOST_RESPONSES, CHARACTERS = 5, 400
MOST_VECTORS = 15


@dataclass(frozen=True)
class NeighbourVector:
    """Another vector. Attributes: which, and its cosine to the one that is asked about."""

    key: DirectionKey
    cosine: float


@dataclass(frozen=True)
class Neighbours:
    """The vectors nearest to one.

    Attributes:
        found: by the size of the cosine, the largest first.
        compared: how many vectors were compared.
        chance: 95% of pairs of directions drawn by lot have a cosine of a smaller size.
        reason: why there is nothing to compare; None where there is.
    """

    found: tuple[NeighbourVector, ...]
    compared: int
    chance: float
    reason: str | None


@dataclass(frozen=True)
class EndResponse:
    """A response at an end of a vector. Attributes: the response, and its projection (activation
    units)."""

    response: ScoredText
    projection: float


@dataclass(frozen=True)
class EndResponses:
    """The responses at both ends of a vector.

    Attributes:
        top: of the largest projections, the largest first.
        bottom: of the smallest, the smallest first; none of those of ``top``.
        count: of all responses.
        reason: why there are none; None where there are some.
    """

    top: tuple[EndResponse, ...]
    bottom: tuple[EndResponse, ...]
    count: int
    reason: str | None


def neighbours(
    runs: Sequence[Run],
    named: Sequence[NamedVector],
    key: DirectionKey,
    prompt_set: str,
    layer: int,
) -> Neighbours:
    """The nearest of all other vectors of a run at a layer, those that were saved or imported too.

    Args:
        runs: one open run.
        named: all vectors that were saved or imported.
        key: which vector.
        prompt_set: of the methods' vectors.
        layer: one of the run's layers.
    """
    (run,) = runs
    held = run.methods()
    others = [
        method_key(run, trait, method.name)
        for trait in run.traits_of_set(prompt_set)
        for method in METHODS
        if method.name in held
    ]
    others += [DirectionKey(one.trait, name=one.name) for one in named]
    keys = [key, *(other for other in others if other != key)]
    units = directions(run, named, keys, prompt_set, [layer])
    # Of a direction in d coordinates, a cosine has the spread 1 / sqrt(d).
    chance = 1.96 / math.sqrt(run.record.width)
    if (0, layer) in units.reasons:
        return Neighbours((), 0, chance, units.reasons[0, layer])
    matrix: Floats = units.units[:, 0]
    cosines = matrix[1:] @ matrix[0]
    known = [place for place, cosine in enumerate(cosines) if not np.isnan(cosine)]
    known.sort(key=lambda place: -abs(cosines[place]))
    return Neighbours(
        tuple(
            NeighbourVector(keys[place + 1], float(cosines[place]))
            for place in known[:MOST_VECTORS]
        ),
        len(known),
        chance,
        None,
    )


def end_responses(
    runs: Sequence[Run],
    named: Sequence[NamedVector],
    key: DirectionKey,
    prompt_set: str,
    layer: int,
) -> EndResponses:
    """The responses with the largest and the smallest projections along a vector.

    Arguments as for :func:`neighbours`.
    """
    (run,) = runs
    cases = vector_cases(runs, named, key, prompt_set, layer)
    count = len(cases.projections)
    if not count:
        return EndResponses((), (), 0, cases.reason or "this run has no responses")
    order = np.argsort(-cases.projections, kind="stable").tolist()
    top = order[:MOST_RESPONSES]
    bottom = order[max(len(top), count - MOST_RESPONSES) :][::-1]
    texts = {
        text.response_id: text for text in run.scored_texts(key.trait, [*top, *bottom], CHARACTERS)
    }

    def ends(ids: Sequence[int]) -> tuple[EndResponse, ...]:
        return tuple(EndResponse(texts[one], float(cases.projections[one])) for one in ids)

    return EndResponses(ends(top), ends(bottom), count, None)
