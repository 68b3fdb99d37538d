"""What is said about the study's tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from backend.core.finding import Finding
from backend.views.study_tests.compute import TESTS as REGISTERED

Confidence = Literal["well supported", "uncertain", "no data"]

TESTS = (
    "Open a row for its numbers, caveat and chart. Well supported: the data decide the question. "
    "Uncertain: the intervals also allow the other answer."
)
CHART = "Each number of the table above, with its 95% interval where it has one."
CHECK = "A check of the printed tables, which is no test of the study:"


def confidence(finding: Finding) -> Confidence:
    """How far the answer of a finding can be trusted."""
    if not finding.decidable:
        return "no data"
    return "uncertain" if finding.verdict == "undetermined" else "well supported"


def split(findings: Sequence[Finding]) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """The registered tests, and what only checks the tables they were computed from."""
    names = {test.name for test in REGISTERED}
    return (
        tuple(found for found in findings if found.name in names),
        tuple(found for found in findings if found.name not in names),
    )


def summary(findings: Sequence[Finding]) -> str:
    """How many tests decide their question, in words.

    Args:
        findings: of the registered tests.
    """
    kinds = [confidence(found) for found in findings]
    said = (
        f"{kinds.count('well supported')} of {len(kinds)} questions are decided by these data, "
        f"{kinds.count('uncertain')} are uncertain"
    )
    missing = kinds.count("no data")
    return f"{said}, {missing} have no data." if missing else f"{said}."
