"""Which cases of two models can be compared: the same texts, or the same scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from backend.core.cases import Floats
from backend.views.transfer.transfers import TransferCase

Matching = Literal["text", "scenario"]
Case = tuple[str, str, str]


@dataclass(frozen=True)
class Reading:
    """One vector's projections of one trait's cases.

    Attributes:
        trait: the trait.
        model: whose activations, by the name on screen.
        responders: names under which the model may have written responses.
        cases: scenario, responder and turn of each case, all different.
        texts: a digest of each case's texts, as evidence that two studies mean the same by a
            case; empty where all readings come from one study.
        projection: projection drift (or level), [n]; None where there is none.
        behaviour: score drift (or level), [n].
        reason: why there is no projection.
    """

    trait: str
    model: str
    responders: tuple[str, ...]
    cases: tuple[Case, ...]
    texts: tuple[str, ...]
    projection: Floats | None
    behaviour: Floats
    reason: str | None = None

    def own(self) -> NDArray[np.bool_]:
        """Which cases count as the model's behaviour: its own responses if there are any, else
        all."""
        mine = np.array([case[1] in self.responders for case in self.cases], dtype=bool)
        return mine if mine.any() else np.ones(len(mine), dtype=bool)


def transfer_case(other: Reading, own: Reading, by: Matching = "text") -> TransferCase:
    """A's and B's projections of the cases they share, and B's behaviour on them.

    Args:
        other: A.
        own: B; a model that is itself a responder is tried on its own responses, any other on
            all.
        by: ``text``: A's projection is of the very response that B's behaviour was scored on.
            ``scenario``: it is of A's own response to the same scenario.

    Returns:
        The cases in B's order; none, with the reason, where nothing can be matched.
    """
    for reading in (other, own):
        if reading.projection is None:
            return _nothing(other, own, f"{reading.model}: {reading.reason}")
    here = np.flatnonzero(own.own())
    pairs, why = (_by_text if by == "text" else _by_scenario)(other, own, here)
    if not len(pairs):
        return _nothing(other, own, why)
    a, b = pairs.T
    return TransferCase(
        own.trait,
        other.model,
        own.model,
        cast(Floats, other.projection)[a],
        cast(Floats, own.projection)[b],
        own.behaviour[b],
    )


def _by_text(other: Reading, own: Reading, here: NDArray[np.intp]) -> tuple[NDArray[np.intp], str]:
    place = {case: index for index, case in enumerate(other.cases)}
    known = [(place[own.cases[b]], int(b)) for b in here if own.cases[b] in place]
    if not known:
        return _pairs(()), f"{other.model} read no response that {own.model} is judged on"
    same = [
        (a, b)
        for a, b in known
        if not (other.texts and own.texts) or other.texts[a] == own.texts[b]
    ]
    return _pairs(same), f"the {len(known)} scenarios that both share have other texts in each"


def _by_scenario(
    other: Reading, own: Reading, here: NDArray[np.intp]
) -> tuple[NDArray[np.intp], str]:
    there = np.flatnonzero(other.own())
    for reading, members in ((other, there), (own, here)):
        scenarios = {reading.cases[i][0] for i in members}
        if len(scenarios) < len(members):
            return _pairs(()), (
                f"{reading.model} read several responses to one scenario and none is its own, so "
                "none can stand for it"
            )
    place = {other.cases[a][0]: int(a) for a in there}
    pairs = [(place[own.cases[b][0]], int(b)) for b in here if own.cases[b][0] in place]
    return _pairs(pairs), f"{other.model} and {own.model} share no scenario"


def _pairs(found: Sequence[tuple[int, int]]) -> NDArray[np.intp]:
    return np.array(found, dtype=np.intp).reshape(-1, 2)


def _nothing(other: Reading, own: Reading, why: str) -> TransferCase:
    empty = np.zeros(0)
    return TransferCase(own.trait, other.model, own.model, empty, empty, empty, why)
