"""The reliability of a judge, from what a run holds of repeated scores."""

from __future__ import annotations

from backend.core.cases import group_numbers
from backend.core.statistics.reliability import Reliability, judge_reliability
from backend.store.run_values import RepeatedScores


def reliability_of(repeated: RepeatedScores) -> Reliability:
    """How well the scores of one trait agree with themselves, within responders.

    Args:
        repeated: the cases that were scored several times.
    """
    strata = group_numbers(repeated.responders)
    return judge_reliability(repeated.scorings, strata, every=repeated.every)
