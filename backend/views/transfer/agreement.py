"""How far do responders behave alike, and what ceiling does that set? (study, Solution D)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.statistics.correlation import pearson
from backend.core.statistics.reliability import agreement_ceiling
from backend.store.run_values import CaseTexts

# Trait -> responder -> scenario -> score drift (or level).
Behaviours = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class Agreement:
    """Two responders' behaviour on one trait.

    Attributes:
        trait: the trait.
        first: a responder.
        second: another.
        r: correlation over the scenarios that both were scored on.
        ceiling: highest r a perfect measure of one can reach with the other; None if undefined.
    """

    trait: str
    first: str
    second: str
    r: Estimate
    ceiling: float | None


def behaviours(runs: Sequence[Mapping[str, CaseTexts]]) -> Behaviours:
    """The behaviour of every responder in the cases of some runs.

    Args:
        runs: trait -> cases of each; where two studies score one responder on one scenario, the
            first counts.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for run in runs:
        for trait, own in run.items():
            for (scenario, responder, _), value in zip(own.cases, own.behaviour, strict=True):
                of_responder = found.setdefault(trait, {}).setdefault(responder, {})
                of_responder.setdefault(scenario, float(value))
    return found


def groups_of(runs: Sequence[Mapping[str, CaseTexts]]) -> dict[str, str]:
    """Scenario -> what makes its cases dependent on others, in the cases of some runs.

    Args:
        runs: trait -> cases of each; where two studies disagree, the first counts.
    """
    found: dict[str, str] = {}
    for run in runs:
        for own in run.values():
            for (scenario, *_), group in zip(own.cases, own.groups, strict=True):
                found.setdefault(scenario, group)
    return found


def agreements(behaviours: Behaviours, groups: Mapping[str, str]) -> tuple[Agreement, ...]:
    """Every pair of responders on every trait.

    Args:
        behaviours: of every responder.
        groups: scenario -> its group of dependent scenarios.
    """
    return tuple(
        _agreement(trait, (first, second), (responders[first], responders[second]), groups)
        for trait, responders in behaviours.items()
        for first, second in combinations(responders, 2)
    )


def _agreement(
    trait: str,
    names: tuple[str, str],
    scores: tuple[Mapping[str, float], Mapping[str, float]],
    groups: Mapping[str, str],
) -> Agreement:
    shared = sorted(set(scores[0]) & set(scores[1]))
    x, y = (np.array([own[scenario] for scenario in shared], np.float64) for own in scores)
    # A case is a scenario here: two responders stand in it, so none is its responder.
    r = pearson(Cases.of_study(x, y, shared, (), [groups[scenario] for scenario in shared]))
    ceiling = None if r.value is None else agreement_ceiling(r.value)
    return Agreement(trait, *names, r, ceiling)
