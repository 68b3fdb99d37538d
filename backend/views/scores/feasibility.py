"""Counts of scores at movable thresholds, and the study's tests of its judge."""

from __future__ import annotations

from dataclasses import dataclass

from backend.core.finding import Finding
from backend.core.statistics.reliability import PoleCounts
from backend.errors import SteerscopeError
from backend.settings import Settings
from backend.views.study_tests import compression, ranks
from backend.views.study_tests.evidence import findings_of_study, read_scores
from backend.views.study_tests.feasibility import feasibility_counts, feasibility_finding
from backend.views.study_tests.tests import HIGH_SHARE, LOW_SHARE


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


def score_scale(settings: Settings, run_id: str) -> ScoreScale:
    """The scale of a run's study.

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    with reading_run(settings, run_id) as connection:
        scores, (low, high) = read_scores(connection)
    size = high - low
    return ScoreScale(
        low=low,
        high=high,
        step=size / 20,
        at_least=low + HIGH_SHARE * size,
        at_most=low + LOW_SHARE * size,
        responders=tuple(sorted({responder for responder, _ in scores})),
    )


def feasibility(settings: Settings, run_id: str, at_least: float, at_most: float) -> Feasibility:
    """How many responses reach two thresholds, per responder and trait (study, Part 3).

    Args:
        settings: where the store is.
        run_id: a published run.
        at_least: scores from here up are the high pole.
        at_most: scores up to here are the low pole.

    Raises:
        SteerscopeError: the thresholds overlap.
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    if at_most >= at_least:
        raise SteerscopeError(
            f"A response scored {at_least:g} would belong to both poles "
            f"(high from {at_least:g} up, low up to {at_most:g}).",
            expected="a low threshold below the high one.",
            remedy="move the two sliders apart.",
        )
    with reading_run(settings, run_id) as connection:
        scores, _ = read_scores(connection)
    counts = feasibility_counts(scores, at_least, at_most)
    return Feasibility(counts, feasibility_finding(counts, at_least, at_most))


def score_findings(
    settings: Settings, run_ids: tuple[str, ...], prompt_set: str
) -> tuple[Finding, Finding]:
    """Two of the study's tests on some runs of one study: compression, and Pearson v Spearman.

    Args:
        settings: where the store is, and the thresholds of a status.
        run_ids: the runs, one per model.
        prompt_set: which prompts the vectors are built from.

    Raises:
        RunNotFound, UnreadableFile, StoreError: as for findings_of_study.
    """
    by_name = {f.name: f for f in findings_of_study(settings, run_ids, prompt_set)}
    return by_name[compression.NAME], by_name[ranks.NAME]
