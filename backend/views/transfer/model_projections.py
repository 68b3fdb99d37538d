"""What one model makes of the cases of a trait: the material of comparisons of models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Bools, Floats, Integers
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.statistics.correlation import pearson
from backend.store.run_values import CaseTexts, RunSummary


@dataclass(frozen=True, eq=False)
class ModelProjections:
    """The projections of one trait's cases on one model's vector.

    Attributes:
        trait: the trait.
        model: whose activations, by the name on screen.
        responders: names under which the model may have written responses.
        scored: the cases, all different, with their texts and behaviour.
        projection: projection drift (or level), [n]; None where there is none.
        reason: why there is no projection.
    """

    trait: str
    model: str
    responders: tuple[str, ...]
    scored: CaseTexts
    projection: Floats | None
    reason: str | None = None

    def own(self) -> Bools:
        """Which cases count as the model's behaviour: its own responses if there are any, else
        all, [n]."""
        mine = np.array([who in self.responders for _, who, _ in self.scored.cases], dtype=bool)
        return mine if mine.any() else np.ones(len(mine), dtype=bool)

    def judged_on(self) -> frozenset[str]:
        """Who wrote the responses whose scores count as the model's behaviour."""
        return frozenset(self.scored.cases[row][1] for row in np.flatnonzero(self.own()))

    def own_r(self) -> Estimate:
        """r of the projections with the model's behaviour; undefined without projections."""
        if self.projection is None:
            return Estimate.undefined(0, self.reason or "it has no projections")
        rows = np.flatnonzero(self.own())
        return pearson(self.cases(rows, self.projection[rows]))

    def cases(self, rows: Integers, x: Floats) -> Cases:
        """Some of the cases with a predictor of their behaviour.

        Args:
            rows: positions of the cases.
            x: the predictor, a value a row.
        """
        chosen = [self.scored.cases[row] for row in rows]
        return Cases.of_study(
            x,
            self.scored.behaviour[rows],
            [scenario for scenario, _, _ in chosen],
            [responder for _, responder, _ in chosen],
            [self.scored.groups[row] for row in rows],
        )


def responder_names(run: RunSummary) -> tuple[str, ...]:
    """Names under which a study may list the run's model as a responder."""
    return (run.record.model_name, run.record.model)
