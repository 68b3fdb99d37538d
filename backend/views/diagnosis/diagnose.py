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
from backend.views.diagnosis.evidence import CellEvidence, leaves_open, raises_r
from backend.views.diagnosis.rules import few_scenarios
from backend.views.diagnosis.thresholds import FAMILY

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
        line: why it fails, or what limits it, in as few words as a cell of a table has room for;
            empty where it works and nothing limits it.
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

    @property
    def helpful(self) -> tuple[Judgement, ...]:
        """The causes whose fix is seen to raise r, whatever their verdict: by p below 5% over all
        the fixes that were tried (Bonferroni), as the best of them is looked for. By gain, the
        highest first."""
        tried = [
            (j.fix.gain.value, place, j)
            for place, j in enumerate(self.judgements)
            if j.fix is not None and j.fix.gain.value is not None
        ]
        found = [
            (gain, place, j)
            for gain, place, j in tried
            if j.fix is not None and raises_r(j.fix.gain, FAMILY / len(tried))
        ]
        return tuple(j for _, _, j in sorted(found, key=lambda each: (-each[0], each[1])))

    @property
    def told(self) -> tuple[Judgement, ...]:
        """The causes that are told first: the supported ones, else the one whose fix helps most."""
        return self.supported or self.helpful[:1]

    @property
    def stronger(self) -> Judgement | None:
        """The cause whose fix raises r by clearly more than any of those told first, though the
        data do not support it: its interval lies above their gains. None where there is none."""
        told = [j.fix.gain.value for j in self.told if j.fix is not None]
        known = [gain for gain in told if gain is not None]
        for judgement in self.helpful[:1]:
            assert judgement.fix is not None  # helpful ones have a fix
            low = judgement.fix.gain.low
            clearly = low is not None and all(low > other for other in known)
            if judgement not in self.told and clearly:
                return judgement
        return None


def diagnose(evidence: CellEvidence) -> Diagnosis:
    """Judge every registered cause, each after those whose judgements it reads.

    Args:
        evidence: one cell.
    """
    r = evidence.r(MEAN_DIFFERENCE)
    found: dict[str, Judgement] = {}
    rules = [rule for rule in registry.RULES if rule.measured(evidence)]
    for rule in registry.judging_order(rules):
        earlier = MappingProxyType({cause: found[cause] for cause in rule.after})
        found[rule.cause] = rule.judge(evidence, earlier)
    judged = sorted(
        (found[rule.cause] for rule in rules),
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


REVERSED = (
    "r is reliably negative, so the vector points the other way: check the labels of the poles and "
    "the direction of the scores."
)
_STATUS = {"working": "Works", "close": "Close to working", "failed": "Fails"}


def _headline(evidence: CellEvidence, r: Estimate, judged: Sequence[Judgement]) -> str:
    if r.value is None:
        return f"r is undefined: {r.reason}."
    found = [_lower(j.title) for j in judged if j.verdict == "supported"]
    supported = ", ".join(found)
    status = status_of(r.value, evidence.thresholds)
    said = _STATUS[status]
    open_still = leaves_open(evidence.held_out_r((MEAN_DIFFERENCE,)), evidence.thresholds)
    few = evidence.rests_on_few
    if open_still or evidence.stuck or few:
        said += " by its r alone"
    if few:
        said += f". r rests on few cases: {few}"
    if evidence.reversed:
        said += f". {REVERSED[:-1]}"
    if found and status == "working":
        return f"{said}. Limited by: {supported}."
    if found:
        return f"{said}. Supported {'cause' if len(found) == 1 else 'causes'}: {supported}."
    if status == "working":
        return f"{said}. These data show nothing that limits it."
    possible = [_lower(j.title) for j in judged if j.verdict == "undetermined"]
    rest = f" Still possible: {', '.join(possible)}." if possible else ""
    return f"{said}. These data support no cause.{rest}"


def _line(evidence: CellEvidence, r: Estimate, judged: Sequence[Judgement]) -> str:
    if r.value is None:
        return "No r"
    supported = [j for j in judged if j.verdict == "supported"]
    works = r.value > evidence.thresholds.working
    if evidence.reversed:
        more = f" (+{len(supported)})" if supported else ""
        return f"Points the other way{more}"
    if supported:
        more = f" (+{len(supported) - 1})" if len(supported) > 1 else ""
        first = supported[0]
        if works and first.cause == few_scenarios.CAUSE:
            return f"Uncertain: only {evidence.n} cases{more}"
        return f"Limited by {_lower(first.title)}{more}" if works else f"{first.title}{more}"
    if works:
        return ""
    possible = sum(j.verdict == "undetermined" for j in judged)
    return f"Cause unknown, {possible} possible" if possible else "Cause unknown"


def _lower(title: str) -> str:
    """A title inside a sentence."""
    return title[0].lower() + title[1:]
