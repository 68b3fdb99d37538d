"""One coordinate that holds most of the vector."""

from __future__ import annotations

from backend.core.estimate import Estimate
from backend.core.finding import Row
from backend.core.metrics.contrast import NO_SEPARATION
from backend.core.vectors.methods import MASSIVE_REMOVED, method_named
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Fix, Judgement, Rule, verdict_by_gain
from backend.views.diagnosis.evidence import CellEvidence
from backend.views.diagnosis.remedies import AGAINST_HUGE, gain_of, gain_row

CAUSE, TITLE = "massive_coordinate", "A massive coordinate"
METHODS = (MASSIVE_REMOVED, "standardised")


def judge(evidence: CellEvidence, earlier: Earlier) -> Judgement:
    """Whether a single coordinate drowns the trait.

    Measured: the largest coordinate's share of ||v||^2, and r with massive coordinates removed or
    all coordinates standardised; the gains of other remedies are shown, but neither the verdict
    nor the fix is chosen by their size. Why: some models hold activations hundreds of times the
    typical one in a few coordinates (Sun et al. 2024). Confusions: a first token left in the mean
    brings the same coordinate, and is named where it is seen; a trait that truly lives in one
    coordinate, which the gain tells apart.
    """
    dominance = evidence.dominance
    if dominance.reason == NO_SEPARATION:
        dominance = Estimate.undefined(dominance.n, "the vector is zero")
    share = dominance.value
    # Massive by definition is far above the typical coordinate; where none is, scaling each one
    # is the remedy. The first that has a vector is taken, not the better one.
    method = next((m for m in METHODS if m in evidence.drifts), METHODS[0])
    gain = gain_of(evidence, method)
    weight = 0.0 if share is None else share / at.DOMINANCE
    summary = (
        f"{str(dominance.reason).capitalize()}."
        if share is None
        else f"One coordinate holds {share:.0%} of the vector's squared length."
    )
    from_first = weight >= 1 and earlier["first_token"].marked
    if from_first:
        summary += " It may be the first token's, which makes up most of the prompts' means."
    others = tuple(gain_row(evidence, other) for other in AGAINST_HUGE if other != method)
    return Judgement(
        CAUSE,
        TITLE,
        verdict_by_gain(weight, gain),
        weight,
        summary,
        (
            Row(
                "dominance",
                dominance,
                note=f"healthy cells stay below {at.DOMINANCE:.0%}",
            ),
            *others,
        ),
        Fix(method_named(method).title, method, None, gain),
        "A first token left in the mean brings the same coordinate.",
        explained=from_first,
    )


RULE = Rule(CAUSE, TITLE, judge, after=("first_token",))
