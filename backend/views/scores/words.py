"""What to see in the scores, in words that the Scores page and its report section share."""

from __future__ import annotations

from backend.core.estimate import Estimate
from backend.studies.published import published_study
from backend.views.scores.compute import Histogram, ScoreColumn

SCORES = "With little variation in the scores there is nothing to predict."
DRIFTS = (
    "r is taken over the changes from the first turn to the last. If most are zero, few scenarios "
    "decide it."
)
ALL_TRAITS = (
    "A trait whose row is bright at one end, or in a few columns only, is compressed. Scores of "
    "both turns are counted together."
)
STABILITY = (
    "r of the scores at the first and the last turn. Between the dotted lines the judge may be "
    "unreliable, or the behaviour itself changes much. Only scoring the same responses twice can "
    "tell."
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
    "If Spearman (diamond) is clearly higher than Pearson (circle), outliers or a curve hide the "
    "relation."
)
POLES = (
    "A probe needs examples of both poles. Right: responses of the high pole; left: of the low "
    "pole; ✕: too few."
)


def printed_ranks() -> str:
    """What the published study printed of Pearson and Spearman."""
    printed = published_study().figures["ranks"]
    return (
        f"The published study printed a mean Pearson r of {printed['mean Pearson r']} and a mean "
        f"Spearman rho of {printed['mean Spearman rho']}."
    )


def sd_text(found: Histogram) -> str:
    """A standard deviation with its interval, score units."""
    sd = found.sd
    if sd.value is None:
        return f"undefined: {sd.reason}"
    if sd.low is None or sd.high is None:
        return f"{sd.value:.2f}"
    return f"{sd.value:.2f} [{sd.low:.2f}, {sd.high:.2f}]"


def column_answer(column: ScoreColumn | None) -> str:
    """Whether the scores of a trait can be predicted at all, in words.

    Args:
        column: its scores; None where no case has all of them.
    """
    if column is None:
        return "No case of this trait has all its scores."
    every = column.every
    facts = (
        f"sd {sd_text(every)}, {column.distinct} different scores in use, "
        f"{_share(column.floor)} at the floor, {_share(column.ceiling)} at the ceiling"
    )
    if column.marks:
        return f"Possibly: the scores are {' and '.join(column.marks)} ({facts})."
    known = column.reliability.scorings > 1
    judge = (
        "see Judge for how far the judge agrees with itself."
        if known
        else "whether the judge agrees with itself is not known: nothing was scored twice."
    )
    return f"The scores have room to vary ({facts}); {judge}"


def _share(found: Estimate) -> str:
    return "undefined" if found.value is None else f"{found.value:.0%}"
