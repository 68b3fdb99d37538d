"""A vector that other prompts of the same kind would not give."""

from __future__ import annotations

import math

from backend.core.finding import Row, Verdict
from backend.core.metrics.stability import OPPOSED
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Judgement, Rule, Subject
from backend.views.diagnosis.evidence import CellEvidence

CAUSE, TITLE = "unstable_vector", "Vector depends on the choice of prompts"
# Beyond so many prompts a pole nobody will write them.
_MOST = 1000
_SUBJECT = Subject(
    CAUSE,
    TITLE,
    "A concept that differs from prompt to prompt, so that each half reads another side of it.",
    "Write more prompts, or prompts that differ in nothing but the trait, and extract again.",
)


def judge(evidence: CellEvidence, _: Earlier) -> Judgement:
    """Whether the vector is mostly of the prompts that happened to be written.

    Measured: split-half stability, the cosine that the vector is expected to have with one from as
    many other prompts of the same kind. Why: what single prompts bring is averaged out only by
    many of them, and what is left is direction without the trait; prompts may be alike
    (their cosines high) where what they share is no part of the difference of the poles.
    Confusions: a concept that differs from prompt to prompt. Only other prompts tell, so this is
    never more than undetermined.
    """
    found = evidence.split_half
    row = Row("split-half stability", found, note=f"healthy cells stay above {at.SPLIT_HALF:.2g}")
    if found.value is None:
        opposed = found.reason is not None and found.reason.startswith(OPPOSED)
        said = f"Split-half stability is undefined: {found.reason}."
        return _SUBJECT.judged("undetermined", 2.0 if opposed else 0.0, said, (row,))
    weight = at.SPLIT_HALF / max(found.value, 0.02)
    verdict: Verdict = "undetermined" if weight >= 1 else "ruled out"
    summary = (
        "Vectors from as many other prompts of this kind would have a cosine of "
        f"{found.value:.2f} with this one (split-half stability)."
    )
    if weight >= 1:
        summary += f" {_more(evidence, found.value)}"
    return _SUBJECT.judged(verdict, weight, summary, (row,))


def _more(evidence: CellEvidence, stability: float) -> str:
    """How many prompts would be needed, by the Spearman-Brown formula."""
    high = int(evidence.high.sum())
    fewest = min(high, len(evidence.high) - high)
    times = at.STEADY * (1 - stability) / (max(stability, 1e-9) * (1 - at.STEADY))
    needed = math.ceil(times * fewest - 1e-9)  # rounding is no further prompt
    count = f"about {needed}" if needed <= _MOST else f"more than {_MOST}"
    return f"For {at.STEADY:g} it would take {count} prompts a pole instead of {fewest}."


RULE = Rule(CAUSE, TITLE, judge)
