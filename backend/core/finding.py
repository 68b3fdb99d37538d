"""What a test of a study finds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from backend.core.estimate import Estimate

Verdict = Literal["supported", "ruled out", "undetermined"]
# A difference of r smaller than this changes no trait's story.
MATTERS = 0.05
# What an answer begins with where the question asks for a yes.
LEAD: Mapping[Verdict, str] = {
    "supported": "Yes.",
    "ruled out": "No.",
    "undetermined": "Unclear.",
}


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
        verdict: whether the data support a yes.
        answer: the result in one sentence.
        caveat: what the number cannot say.
        rows: the numbers behind it.
        decidable: whether there are data that could decide it.
    """

    name: str
    question: str
    verdict: Verdict
    answer: str
    caveat: str
    rows: tuple[Row, ...]
    decidable: bool = True


def not_computable(name: str, question: str, reason: str, caveat: str = "") -> Finding:
    """A finding for which data are missing."""
    return Finding(name, question, "undetermined", f"Not computable: {reason}.", caveat, (), False)


def supports(estimate: Estimate, level: float = 0.05) -> bool:
    """Whether the 95% interval excludes zero, or, without an interval, p is below the level."""
    if estimate.low is not None and estimate.high is not None:
        return estimate.low > 0 or estimate.high < 0
    return estimate.p is not None and estimate.p < level


def with_published(finding: Finding, figures: Mapping[str, str]) -> Finding:
    """The finding with the figures a study printed, by row name.

    Raises:
        KeyError: a figure belongs to no row.
    """
    unknown = set(figures) - {row.name for row in finding.rows}
    if unknown:
        raise KeyError(f"{finding.name} has no rows {sorted(unknown)}")
    rows = tuple(
        dataclasses.replace(row, published=figures.get(row.name, row.published))
        for row in finding.rows
    )
    return dataclasses.replace(finding, rows=rows)
