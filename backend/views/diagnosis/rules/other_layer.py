"""A better layer among those extracted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from backend.core.arrays import Floats, Integers
from backend.core.estimate import ZOU, Estimate
from backend.core.finding import Row, Verdict
from backend.core.statistics.correlation import pearson
from backend.views.diagnosis.cause import Earlier, Fix, Judgement, Rule
from backend.views.diagnosis.evidence import CellEvidence, gain

CAUSE, TITLE = "other_layer", "Signal in another layer"
# A gain smaller than this is no reason to look elsewhere.
LEAST_GAIN = 0.1
SEED = 20260305


def judge(evidence: CellEvidence, _: Earlier) -> Judgement:
    """Whether another extracted layer reads the behaviour better.

    Measured: the layer is chosen on one half of the cases and its gain over this layer taken on
    the other, both ways; the smaller lower bound counts. Why: choosing and measuring on the same
    cases would always find a better layer. Confusions: none among the layers extracted.
    """
    others = {layer: d for layer, d in evidence.layer_drifts.items() if layer != evidence.layer}
    here = evidence.layer_drifts.get(evidence.layer)
    confusions = "Layers that were not extracted are not seen."
    if not others or here is None or evidence.n < 20:
        return Judgement(
            CAUSE,
            TITLE,
            "undetermined",
            0.0,
            "It needs another layer and 20 cases.",
            (),
            None,
            confusions,
        )
    gains, layers = [], []
    for choose_on, measure_on in halves(evidence.n):
        layer = _best(evidence, others, choose_on)
        layers.append(layer)
        part = evidence.paired(others[layer]).subset(measure_on)
        gains.append(gain(part, here[measure_on]))
    whole = _best(evidence, others, np.arange(evidence.n))
    lows = [g.low for g in gains if g.low is not None]
    values = [g.value for g in gains if g.value is not None]
    both = Estimate(
        float(np.mean(values)) if values else None,
        min(lows) if lows else None,
        max((g.high for g in gains if g.high is not None), default=None),
        None,
        evidence.n,
        None if values else "r is undefined in a half",
        f"{ZOU}, outer ends over two halves",
    )
    weight = 0.0 if both.value is None else max(0.0, both.value) / LEAST_GAIN
    sure = weight >= 1 and len(lows) == 2 and min(lows) > 0
    verdict: Verdict = "supported" if sure else "undetermined"
    highs = [g.high for g in gains if g.high is not None]
    if weight < 1 and len(highs) == 2 and float(np.mean(highs)) < LEAST_GAIN:
        verdict = "ruled out"
    return Judgement(
        CAUSE,
        TITLE,
        verdict,
        weight,
        f"The best other layer, {whole}, changes held-out r by "
        + ("an undefined amount." if both.value is None else f"{both.value:+.2f}."),
        (
            Row(
                "held-out gain of the best other layer",
                both,
                note=f"layers chosen in the two halves: {layers[0]} and {layers[1]}",
            ),
        ),
        Fix(f"Layer {whole}", None, whole, both),
        confusions,
    )


def halves(n: int) -> tuple[tuple[Integers, Integers], tuple[Integers, Integers]]:
    """Two halves of n cases in each role: even and odd positions of a fixed shuffle."""
    order = np.random.default_rng(SEED).permutation(n)
    return (order[::2], order[1::2]), (order[1::2], order[::2])


def _best(evidence: CellEvidence, drifts: Mapping[int, Floats], rows: Integers) -> int:
    """The layer with the highest r over some cases; the first where r is undefined everywhere."""
    part = evidence.paired(evidence.cases.behaviour).subset(rows)
    rs = {layer: pearson(part.with_x(drift[rows])).value for layer, drift in drifts.items()}
    return max(rs, key=lambda layer: -2.0 if (r := rs[layer]) is None else r)


RULE = Rule(CAUSE, TITLE, judge)
