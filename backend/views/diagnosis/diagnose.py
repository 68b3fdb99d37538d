"""Judge every registered cause on one cell, and say the result in a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from backend.core.estimate import Estimate
from backend.core.status import status_of
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.views.diagnosis import registry
from backend.views.diagnosis.cause import Judgement
from backend.views.diagnosis.evidence import CellEvidence

ORDER = {"supported": 0, "undetermined": 1, "ruled out": 2}


@dataclass(frozen=True)
class Diagnosis:
    """One cell, diagnosed.

    Attributes:
        trait: the trait.
        layer: the layer.
        r: r of the mean difference there.
        works: whether r is that of a working cell, so that causes limit it.
        judgements: every cause: supported ones first, then undetermined, then ruled out; within
            a verdict those that another cause explains last, else by how far the marker exceeds
            what healthy cells show, else as registered.
        headline: the diagnosis in a sentence.
        line: the same in as few words as a table has room for.
    """

    trait: str
    layer: int
    r: Estimate
    works: bool
    judgements: tuple[Judgement, ...]
    headline: str
    line: str

    @property
    def supported(self) -> tuple[Judgement, ...]:
        """The causes that the data support, likeliest first."""
        return tuple(j for j in self.judgements if j.verdict == "supported")


def diagnose(evidence: CellEvidence) -> Diagnosis:
    """Judge every registered cause, each after those whose judgements it reads.

    Args:
        evidence: one cell.
    """
    r = evidence.r(MEAN_DIFFERENCE)
    found: dict[str, Judgement] = {}
    for rule in registry.judging_order(registry.RULES):
        earlier = MappingProxyType({cause: found[cause] for cause in rule.after})
        found[rule.cause] = rule.judge(evidence, earlier)
    judged = sorted(
        (found[rule.cause] for rule in registry.RULES),
        key=lambda j: (ORDER[j.verdict], j.explained, -j.weight),
    )
    return Diagnosis(
        evidence.trait,
        evidence.layer,
        r,
        r.value is not None and status_of(r.value, evidence.thresholds) == "working",
        tuple(judged),
        _headline(evidence, r, judged),
        _line(evidence, r, judged),
    )


_STATUS = {"working": "Works", "close": "Close to working", "failed": "Fails"}


def _headline(evidence: CellEvidence, r: Estimate, judged: Sequence[Judgement]) -> str:
    if r.value is None:
        return f"r is undefined: {r.reason}."
    supported = ", ".join(j.title.lower() for j in judged if j.verdict == "supported")
    status = status_of(r.value, evidence.thresholds)
    said = _STATUS[status]
    if supported and status == "working":
        return f"{said}; limited by: {supported}."
    if supported:
        return f"{said}. Supported causes: {supported}."
    if status == "working":
        return f"{said}; nothing that limits it is supported."
    open_ones = [j.title.lower() for j in judged if j.verdict == "undetermined"]
    rest = f" Not ruled out: {', '.join(open_ones)}." if open_ones else ""
    return f"{said}, and no cause is supported by these data.{rest}"


def _line(evidence: CellEvidence, r: Estimate, judged: Sequence[Judgement]) -> str:
    if r.value is None:
        return "r is undefined"
    supported = [j.title for j in judged if j.verdict == "supported"]
    works = r.value > evidence.thresholds.working
    if supported:
        more = f" (+{len(supported) - 1})" if len(supported) > 1 else ""
        if works:
            return f"works, limited by {supported[0].lower()}{more}"
        return f"{supported[0]}{more}"
    if works:
        return "works"
    open_ones = sum(j.verdict == "undetermined" for j in judged)
    return f"cause not found, {open_ones} not ruled out" if open_ones else "cause not found"
