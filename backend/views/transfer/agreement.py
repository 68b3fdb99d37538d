"""How far do responders behave alike, and what ceiling does that set? (study, Solution D)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from backend.core.estimate import Estimate
from backend.core.finding import Finding, Row, Verdict, not_computable
from backend.core.statistics.correlation import pearson
from backend.core.statistics.reliability import agreement_ceiling

NAME = "agreement"
QUESTION = "Does behaviour differ too much between models for vectors to transfer?"


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


def agreements(
    behaviours: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> tuple[Agreement, ...]:
    """Every pair of responders on every trait.

    Args:
        behaviours: trait -> responder -> scenario -> score drift (or level).
    """
    found = []
    for trait, responders in behaviours.items():
        for first, second in combinations(responders, 2):
            a, b = responders[first], responders[second]
            shared = sorted(set(a) & set(b))
            r = pearson(np.array([a[s] for s in shared]), np.array([b[s] for s in shared]))
            ceiling = None if r.value is None else agreement_ceiling(r.value)
            found.append(Agreement(trait, first, second, r, ceiling))
    return tuple(found)


def agreement_finding(found: Sequence[Agreement], working: float) -> Finding:
    """The agreement of every pair of responders, as a ceiling on transfer.

    Args:
        found: the agreements.
        working: r above which a trait counts as working.
    """
    if not found:
        return not_computable(NAME, QUESTION, "it needs scored responses of two responders")
    lines = tuple(
        Row(f"{f.trait}: {f.first} v {f.second}", f.r, note="also the ceiling of r") for f in found
    )
    below = [f for f in found if f.ceiling is not None and f.ceiling <= working]
    capped = [f for f in found if f.r.high is not None and f.r.high <= working]
    free = [f for f in found if f.r.low is not None and f.r.low > working]
    verdict: Verdict = "supported" if capped else "undetermined"
    if len(free) == len(found):
        verdict = "ruled out"
    return Finding(
        NAME,
        QUESTION,
        verdict,
        f"In {len(below)} of {len(found)} pairs a perfect measure of one responder's behaviour "
        f"could not work (r > {working:g}) on the other's, for {len(capped)} of them with its "
        "whole 95% interval.",
        "The ceiling binds a measure of one responder's behaviour used on another. A model that "
        "reads the other's own text can do better, and noise of the judge lowers agreement too.",
        lines,
    )
