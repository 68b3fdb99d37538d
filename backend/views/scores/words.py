"""What to see in the scores, in words that the Scores page and its report section share."""

from __future__ import annotations

from backend.views.scores.compute import Histogram

SCORES = "Scores piled up at an end, or on few values, leave a vector nothing to predict."
DRIFTS = (
    "r is taken over the changes from the first turn to the last: if most are zero, few scenarios "
    "decide it."
)
ALL_TRAITS = (
    "A trait whose row is bright at one end, or in a few columns only, is compressed. Scores of "
    "both turns are counted together."
)
STABILITY = (
    "An unreliable judge errs anew each time, so its scores at t1 and tN have little in common. "
    "Between the dotted lines that may be so, or the behaviour itself changes as much: only scores "
    "given twice to the same responses tell."
)
RELIABILITY = (
    "Share of the variance that is not the judge's error: the intraclass correlation of repeated "
    "scores, within responders. Below 0.4 it is poor (Cicchetti 1994). No vector's r can be "
    "expected above its square root, the highest possible r."
)
NOT_REPEATED = (
    "No response was scored twice, so the judge's reliability is not known. Add a second score of "
    "some responses to the study (a column such as score:trait#2) to measure it."
)
PROJECTION = "A slope means that the vector predicts the score."
LENGTH = "A slope means that the vector also reads how long the response is."
LENGTH_HELD_FIXED = (
    "If r falls to zero with length held fixed, the vector predicts the score only through length; "
    "if it stays, length is not the reason. Length is in tokens of this model."
)
RANKS = (
    "Outliers or a bent relation would put Spearman's diamond clearly right of Pearson's circle."
)
POLES = (
    "A probe needs examples of both poles: with few of one, a single response turns it. Bars to "
    "the right count responses of the high pole, to the left of the low pole; ✕ marks a pole with "
    "too few."
)


def sd_text(found: Histogram) -> str:
    """A standard deviation with its interval, score units."""
    sd = found.sd
    if sd.value is None:
        return f"undefined: {sd.reason}"
    if sd.low is None or sd.high is None:
        return f"{sd.value:.2f}"
    return f"{sd.value:.2f} [{sd.low:.2f}, {sd.high:.2f}]"
