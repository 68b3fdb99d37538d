"""What a probe finds that the template does not, and what neither finds."""

from __future__ import annotations

from backend.core.finding import Row, Verdict
from backend.core.vectors.methods import MEAN_DIFFERENCE, RIDGE
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Judgement, Rule
from backend.views.diagnosis.evidence import CellEvidence, raises_r
from backend.views.diagnosis.remedies import best_fix

UNLIKE, NOT_LINEAR = "unlike_concept", "not_linear"
TITLES = {
    UNLIKE: "Prompts capture a different concept",
    NOT_LINEAR: "No linear signal in this layer",
}


# Signs of causes that would also make a probe beat the template.
GEOMETRY = (
    "first_token",
    "massive_coordinate",
    "magnitude_outliers",
    "direction_outliers",
    "length_confound",
)
# Causes in the scores that hide a signal from any reader.
JUDGE = "unreliable_judge"
SCORES = ("floor", "compressed", JUDGE, "few_scenarios")
# Causes by which this layer's vectors read little of a behaviour that is there to be read.
ELSEWHERE = ("other_layer", "length_confound")


def _simpler(earlier: Earlier) -> list[str]:
    """Titles of the simpler causes by which a probe may win here."""
    found = [earlier[cause].title.lower() for cause in GEOMETRY if earlier[cause].marked]
    layer = earlier["other_layer"]
    return [*found, layer.title.lower()] if layer.verdict == "supported" else found


def judge_unlike(evidence: CellEvidence, earlier: Earlier) -> Judgement:
    """Whether the behaviour is there but not where the template points.

    Measured: held-out r of a ridge probe minus r of the mean difference. Why: a probe that reads
    the behaviour shows that it is linearly present in this layer; if nothing is wrong with the
    prompts' geometry, they are about something else. Confusions: every fault of the prompts'
    geometry makes a probe win too, so this is undetermined while one of them stands; and
    where r is reliably negative, as prompts that are read the other way round are about it.
    """
    fix = best_fix(evidence, (RIDGE,))
    gain = fix.gain
    r = evidence.held_out_r((MEAN_DIFFERENCE,))
    weight = 0.0 if gain.value is None else max(0.0, gain.value) / at.PROBE_GAIN
    simpler = _simpler(earlier)
    sure = raises_r(gain, evidence.level) and (
        gain.low is not None and gain.low > 0.5 * at.PROBE_GAIN
    )
    works = r.low is not None and r.low > evidence.thresholds.working
    verdict: Verdict = "supported"
    if works or (gain.high is not None and gain.high < at.PROBE_GAIN):
        verdict = "ruled out"
    elif weight < 1 or simpler or not sure or evidence.reversed:
        verdict = "undetermined"
    summary = (
        "The held-out r of a probe trained on scores is undefined."
        if gain.value is None
        else f"A probe trained on scores has a held-out r that differs by {gain.value:+.2f} from "
        "that of the prompts' vector."
    )
    if simpler:
        summary += f" Fix first: {', '.join(simpler)}."
    return Judgement(
        UNLIKE,
        TITLES[UNLIKE],
        verdict,
        weight,
        summary,
        (
            Row("held-out r of the ridge probe", evidence.held_out_r((RIDGE,))),
            Row("r of the probe - r of the prompts' vector", gain),
        ),
        fix,
        "Faults of the prompts' geometry: a probe does not use the prompts.",
        explained=bool(simpler),
    )


def judge_not_linear(evidence: CellEvidence, earlier: Earlier) -> Judgement:
    """Whether no linear reader finds the behaviour in this layer.

    Measured: the interval of the held-out probe's r, and of the best vector's, chosen on one half
    of the cases and judged on the other. Why: if the probe's stays below the threshold of a close
    trait although scores are usable, a linear direction has nothing to read; unless another vector
    is seen to read something, perhaps as much as that. Ruled out where any
    vector reads the behaviour, or the prompts' reads it backwards: one direction that does is a
    proof, if it was not picked from many by the cases that should prove it. Confusions: spoiled
    scores hide a signal from every reader, so this is undetermined where they are, where nothing is
    known of the judge's reliability, or where another layer or the responses' length explains it; a
    probe with too few responses finds nothing either.
    """
    r = evidence.held_out_r((RIDGE,))
    limit = evidence.thresholds.close
    supported = {cause for cause, found in earlier.items() if found.verdict == "supported"}
    spoiled = [earlier[cause].title.lower() for cause in SCORES if cause in supported]
    if earlier[JUDGE].verdict == "undetermined":
        spoiled.append("the judge's reliability is not known")
    elsewhere = not supported.isdisjoint(ELSEWHERE)
    best = evidence.held_out_r(tuple(evidence.drifts_by_layer))
    if r.value is None or r.low is None or r.high is None:
        return Judgement(
            NOT_LINEAR,
            TITLES[NOT_LINEAR],
            "undetermined",
            0.0,
            f"No probe: {r.reason}.",
            (),
            None,
            "Too few scored responses.",
        )
    weight = limit / max(r.value, 0.02)
    verdict: Verdict = "undetermined"
    plain = evidence.r(MEAN_DIFFERENCE)
    backwards = plain.high is not None and plain.high < -limit
    reads = best.low is not None and best.low > 0 and (best.high is None or best.high >= limit)
    if backwards or (best.low is not None and best.low > limit):
        verdict = "ruled out"
    elif r.high < limit and not spoiled and not elsewhere and not evidence.reversed and not reads:
        verdict = "supported"
    summary = f"The probe's held-out r is {r.value:+.2f}, interval [{r.low:+.2f}, {r.high:+.2f}]."
    if backwards:
        summary += " The prompts' vector reads the behaviour the other way round."
    elif verdict == "ruled out" and r.low <= limit and best.high is not None:
        summary += (
            f" But another vector reads it: r {best.value:+.2f} [{best.low:+.2f}, "
            f"{best.high:+.2f}], held out."
        )
    elif verdict != "ruled out" and spoiled:
        summary += f" The scores cannot tell: {', '.join(spoiled)}."
    return Judgement(
        NOT_LINEAR,
        TITLES[NOT_LINEAR],
        verdict,
        weight if verdict != "ruled out" else 0.0,
        summary,
        (
            Row("held-out r of the ridge probe", r),
            Row(
                "held-out r of the best vector",
                best,
                note=f"chosen among {len(evidence.drifts_by_layer)} methods on other cases",
            ),
        ),
        None,
        "Unusable scores; too few responses for a probe; another layer.",
        explained=bool(spoiled) or elsewhere,
    )


RULES = (
    Rule(UNLIKE, TITLES[UNLIKE], judge_unlike, after=(*GEOMETRY, "other_layer"), by_gain=True),
    Rule(NOT_LINEAR, TITLES[NOT_LINEAR], judge_not_linear, after=(*SCORES, *ELSEWHERE)),
)
