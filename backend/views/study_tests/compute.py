"""The study's ten tests, on any study: a new one is a file of its own and a line here."""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.finding import Finding
from backend.settings import StatusThresholds
from backend.store.run import Run
from backend.views.study_tests import (
    agreement,
    compression,
    feasibility,
    layers,
    prompt_cosine,
    prompt_sets,
    ranks,
    scorecard,
    transfer,
    units,
)
from backend.views.study_tests.evidence import study_evidence
from backend.views.study_tests.study_test import StudyEvidence, StudyTest

# In the study's order.
TESTS: list[StudyTest] = [
    scorecard.TEST,
    layers.TEST,
    compression.TEST,
    ranks.TEST,
    prompt_sets.TEST,
    transfer.TEST,
    prompt_cosine.TEST,
    units.TEST,
    feasibility.TEST,
    agreement.TEST,
]


def study_findings(evidence: StudyEvidence, thresholds: StatusThresholds) -> tuple[Finding, ...]:
    """What every registered test finds, in order; a test whose data are missing says so.

    Args:
        evidence: what the runs hold.
        thresholds: where a status changes.
    """
    return tuple(test.finding(evidence, thresholds) for test in TESTS)


def findings_of_study(
    runs: Sequence[Run], prompt_set: str, thresholds: StatusThresholds
) -> tuple[Finding, ...]:
    """The study's ten tests over some runs of one study.

    Args:
        runs: one per model.
        prompt_set: which prompts the vectors are built from.
        thresholds: where a status changes.

    Raises:
        StoreError: no runs, or runs of different studies.
    """
    return study_findings(study_evidence(runs, prompt_set), thresholds)
