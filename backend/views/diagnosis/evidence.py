"""What the diagnosis of one cell looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from backend.core.cases import Bools, Floats
from backend.core.estimate import Estimate
from backend.core.first_token import FirstTokens
from backend.core.statistics.correlation import pearson
from backend.core.statistics.dependent import compare_dependent
from backend.core.vectors.methods import MASSIVE_REMOVED, MEAN_DIFFERENCE
from backend.settings import StatusThresholds
from backend.types import Pooling
from backend.views.diagnosis.thresholds import DOMINANCE


@dataclass(frozen=True)
class CellEvidence:
    """One (run, trait, prompt set, layer) with everything its rules need.

    Attributes:
        trait: the trait.
        layer: the layer.
        gram: inner products of the prompts, [n, n].
        high: True for the high pole, [n].
        dominance: share of ||v||^2 in its largest coordinate; None where v is zero.
        drifts: method -> projection drift (or level) of every case, [cases]; fitted methods from
            held-out scenarios; a method without a vector is missing.
        layer_drifts: layer -> the same for the mean difference.
        behaviour: score drift (or level) of every case, [cases].
        first_scores: score at t1, [cases]; None for levels.
        last_scores: score at tN (or the single one), [cases].
        score_range: lowest and highest allowed score.
        length_drift: drift (or level) of the response's number of tokens, [cases].
        thresholds: where a cell works.
        pooling: how the run pooled tokens.
        tokens: how many tokens each prompt's mean is over, [n]; None where not known.
        first: first token of each prompt, [n]; None where the run did not record it.
        response_first_share: median share of the first token over the responses of the run; None
            where not recorded.
    """

    trait: str
    layer: int
    gram: Floats
    high: Bools
    dominance: float | None
    drifts: Mapping[str, Floats]
    layer_drifts: Mapping[int, Floats]
    behaviour: Floats
    first_scores: Floats | None
    last_scores: Floats
    score_range: tuple[float, float]
    length_drift: Floats
    thresholds: StatusThresholds
    pooling: Pooling = "mean"
    tokens: Floats | None = None
    first: FirstTokens | None = None
    response_first_share: float | None = None

    @property
    def n(self) -> int:
        """Number of cases."""
        return len(self.behaviour)

    @property
    def scores(self) -> Floats:
        """All scores of the cases, [cases or 2 cases]."""
        if self.first_scores is None:
            return self.last_scores
        return np.concatenate([self.first_scores, self.last_scores])

    def r(self, method: str) -> Estimate:
        """r of a method; undefined with a reason where it has no vector."""
        drift = self.drifts.get(method)
        if drift is None:
            return Estimate.undefined(self.n, f"{method} has no vector here")
        return pearson(drift, self.behaviour)

    @property
    def massive(self) -> bool:
        """Whether one coordinate dominates the vector more than in healthy cells."""
        return self.dominance is not None and self.dominance >= DOMINANCE

    @property
    def unmassive_drift(self) -> Floats | None:
        """Drift of the mean difference, without massive coordinates where one dominates: beside
        it no other cause could be seen."""
        if self.massive and MASSIVE_REMOVED in self.drifts:
            return self.drifts[MASSIVE_REMOVED]
        return self.drifts.get(MEAN_DIFFERENCE)

    def gain(self, drift: Floats | None, base: Floats | None) -> Estimate:
        """r of one drift minus r of another, with Zou's interval and Williams's p."""
        if drift is None or base is None:
            return Estimate.undefined(self.n, "one of the two has no vector here")
        first, second = pearson(drift, self.behaviour), pearson(base, self.behaviour)
        between = pearson(drift, base)
        if first.r is None or second.r is None or between.value is None:
            reason = next(f.reason for f in (first, second, between) if f.r is None)
            return Estimate.undefined(self.n, reason or "a correlation is undefined")
        if between.value >= 1 - 1e-9:
            return Estimate(0.0, 0.0, 0.0, 1.0, self.n, "the fix changes nothing here")
        return compare_dependent(first.r, second.r, between.value, self.n)
