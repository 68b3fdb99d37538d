"""A better layer among those extracted."""

from __future__ import annotations

from backend.core.finding import Row, Verdict
from backend.core.statistics.cross_fit import LEAST
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.views.diagnosis.cause import Earlier, Fix, Judgement, Rule, Subject
from backend.views.diagnosis.evidence import CellEvidence, raises_r
from backend.views.diagnosis.remedies import in_halves

CAUSE, TITLE = "other_layer", "Signal in another layer"
# A gain smaller than this is no reason to look elsewhere.
LEAST_GAIN = 0.1
_SUBJECT = Subject(CAUSE, TITLE, "Layers that were not extracted are not seen.")


def judge(evidence: CellEvidence, _: Earlier) -> Judgement:
    """Whether another extracted layer reads the behaviour better.

    Measured: the best layer is chosen on one half of the cases and its gain over this layer taken
    on the other, both ways. Why: choosing and measuring on the same cases would always find a
    better layer. Confusions: none among the layers extracted. Ruled out where the layer shown is
    the best of those extracted, as it is unless the user gave it.
    """
    if not evidence.layer_given:
        if evidence.r(MEAN_DIFFERENCE).value is None:
            return _SUBJECT.judged("undetermined", 0.0, "No layer has an r to compare with.")
        return _SUBJECT.judged(
            "ruled out", 0.0, "No other layer that was extracted has a higher r."
        )
    layers = evidence.layer_drifts
    if len(layers) < 2 or evidence.layer not in layers or not evidence.choosable:
        return _SUBJECT.judged("undetermined", 0.0, f"It needs another layer and {LEAST} cases.")
    trial = evidence.other_layer()
    gain = trial.gain
    weight = 0.0 if gain.value is None else max(0.0, gain.value) / LEAST_GAIN
    verdict: Verdict = "undetermined"
    if weight >= 1 and raises_r(gain, evidence.level):
        verdict = "supported"
    elif gain.high is not None and gain.high < LEAST_GAIN:
        verdict = "ruled out"
    change = "an undefined amount" if gain.value is None else f"{gain.value:+.2f}"
    return _SUBJECT.judged(
        verdict,
        weight,
        f"The best other layer, {trial.layer}, changes held-out r by {change}.",
        (
            Row(
                "held-out gain of the best other layer",
                gain,
                note=in_halves(f"layer {trial.layer}", trial),
            ),
        ),
        Fix(f"Layer {trial.layer}", None, trial.layer, gain),
    )


RULE = Rule(CAUSE, TITLE, judge, by_gain=True)
