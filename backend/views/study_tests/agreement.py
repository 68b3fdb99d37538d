"""Is behaviour too unlike between responders for vectors to transfer? (study, Solution D)"""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.finding import LEAD, Finding, Row, Verdict, not_computable
from backend.settings import StatusThresholds
from backend.views.study_tests.study_test import StudyEvidence, StudyTest
from backend.views.transfer.agreement import Agreement, agreements

NAME = "agreement"
QUESTION = "Does behaviour differ too much between models for vectors to transfer?"


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
        f"{_lead(verdict, len(capped), len(found))} r of a perfect measure of one responder's "
        f"behaviour with the other's would be {working:g} at most in {len(below)} of {len(found)} "
        f"pairs; the whole 95% interval is that low in {len(capped)} of them.",
        "The ceiling limits a measure of one responder's behaviour used on another. A model that "
        "reads the other's own text can do better, and noise of the judge lowers agreement too. "
        "Each interval is of its own pair: at the threshold, one in 40 stays below by chance.",
        lines,
    )


def _lead(verdict: Verdict, capped: int, pairs: int) -> str:
    if verdict == "supported" and capped < pairs:
        return f"Yes in {capped} of {pairs} pairs."
    return LEAD[verdict]


def _of_evidence(evidence: StudyEvidence, thresholds: StatusThresholds) -> Finding:
    return agreement_finding(agreements(evidence.behaviours, evidence.groups), thresholds.working)


TEST = StudyTest(NAME, QUESTION, _of_evidence)
