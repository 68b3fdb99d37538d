"""Which responses enter the r of a trait, and with which behaviour value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.types import Response, Target


@dataclass(frozen=True)
class Behaviour:
    """The cases of one trait, ordered by scenario and responder.

    Attributes:
        target: ``drift`` (tN minus t1) or ``level`` (the single response).
        scenarios: scenario id per case, [cases].
        responders: who responded, [cases].
        groups: what makes cases dependent, [cases]: by default the scenario.
        first: index of the t1 response per case; None for levels.
        last: index of the tN (or single) response per case, [cases].
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
        return Cases.of_study(x, self.values, self.scenarios, self.responders, self.groups)


def behaviour_of(responses: Sequence[Response], trait: str, target: Target) -> Behaviour:
    """The cases of ``trait``: a case needs every response it uses to be scored on the trait.

    With ``drift`` a case is a (scenario, responder) with both turns; others are left out. With
    ``level`` a case is one response. With ``none`` there are no cases.
    """
    scored = {
        (response.scenario, response.responder, response.turn): index
        for index, response in enumerate(responses)
        if trait in response.scores
    }
    if target == "drift":
        pairs = sorted(
            (scenario, responder)
            for scenario, responder, turn in scored
            if turn == "tN" and (scenario, responder, "t1") in scored
        )
        first = np.array([scored[(s, r, "t1")] for s, r in pairs], dtype=np.intp)
        last = np.array([scored[(s, r, "tN")] for s, r in pairs], dtype=np.intp)
        values = _scores(responses, trait, last) - _scores(responses, trait, first)
    else:
        chosen = sorted(scored, key=lambda key: (key[0], key[1], key[2] or ""))
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
