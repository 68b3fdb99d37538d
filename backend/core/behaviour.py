"""Which responses enter the r of a trait, and with which behaviour value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.turns import ends_of, turn_order
from backend.types import Response, Target, turns_of


@dataclass(frozen=True)
class Behaviour:
    """The cases of one trait, ordered by scenario and responder.

    Attributes:
        target: ``drift`` (last minus first turn) or ``level`` (the single response).
        scenarios: scenario id per case, [cases].
        responders: who responded, [cases].
        groups: what makes cases dependent, [cases]: by default the scenario.
        first: index of the first turn's response per case; None for levels.
        last: index of the last turn's (or the single) response per case, [cases].
        values: score drift or score level per case, [cases], score units.
    """

    target: Target
    scenarios: tuple[str, ...]
    responders: tuple[str, ...]
    groups: tuple[str, ...]
    first: NDArray[np.intp] | None
    last: NDArray[np.intp]
    values: NDArray[np.float64]

    def drift_of(self, values: Floats) -> Floats:
        """Drift (or level) over the cases of what every response has, [cases].

        Args:
            values: of every response, [N].
        """
        last: Floats = values[self.last]
        return last if self.first is None else last - values[self.first]

    def cases(self, x: Floats) -> Cases:
        """The cases with a predictor of the behaviour, [cases]."""
        return self._cases.with_x(x)

    @cached_property
    def _cases(self) -> Cases:
        values = self.values
        return Cases.of_study(values, values, self.scenarios, self.responders, self.groups)


def behaviour_of(responses: Sequence[Response], trait: str, target: Target) -> Behaviour:
    """The cases of ``trait``: a case needs every response it uses to be scored on the trait.

    With ``drift`` a case is a conversation, a (scenario, responder), with two turns or more: its
    first and its last. They are those of the conversation and not of its scored responses, so
    that every trait's drift is between the same turns. With ``level`` a case is one response.
    With ``none`` there are no cases.
    """
    scored = {
        (response.scenario, response.responder, response.turn): index
        for index, response in enumerate(responses)
        if trait in response.scores
    }
    if target == "drift":
        ends = {
            place: found
            for place, turns in sorted(turns_of(responses).items())
            if (found := ends_of(turns)) and all((*place, turn) in scored for turn in found)
        }
        pairs = list(ends)
        first = np.array([scored[*pair, ends[pair][0]] for pair in pairs], dtype=np.intp)
        last = np.array([scored[*pair, ends[pair][1]] for pair in pairs], dtype=np.intp)
        values = _scores(responses, trait, last) - _scores(responses, trait, first)
    else:
        chosen = sorted(scored, key=lambda key: (key[0], key[1], turn_order(key[2])))
        pairs = [(scenario, responder) for scenario, responder, _ in chosen]
        first = None
        last = np.array([scored[key] for key in chosen], dtype=np.intp)
        values = _scores(responses, trait, last)
    return Behaviour(
        target=target,
        scenarios=tuple(scenario for scenario, _ in pairs),
        responders=tuple(responder for _, responder in pairs),
        groups=tuple(responses[i].dependence for i in last),
        first=first,
        last=last,
        values=values,
    )


def _scores(
    responses: Sequence[Response], trait: str, indices: NDArray[np.intp]
) -> NDArray[np.float64]:
    return np.array([responses[i].scores[trait] for i in indices], dtype=np.float64)
