"""One coordinate that holds most of the vector."""

from __future__ import annotations

from backend.core.estimate import Estimate
from backend.core.finding import Row
from backend.core.metrics.contrast import NO_SEPARATION
from backend.core.vectors.methods import MASSIVE_REMOVED
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Judgement, Rule, verdict_by_gain
from backend.views.diagnosis.evidence import CellEvidence
from backend.views.diagnosis.remedies import AGAINST_HUGE, best_fix, choice_note, gain_row
from backend.views.shared.numbers import ranges

CAUSE, TITLE = "massive_coordinate", "Massive coordinate"
# What acts on single coordinates, so that its gain tells of this cause.
METHODS = (MASSIVE_REMOVED, "standardised")


def judge(evidence: CellEvidence, earlier: Earlier) -> Judgement:
    """Whether a single coordinate drowns the trait.

    Measured: the largest coordinate's share of ||v||^2, and the gain of r with massive coordinates
    removed or all coordinates standardised, whichever is better, on cases it was not chosen on.
    The fix is the best of all remedies against huge activations. Why: some models hold activations
    hundreds of times the typical one in a few coordinates (Sun et al. 2024). Confusions: a first
    token left in the mean brings the same coordinate, and is named where it is seen; a trait that
    truly lives in one coordinate, which the gain tells apart.
    """
    dominance = evidence.dominance
    if dominance.reason == NO_SEPARATION:
        dominance = Estimate.undefined(dominance.n, "the vector is zero")
    share = dominance.value
    weight = 0.0 if share is None else share / at.DOMINANCE
    summary = (
        f"{str(dominance.reason).capitalize()}."
        if share is None
        else f"One coordinate holds {share:.0%} of the vector's squared length."
    )
    from_first = weight >= 1 and earlier["first_token"].marked
    if from_first:
        summary += " It may come from the first token, which makes up most of the prompts' means."
    if weight < 1 and evidence.massive_elsewhere:
        layers = "layer" if len(evidence.massive_elsewhere) == 1 else "layers"
        summary += (
            f" In {layers} {ranges(evidence.massive_elsewhere)} one coordinate holds "
            f"{at.DOMINANCE:.0%} or more: there this may be the cause of a low r."
        )
    own = evidence.trial(METHODS)
    return Judgement(
        CAUSE,
        TITLE,
        "undetermined" if share is None else verdict_by_gain(weight, own.gain, evidence.level),
        weight,
        summary,
        (
            Row(
                "dominance",
                dominance,
                note=f"healthy cells stay below {at.DOMINANCE:.0%}",
            ),
            Row(
                "change of r with remedies of single coordinates",
                own.gain,
                note=choice_note(evidence, METHODS),
            ),
            *(gain_row(evidence, method) for method in AGAINST_HUGE),
        ),
        best_fix(evidence, AGAINST_HUGE),
        "A first token left in the mean brings the same coordinate.",
        explained=from_first,
    )


RULE = Rule(CAUSE, TITLE, judge, after=("first_token",), by_gain=True)
