"""Which cases of two models can be compared: the same texts, or the same scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from backend.core.arrays import Integers
from backend.core.cases import Cases
from backend.views.transfer.model_projections import ModelProjections
from backend.views.transfer.transfers import TransferCase

Matching = Literal["text", "scenario"]


def transfer_case(
    other: ModelProjections, own: ModelProjections, by: Matching = "text"
) -> TransferCase:
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
    if other.projection is None:
        return _nothing(other, own, f"{other.model}: {other.reason}")
    if own.projection is None:
        return _nothing(other, own, f"{own.model}: {own.reason}")
    here = np.flatnonzero(own.own())
    pairs, why = (_by_text if by == "text" else _by_scenario)(other, own, here)
    if not len(pairs):
        return _nothing(other, own, why)
    a, b = pairs.T
    return TransferCase(
        own.trait, other.model, own.model, own.cases(b, other.projection[a]), own.projection[b]
    )


def _by_text(
    other: ModelProjections, own: ModelProjections, here: Integers
) -> tuple[Integers, str]:
    theirs, mine = other.scored, own.scored
    place = {case: index for index, case in enumerate(theirs.cases)}
    known = [(place[mine.cases[b]], int(b)) for b in here if mine.cases[b] in place]
    if not known:
        return _pairs(()), f"{other.model} read no response that {own.model} is judged on"
    # Two studies may mean another text by the same scenario and responder.
    same = [(a, b) for a, b in known if theirs.texts[a] == mine.texts[b]]
    return _pairs(same), f"the {len(known)} scenarios that both share have other texts in each"


def _by_scenario(
    other: ModelProjections, own: ModelProjections, here: Integers
) -> tuple[Integers, str]:
    there = np.flatnonzero(other.own())
    for model, members in ((other, there), (own, here)):
        scenarios = {model.scored.cases[i][0] for i in members}
        if len(scenarios) < len(members):
            return _pairs(()), (
                f"{model.model} read several responses to one scenario and wrote none of them, "
                "so there is no single one to use"
            )
    place = {other.scored.cases[a][0]: int(a) for a in there}
    mine = own.scored.cases
    pairs = [(place[mine[b][0]], int(b)) for b in here if mine[b][0] in place]
    return _pairs(pairs), f"{other.model} and {own.model} share no scenario"


def _pairs(found: Sequence[tuple[int, int]]) -> Integers:
    return np.array(found, dtype=np.intp).reshape(-1, 2)


def _nothing(other: ModelProjections, own: ModelProjections, why: str) -> TransferCase:
    empty = np.zeros(0)
    none = Cases.independent(empty, empty)
    return TransferCase(own.trait, other.model, own.model, none, empty, why)
