"""What the diagnosis of one cell looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backend.core.arrays import Bools, Floats
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.statistics.correlation import pearson
from backend.core.statistics.dependent import compare_predictors
from backend.core.vectors.methods import MASSIVE_REMOVED, MEAN_DIFFERENCE
from backend.settings import StatusThresholds
from backend.store.run_values import PromptFirstTokens, ScoredCases
from backend.views.diagnosis.thresholds import DOMINANCE


@dataclass(frozen=True, eq=False)
class CellEvidence:
    """One (run, trait, prompt set, layer) with everything its rules need.

    Attributes:
        trait: the trait.
        layer: the layer.
        gram: inner products of the prompts, [n, n].
        high: True for the high pole, [n].
        dominance: share of ||v||^2 in its largest coordinate.
        drifts: method -> projection drift (or level) of every case, [cases]; fitted methods from
            held-out scenarios; a method without a vector is missing.
        layer_drifts: layer -> the same for the mean difference.
        cases: who they are of, their scores, behaviour and lengths.
        score_range: lowest and highest allowed score.
        thresholds: where a cell works.
        first_tokens: first token of each prompt, how many tokens each is pooled from, and how.
    """

    trait: str
    layer: int
    gram: Floats
    high: Bools
    dominance: Estimate
    drifts: Mapping[str, Floats]
    layer_drifts: Mapping[int, Floats]
    cases: ScoredCases
    score_range: tuple[float, float]
    thresholds: StatusThresholds
    first_tokens: PromptFirstTokens

    @property
    def n(self) -> int:
        """Number of cases."""
        return len(self.cases)

    @property
    def scores(self) -> Floats:
        """All scores of the cases, [cases or 2 cases]."""
        if self.cases.first is None:
            return self.cases.last
        return np.concatenate([self.cases.first, self.cases.last])

    def paired(self, drift: Floats) -> Cases:
        """The cases with a drift (or level), [cases], that should predict their behaviour."""
        return self._paired.with_x(drift)

    @cached_property
    def _paired(self) -> Cases:
        # Who a case is of is worked out once: every rule asks for correlations over them.
        return self.cases.cases(self.cases.behaviour)

    def r(self, method: str) -> Estimate:
        """r of a method; undefined with a reason where it has no vector."""
        drift = self.drifts.get(method)
        if drift is None:
            return Estimate.undefined(self.n, f"{method} has no vector here")
        return pearson(self.paired(drift))

    @property
    def massive(self) -> bool:
        """Whether one coordinate dominates the vector more than in healthy cells."""
        return self.dominance.value is not None and self.dominance.value >= DOMINANCE

    @property
    def unmassive_drift(self) -> Floats | None:
        """Drift of the mean difference, without massive coordinates where one dominates: beside
        it no other cause could be seen."""
        if self.massive and MASSIVE_REMOVED in self.drifts:
            return self.drifts[MASSIVE_REMOVED]
        return self.drifts.get(MEAN_DIFFERENCE)

    def gain(self, drift: Floats | None, base: Floats | None) -> Estimate:
        """r of one drift minus r of another; undefined where one of the two is missing."""
        if drift is None or base is None:
            return Estimate.undefined(self.n, "one of the two has no vector here")
        return gain(self.paired(drift), base)


def gain(cases: Cases, base: Floats) -> Estimate:
    """r of the cases' x minus r of another predictor, with Zou's interval and Williams's p.

    Exactly 0 where the two are the same but for rounding.

    Args:
        cases: with the drift of a fix as x.
        base: drift without the fix, [cases].
    """
    found = compare_predictors(cases, base)
    if found.alike and found.first.value is not None and found.second.value is not None:
        return Estimate(0.0, 0.0, 0.0, 1.0, len(cases), "the fix changes nothing here")
    return found.difference
