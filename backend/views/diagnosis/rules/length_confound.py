"""Projections that follow the response's length."""

from __future__ import annotations

import numpy as np

from backend.core.estimate import Estimate
from backend.core.finding import Row, Verdict
from backend.core.statistics.correlation import pearson, residual
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Judgement, Rule
from backend.views.diagnosis.evidence import CellEvidence, raises_r
from backend.views.diagnosis.remedies import best_fix

CAUSE, TITLE = "length_confound", "Vector follows response length"
# Length is among the directions along which responses vary most, not always the first.
METHODS = ("response_pcs_removed_1", "response_pcs_removed_3")


def judge(evidence: CellEvidence, _: Earlier) -> Judgement:
    """Whether the vector reads length instead of the behaviour.

    Measured: the correlation of projection drift with drift of the number of tokens, and the gain
    of r when length is regressed out of the projection (one slope, so next to nothing is fitted).
    Without an interval of the first this is undetermined.
    Where a massive coordinate dominates, both are taken without it.
    Why: mean-pooled activations carry length, and prompts of one pole are often longer.
    Confusions: a behaviour that itself makes responses longer: then r falls when length is
    regressed out, and this is not supported.
    """
    base = evidence.unmassive
    confusions = "A behaviour that makes responses longer."
    if base not in evidence.drifts:
        return Judgement(
            CAUSE, TITLE, "undetermined", 0.0, "There is no vector here.", (), None, confusions
        )
    if not evidence.cases.length_known:
        return Judgement(
            CAUSE,
            TITLE,
            "undetermined",
            0.0,
            "How long the responses are is not known: the activations were imported.",
            (),
            None,
            confusions,
        )
    length = evidence.cases.length
    cases = evidence.cases.cases(evidence.drifts[base], length)
    along = pearson(cases)
    if along.value is None:
        varies = bool(np.ptp(length) > 0) if len(length) else False
        return Judgement(
            CAUSE,
            TITLE,
            "undetermined" if varies else "ruled out",
            0.0,
            f"r of projection and length is undefined: {along.reason}."
            if varies
            else "Responses do not vary in length.",
            (Row("r of projection and length", along),),
            None,
            confusions,
        )
    within = cases.centred(length)
    adjusted = evidence.gain_over(
        {
            layer: residual(cases.centred(drift), within)
            for layer, drift in evidence.drifts_by_layer[base].items()
        },
        base,
    )
    weight = _least(along) / at.LENGTH_R
    verdict: Verdict = "supported" if raises_r(adjusted, evidence.level) else "undetermined"
    if along.low is None or along.high is None:
        # Any r could be behind so few cases, so nothing is ruled out or shown.
        verdict = "undetermined"
    elif weight < 1:
        verdict = "ruled out"
    return Judgement(
        CAUSE,
        TITLE,
        verdict,
        weight,
        f"Projection and length correlate {along.value:+.2f}"
        + (f", without an interval: {along.reason}." if along.low is None else "."),
        (
            Row("r of projection drift and length drift", along),
            Row("gain with length regressed out", adjusted),
        ),
        best_fix(evidence, METHODS, base),
        confusions,
    )


def _least(found: Estimate) -> float:
    """The end of the interval nearer to zero, as a size; 0 if it holds zero or is undefined."""
    if found.low is None or found.high is None or found.low <= 0 <= found.high:
        return 0.0
    return min(abs(found.low), abs(found.high))


RULE = Rule(CAUSE, TITLE, judge, by_gain=True)
