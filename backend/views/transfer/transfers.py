"""Do another model's projections predict a model's behaviour better than its own? (Evidence 1)"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.statistics.dependent import compare_dependent, compare_predictors
from backend.core.statistics.multiple import benjamini_hochberg


@dataclass(frozen=True, eq=False)
class TransferCase:
    """Two models' projections of the same cases, and the behaviour both should predict.

    Attributes:
        trait: the trait.
        activation_model: A, whose projections are tried on B.
        behaviour_model: B, whose behaviour is to be predicted.
        cases: x is A's projection drift (or level), y is B's score drift (or level).
        own: B's projection drift (or level) of the same cases, [n].
        reason: why there are no cases; None if there are.
    """

    trait: str
    activation_model: str
    behaviour_model: str
    cases: Cases
    own: Floats
    reason: str | None = None


@dataclass(frozen=True)
class Transfer:
    """A -> B on one trait.

    Attributes:
        trait: the trait.
        activation_model: A.
        behaviour_model: B.
        self_r: r of B's own projections with B's behaviour.
        cross_r: r of A's projections with it.
        between: r of the two projections; None where undefined.
        difference: cross_r - self_r with Zou's interval and Williams's p.
        adjusted_p: Benjamini-Hochberg p over all transfers tested together.
    """

    trait: str
    activation_model: str
    behaviour_model: str
    self_r: Estimate
    cross_r: Estimate
    between: float | None
    difference: Estimate
    adjusted_p: float | None = None


def transfers(cases: Sequence[TransferCase]) -> tuple[Transfer, ...]:
    """Test every A -> B; p is adjusted over all of them.

    Args:
        cases: one per trait and ordered pair of models.
    """
    found = [_transfer(case) for case in cases]
    adjusted = benjamini_hochberg([f.difference.p for f in found])
    return tuple(dataclasses.replace(f, adjusted_p=p) for f, p in zip(found, adjusted, strict=True))


def _transfer(case: TransferCase) -> Transfer:
    models = (case.trait, case.activation_model, case.behaviour_model)
    if case.reason is not None:
        none = Estimate.undefined(len(case.cases), case.reason)
        return Transfer(*models, none, none, None, none)
    found = compare_predictors(case.cases, case.own)
    return Transfer(*models, found.second, found.first, found.between.value, found.difference)


def least_between(self_r: float, cross_r: float, n: int, level: float = 0.05) -> float | None:
    """The smallest correlation of two projections at which cross_r - self_r would be significant.

    The more two predictors agree, the smaller a difference the test can see; where that
    correlation was not published, this bounds what can be said. None if no correlation below
    0.999 suffices, or if three such correlations cannot exist together.

    Args:
        self_r: r of the own projections.
        cross_r: r of the foreign ones.
        n: number of cases.
        level: of the two-sided p.
    """
    for between in np.arange(0.0, 0.9995, 0.001):
        determinant = (
            1 - self_r**2 - cross_r**2 - between**2 + 2 * self_r * cross_r * float(between)
        )
        if determinant <= 0:
            return None
        p = compare_dependent(cross_r, self_r, float(between), n).p
        if p is not None and p < level:
            return float(between)
    return None
