"""Too few scenarios to tell."""

from __future__ import annotations

from backend.core.finding import Row
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Judgement, Rule
from backend.views.diagnosis.evidence import CellEvidence, leaves_open

CAUSE, TITLE = "few_scenarios", "Too few scenarios"
_DEFINED = 3  # cases below which no r is defined
_MEASURED = "r of the mean difference, held out where its layer was chosen"
_HIDES = "Any other cause that is seen in r, which so few cases cannot tell apart."
_REMEDY = "More scored scenarios would settle it. What each fix does to r is under Every fix."


def judge(evidence: CellEvidence, _: Earlier) -> Judgement:
    """Whether the number of cases leaves the cell's status open.

    Measured: the number of cases (of dependent ones, how many independent ones they are worth) and
    the interval of r, held out where the layer was chosen. Why: with fewer than 85 independent
    cases a true r of 0.3 is missed more often than one time in five. Confusions: none; it is
    arithmetic, but it hides every other cause that is seen in r.
    """
    r = evidence.held_out_r((MEAN_DIFFERENCE,))
    wide = leaves_open(r, evidence.thresholds)
    worth, cases = _worth(evidence)
    weight = at.CASES / max(worth, 1)
    whole = evidence.r(MEAN_DIFFERENCE)
    supported = weight > 1 and wide
    # More cases would not define r where the vector or the scores do not vary.
    if whole.value is None and evidence.n >= _DEFINED:
        return Judgement(
            CAUSE,
            TITLE,
            "undetermined",
            0.0,
            f"{cases}; r is undefined: {whole.reason}.",
            (Row(_MEASURED, whole),),
            None,
            _HIDES,
            remedy=_REMEDY,
        )
    summary = (
        f"{cases}; r held out is undefined: {r.reason}."
        if supported and r.value is None
        else f"{cases}; the interval of r reaches from failed to working."
        if supported
        else f"{cases}; the interval of r does not reach from failed to working."
        if not wide
        else f"{cases}, enough to detect r = 0.3 with 80% power."
    )
    return Judgement(
        CAUSE,
        TITLE,
        "supported" if supported else "ruled out",
        weight,
        summary,
        (Row(_MEASURED, r),),
        None,
        _HIDES,
        remedy=_REMEDY,
    )


def _worth(evidence: CellEvidence) -> tuple[float, str]:
    """How many independent cases there are or dependent ones are worth, and that in words."""
    groups, cases = evidence.groups, _counted(evidence.n, "case")
    if groups is None:
        return evidence.n, cases
    of = f"{cases} in {_counted(groups, 'group')}"
    effective = evidence.r(MEAN_DIFFERENCE).effective
    if effective is None:
        # Nothing says how alike the cases of a group are, so no more than groups can be counted on.
        return groups, f"{of}, whose worth is unknown"
    return effective, f"{of} are worth {effective:.0f} independent ones"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


RULE = Rule(CAUSE, TITLE, judge)
