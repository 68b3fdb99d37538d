"""Could vectors be learned from scored responses? Counts of scores at movable thresholds."""

from __future__ import annotations

from dataclasses import dataclass

from backend.core.finding import Finding
from backend.core.statistics.reliability import PoleCounts
from backend.errors import SteerscopeError
from backend.store.run import Run
from backend.views.study_tests.feasibility import (
    feasibility_counts,
    feasibility_finding,
    study_thresholds,
)

# Of a threshold's slider, over the whole scale.
STEPS = 20


@dataclass(frozen=True)
class ScoreScale:
    """The judge's scale, who was scored, and thresholds to begin with.

    Attributes:
        low: lowest allowed score.
        high: highest allowed score.
        step: of a threshold's slider, score units.
        at_least: the study's threshold of the high pole, carried to this scale.
        at_most: of the low pole.
        responders: whose responses were scored, sorted.
    """

    low: float
    high: float
    step: float
    at_least: float
    at_most: float
    responders: tuple[str, ...]


@dataclass(frozen=True)
class Feasibility:
    """Counts at two thresholds.

    Attributes:
        counts: (responder, trait) -> responses of each pole.
        finding: whether these suffice, with the caveat.
    """

    counts: dict[tuple[str, str], PoleCounts]
    finding: Finding


def score_scale(run: Run) -> ScoreScale:
    """The scale of a run's study."""
    low, high = run.score_range
    at_least, at_most = study_thresholds((low, high))
    return ScoreScale(
        low=low,
        high=high,
        step=(high - low) / STEPS,
        at_least=at_least,
        at_most=at_most,
        responders=tuple(sorted({responder for responder, _ in run.scores()})),
    )


def feasibility(run: Run, at_least: float, at_most: float) -> Feasibility:
    """How many responses reach two thresholds, per responder and trait (study, Part 3).

    Args:
        run: an open run.
        at_least: scores from here up are the high pole.
        at_most: scores up to here are the low pole.

    Raises:
        SteerscopeError: the thresholds overlap.
    """
    if at_most >= at_least:
        raise SteerscopeError(
            f"A response scored {at_least:g} would belong to both poles "
            f"(high from {at_least:g} up, low up to {at_most:g}).",
            expected="a low threshold below the high one.",
            remedy="move the two sliders apart.",
        )
    counts = feasibility_counts(run.scores(), at_least, at_most)
    return Feasibility(counts, feasibility_finding(counts, at_least, at_most))
