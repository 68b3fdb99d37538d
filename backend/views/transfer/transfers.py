"""Do another model's projections predict a model's behaviour better than its own? (Evidence 1)"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.cases import Floats
from backend.core.estimate import Estimate
from backend.core.finding import Finding, Row, Verdict, not_computable
from backend.core.statistics.correlation import pearson
from backend.core.statistics.dependent import compare_dependent
from backend.core.statistics.multiple import benjamini_hochberg

NAME = "transfer"
QUESTION = "Do other models' vectors predict a model's behaviour better than its own?"


@dataclass(frozen=True)
class TransferCase:
    """Two models' projections of the same cases, and the behaviour both should predict.

    Attributes:
        trait: the trait.
        activation_model: A, whose projections are tried on B.
        behaviour_model: B, whose behaviour is to be predicted.
        other: A's projection drift (or level) at A's best layer, [n].
        own: B's at B's best layer, [n].
        behaviour: B's score drift (or level), [n].
        reason: why there are no cases; None if there are.
    """

    trait: str
    activation_model: str
    behaviour_model: str
    other: Floats
    own: Floats
    behaviour: Floats
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
    n = len(case.behaviour)
    if case.reason is not None:
        none = Estimate.undefined(n, case.reason)
        return Transfer(
            case.trait,
            case.activation_model,
            case.behaviour_model,
            none,
            none,
            None,
            Estimate.undefined(n, case.reason),
        )
    self_r, cross_r = pearson(case.own, case.behaviour), pearson(case.other, case.behaviour)
    between = pearson(case.other, case.own)
    if self_r.value is None or cross_r.value is None or between.value is None:
        reason = next(f.reason for f in (self_r, cross_r, between) if f.r is None)
        difference = Estimate.undefined(n, reason or "a correlation is undefined")
    else:
        difference = compare_dependent(cross_r.value, self_r.value, between.value, n)
    return Transfer(
        case.trait,
        case.activation_model,
        case.behaviour_model,
        self_r,
        cross_r,
        between.value,
        difference,
    )


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


def transfer_finding(found: Sequence[Transfer]) -> Finding:
    """All ordered pairs of models, every trait.

    Args:
        found: the transfers, tested together.
    """
    if not found:
        return not_computable(NAME, QUESTION, "it needs runs of two models on one study")
    lines = []
    for f in found:
        name = f"{f.trait}: {f.activation_model} -> {f.behaviour_model}"
        lines += [
            Row(f"{name}, self", f.self_r),
            Row(f"{name}, cross", f.cross_r),
            Row(
                f"{name}, cross - self",
                f.difference,
                note=""
                if f.adjusted_p is None
                else f"Benjamini-Hochberg p over all transfers {f.adjusted_p:.2g}",
            ),
        ]
    signs = {(f.trait, f.activation_model, f.behaviour_model): f.difference.value for f in found}
    mirrored = any(
        value is not None and value == -(signs.get((trait, other, own)) or math.nan)
        for (trait, own, other), value in signs.items()
    )
    better = [f for f in found if (f.difference.value or 0) > 0]
    sure = [f for f in better if f.adjusted_p is not None and f.adjusted_p < 0.05]
    verdict: Verdict = "supported" if sure else "undetermined"
    if all(f.difference.high is not None and f.difference.high <= 0 for f in found):
        verdict = "ruled out"
    return Finding(
        NAME,
        QUESTION,
        verdict,
        f"The other model's r is the higher in {len(better)} of {len(found)} transfers, "
        f"significantly (Benjamini-Hochberg 5%) in {len(sure)}.",
        "Each model's layer was chosen by its own r. A higher foreign r says that the other model "
        "reads the text better, not that its vector would steer this one."
        + (
            " All models are tried on the same responses here, so A -> B and B -> A are one "
            "comparison with its sign turned: half of all transfers are higher by construction."
            if mirrored
            else ""
        ),
        tuple(lines),
    )
