"""What an analysis of a study returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backend.statistics.interval import Estimate

Verdict = Literal["supported", "ruled out", "undetermined"]


@dataclass(frozen=True)
class Row:
    """One number of a finding.

    Attributes:
        name: what it is.
        estimate: the number with its interval and p.
        published: the figure the study printed, as printed; None where it printed none.
        note: what a reader must know; empty if nothing.
    """

    name: str
    estimate: Estimate
    published: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One test of a study.

    Attributes:
        name: key.
        question: what is asked.
        verdict: whether the data support it.
        answer: the result in one sentence.
        caveat: what the number cannot say.
        rows: the numbers behind it; the first is the headline.
    """

    name: str
    question: str
    verdict: Verdict
    answer: str
    caveat: str
    rows: tuple[Row, ...]


def plain(value: float | None, n: int, reason: str | None = None) -> Estimate:
    """A number that is exact for the data at hand, such as a count or a mean."""
    return Estimate(value, None, None, None, n, reason)


def verdict_of(estimate: Estimate, level: float = 0.05) -> Verdict:
    """Supported if the 95% interval (or else p) excludes zero, undetermined otherwise.

    An effect is never ruled out by a p alone: that needs an interval and a size that matters.
    """
    if estimate.low is not None and estimate.high is not None:
        return "supported" if estimate.low > 0 or estimate.high < 0 else "undetermined"
    if estimate.p is None:
        return "undetermined"
    return "supported" if estimate.p < level else "undetermined"
