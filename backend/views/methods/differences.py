"""Does a method of building vectors beat the mean difference, and by how much?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.core.cases import Floats
from backend.core.estimate import Estimate
from backend.core.statistics.correlation import pearson
from backend.core.statistics.dependent import compare_dependent
from backend.core.statistics.held_out_choice import held_out_choice
from backend.core.statistics.multiple import benjamini_hochberg
from backend.core.statistics.paired import paired_difference


@dataclass(frozen=True)
class MethodDifference:
    """A method's r minus the baseline's on one trait.

    Attributes:
        difference: with Zou's interval and Williams's p: both r share the behaviour.
        between: r of the two projections; None where undefined.
        adjusted_p: Benjamini-Hochberg p over all methods and traits compared together.
    """

    difference: Estimate
    between: float | None
    adjusted_p: float | None = None


@dataclass(frozen=True)
class MethodOverTraits:
    """A method against the baseline over traits.

    Attributes:
        z: mean difference of Fisher's z with Student's t interval and p over traits.
        r: mean difference of r, plain.
        won: traits where the method's r is the higher.
        lost: traits where it is the lower.
        surely_won: traits where it is the higher by the adjusted p (5%).
        surely_lost: traits where it is the lower by it.
        adjusted_p: Benjamini-Hochberg p of z over methods.
    """

    z: Estimate
    r: float | None
    won: int
    lost: int
    surely_won: int
    surely_lost: int
    adjusted_p: float | None = None


Drift = tuple[Floats, Floats]


def differences_to(
    baseline: str, drifts: Mapping[str, Mapping[str, Floats]], behaviour: Mapping[str, Floats]
) -> dict[tuple[str, str], MethodDifference]:
    """Every method against one of them, trait by trait.

    Args:
        baseline: the method that the others are compared with.
        drifts: trait -> method -> drift (or level) of its projections, [n].
        behaviour: trait -> drift (or level) of the scores, [n].

    Returns:
        (method, trait) -> difference, for the traits on which the baseline has projections.
    """
    found: dict[tuple[str, str], MethodDifference] = {}
    for trait, by_method in drifts.items():
        if baseline not in by_method:
            continue
        y, base = behaviour[trait], by_method[baseline]
        r_base = pearson(base, y)
        for method, drift in by_method.items():
            if method == baseline:
                continue
            r, between = pearson(drift, y), pearson(drift, base)
            if r.value is None or r_base.value is None or between.value is None:
                reason = r.reason or r_base.reason or between.reason or "r is undefined"
                difference = Estimate.undefined(len(y), reason)
            elif between.value >= 1 - 1e-9:
                difference = Estimate(
                    0.0, None, None, None, len(y), "both vectors project alike here"
                )
            else:
                difference = compare_dependent(r.value, r_base.value, between.value, len(y))
            found[method, trait] = MethodDifference(difference, between.value)
    adjusted = benjamini_hochberg([f.difference.p for f in found.values()])
    return {
        key: MethodDifference(f.difference, f.between, p)
        for (key, f), p in zip(found.items(), adjusted, strict=True)
    }


def over_traits(
    baseline: str,
    rs: Mapping[tuple[str, str], float | None],
    differences: Mapping[tuple[str, str], MethodDifference],
) -> dict[str, MethodOverTraits]:
    """Every method against the baseline over the traits on which both have r.

    The t test takes traits as independent. They share their responses, so its interval is too
    narrow rather than too wide.

    Args:
        baseline: the method that the others are compared with.
        rs: (method, trait) -> r to compare; None where undefined.
        differences: of single traits, for the counts that are sure.
    """
    found: dict[str, MethodOverTraits] = {}
    for method in dict.fromkeys(name for name, _ in rs if name != baseline):
        pairs = [
            (trait, r, base)
            for (name, trait), r in rs.items()
            if name == method and r is not None and (base := rs.get((baseline, trait))) is not None
        ]
        first, second = (np.array([_z(pair[i]) for pair in pairs]) for i in (1, 2))  # type: ignore[arg-type]
        sure = [
            difference.difference.value
            for trait, _, _ in pairs
            if (difference := differences.get((method, trait))) is not None
            and difference.adjusted_p is not None
            and difference.adjusted_p < 0.05
        ]
        found[method] = MethodOverTraits(
            z=paired_difference(first, second),
            r=float(np.mean([r - base for _, r, base in pairs])) if pairs else None,
            won=sum(r > base for _, r, base in pairs),
            lost=sum(r < base for _, r, base in pairs),
            surely_won=sum(value > 0 for value in sure if value is not None),
            surely_lost=sum(value < 0 for value in sure if value is not None),
        )
    adjusted = benjamini_hochberg([f.z.p for f in found.values()])
    return {
        method: MethodOverTraits(f.z, f.r, f.won, f.lost, f.surely_won, f.surely_lost, p)
        for (method, f), p in zip(found.items(), adjusted, strict=True)
    }


def chosen_on_halves(
    drifts: Mapping[tuple[str, int], Floats], behaviour: Floats, scenarios: NDArray[np.intp]
) -> Estimate:
    """r of the best of several vectors, chosen on one half of the scenarios, measured on the other.

    Args:
        drifts: (method, layer) -> drift (or level) of its projections, [n].
        behaviour: drift (or level) of the scores, [n].
        scenarios: scenario of each case as 0..k-1, [n].
    """
    if not drifts:
        return Estimate.undefined(len(behaviour), "no method has a vector here")
    return held_out_choice(np.stack(list(drifts.values())), behaviour, scenarios)


def _z(r: float) -> float:
    return math.atanh(max(-1 + 1e-12, min(1 - 1e-12, r)))
