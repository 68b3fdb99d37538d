"""Reading and steering that do not go together."""

from __future__ import annotations

from backend.core.dose import Band, Steerability
from backend.core.finding import Row, Verdict
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.views.diagnosis.cause import Earlier, Judgement, Rule, Subject
from backend.views.diagnosis.evidence import CellEvidence
from backend.views.dose.measures import unit_words

MONITORS_ONLY = Subject(
    "monitors_not_steers",
    "Monitors but does not steer",
    "A push that is too weak, or at tokens where it does nothing: try more strength, or steer the "
    "prompt as well. Where only the answers' projection was measured, have a judge score them.",
)
STEERS_ONLY = Subject(
    "steers_not_monitors",
    "Steers but does not monitor",
    "Scores that no vector could predict: see the judge's reliability. The vector may move what "
    "the model does along more than this trait.",
)
MEASURES = {
    "score": "judge's score",
    "propensity": "logit difference of the paired answers",
    "reading": "projection of the answers, read without steering",
}


def judge_monitors_only(evidence: CellEvidence, _: Earlier) -> Judgement:
    """Whether a vector that predicts the scores does no more to the model's answers than a random
    direction of its length.

    Measured: the mean slope of the behaviour over the strength (Tan et al. 2024), against what one
    more random direction would do. Why: what correlates with a behaviour need not bring it about.
    Confusions: too little strength, or the wrong tokens.
    """
    reads, found = _reads(evidence), _steerability(evidence)
    verdict: Verdict = "undetermined"
    if found.steers is True or reads is False:
        verdict = "ruled out"
    elif found.steers is False and reads:
        verdict = "supported"
    return _judged(MONITORS_ONLY, evidence, verdict, marked=found.steers is False)


def judge_steers_only(evidence: CellEvidence, _: Earlier) -> Judgement:
    """Whether a vector that moves the model's answers more than any random direction would does
    not predict the scores.

    Measured: the same slope. Why: directions that bring a behaviour about need not be those along
    which it differs between responses. Confusions: scores that are mostly error.
    """
    reads, found = _reads(evidence), _steerability(evidence)
    verdict: Verdict = "undetermined"
    if found.steers is False or reads:
        verdict = "ruled out"
    elif found.steers is True and reads is False:
        verdict = "supported"
    return _judged(STEERS_ONLY, evidence, verdict, marked=found.steers is True and not reads)


def _reads(evidence: CellEvidence) -> bool | None:
    """Whether the mean difference predicts the scores: True where its r is that of a working cell
    and its interval above zero, False where the whole interval is below that; else None."""
    r = evidence.held_out_r((MEAN_DIFFERENCE,))
    if r.value is None or r.low is None or r.high is None:
        return None
    if r.high < evidence.thresholds.working:
        return False
    return True if r.value > evidence.thresholds.working and r.low > 0 else None


def _steerability(evidence: CellEvidence) -> Steerability:
    assert evidence.steering is not None  # these rules are asked only where it was measured
    return evidence.steering.steerability


def _judged(
    subject: Subject, evidence: CellEvidence, verdict: Verdict, *, marked: bool
) -> Judgement:
    assert evidence.steering is not None
    what = MEASURES[evidence.steering.measure]
    found = evidence.steering.steerability
    slope, wrong = found.slope, found.wrong_way
    r = evidence.held_out_r((MEAN_DIFFERENCE,))
    if slope.value is None:
        said = f"The {what} has no slope: {slope.reason}."
    else:
        said = (
            f"The {what} changes by {slope.value:+.2g} per unit of strength "
            f"({unit_words(evidence.steering.unit)}); one more random direction would change it by "
            f"{_band(found.band)}."
        )
    rows = (
        Row(f"slope of the {what}", slope, note=f"random direction: {_band(found.band)}"),
        Row("share of items that move the wrong way", wrong),
        Row("r of the mean difference", r),
    )
    return subject.judged(verdict, 1.0 if marked else 0.0, said, rows)


def _band(band: Band) -> str:
    if band.low is None or band.high is None:
        return f"an unknown amount ({band.reason})"
    return f"{band.low:+.2g} to {band.high:+.2g}"


def _measured(evidence: CellEvidence) -> bool:
    return evidence.steering is not None


RULES = (
    Rule(MONITORS_ONLY.cause, MONITORS_ONLY.title, judge_monitors_only, measured=_measured),
    Rule(STEERS_ONLY.cause, STEERS_ONLY.title, judge_steers_only, measured=_measured),
)
