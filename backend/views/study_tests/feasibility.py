"""Could vectors be built from scored responses instead of prompts? (study, Part 3)"""

from __future__ import annotations

from collections.abc import Mapping

from backend.core.arrays import Floats
from backend.core.estimate import Estimate
from backend.core.finding import LEAD, Finding, Row, Verdict, not_computable
from backend.core.statistics.reliability import PoleCounts, count_poles
from backend.settings import StatusThresholds
from backend.views.study_tests.study_test import StudyEvidence, StudyTest

NAME = "feasibility"
QUESTION = "Are there enough responses of both poles for data-driven vectors?"
# Fewer examples of a pole than this, and one response can turn the vector.
LEAST = 20
# Of the score range: 6 and 2 on the study's scale of 0 to 10.
HIGH_SHARE, LOW_SHARE = 0.6, 0.2

Column = tuple[str, str]


def feasibility_counts(
    scores: Mapping[Column, Floats], at_least: float, at_most: float
) -> dict[Column, PoleCounts]:
    """(responder, trait) -> responses at or beyond the thresholds.

    Args:
        scores: (responder, trait) -> its scores.
        at_least: scores from here up are the high pole.
        at_most: scores up to here are the low pole.
    """
    return {key: count_poles(values, at_least, at_most) for key, values in scores.items()}


def feasibility_finding(
    counts: Mapping[Column, PoleCounts], at_least: float, at_most: float
) -> Finding:
    """Which responders and traits have enough of both poles.

    Args:
        counts: responses of each pole.
        at_least: lowest score of the high pole.
        at_most: highest score of the low pole.
    """
    if not counts:
        return not_computable(NAME, QUESTION, "there are no scored responses")
    lines = []
    for (responder, trait), found in counts.items():
        total = found.high + found.low + found.between
        note = f"of {total} responses"
        for sign, bound, count in (("≥", at_least, found.high), ("≤", at_most, found.low)):
            name = f"{responder}, {trait}: scores {sign} {bound:g}"
            lines.append(Row(name, Estimate.exact(count, total), note=note))
    enough = sum(found.feasible(LEAST) for found in counts.values())
    verdict: Verdict = "supported" if enough == len(counts) else "undetermined"
    if enough == 0:
        verdict = "ruled out"
    return Finding(
        NAME,
        QUESTION,
        verdict,
        f"{'Only for some.' if 0 < enough < len(counts) else LEAD[verdict]} "
        f"{enough} of {len(counts)} pairs of responder and trait have at least {LEAST} "
        f"responses of each pole (≥ {at_least:g} and ≤ {at_most:g}).",
        "Other thresholds give other counts. More responses may hold a pole that is rare here.",
        tuple(lines),
    )


def study_thresholds(score_range: tuple[float, float]) -> tuple[float, float]:
    """The study's thresholds of the high and of the low pole, carried to another scale.

    Args:
        score_range: lowest and highest allowed score.

    Returns:
        The lowest score of the high pole and the highest of the low pole.
    """
    low, high = score_range
    return low + HIGH_SHARE * (high - low), low + LOW_SHARE * (high - low)


def _of_evidence(evidence: StudyEvidence, _: StatusThresholds) -> Finding:
    bounds = study_thresholds(evidence.score_range)
    return feasibility_finding(feasibility_counts(evidence.scores, *bounds), *bounds)


TEST = StudyTest(NAME, QUESTION, _of_evidence)
