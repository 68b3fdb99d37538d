"""Scores crowded at an end of their range."""

from __future__ import annotations

from backend.core.estimate import Estimate
from backend.core.finding import Row
from backend.core.statistics.reliability import score_use
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Judgement, Rule
from backend.views.diagnosis.evidence import CellEvidence

CAUSE, TITLE = "floor", "Scores at the floor or ceiling"


def judge(evidence: CellEvidence, _: Earlier) -> Judgement:
    """Whether most scores are at, or next to, the lowest or the highest allowed.

    Measured: the share of scores within 1% of the range of each end. Why: what the range cuts off
    cannot correlate. Confusions: a trait that truly never varies looks the same; so do compressed
    scores whose middle happens to lie at an end.
    """
    use = score_use(evidence.scores, *evidence.score_range)
    share = 0.0 if use is None else max(use.floor, use.ceiling)
    weight = share / at.AT_END
    supported = weight >= 1
    end = "lowest" if use is None or use.floor >= use.ceiling else "highest"
    return Judgement(
        CAUSE,
        TITLE,
        "supported" if supported else "ruled out",
        weight,
        f"{share:.0%} of the scores are at or within 1% of the {end} allowed score.",
        (
            Row(
                "share at the end",
                Estimate.exact(share, len(evidence.scores)),
                note=f"healthy cells stay below {at.AT_END:.0%}",
            ),
        ),
        None,
        "A behaviour that hardly occurs: seek out responses that show it, or use a finer scale.",
    )


RULE = Rule(CAUSE, TITLE, judge)
