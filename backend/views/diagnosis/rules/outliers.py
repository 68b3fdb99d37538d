"""Prompts that stand apart from their pole, by length or by direction."""

from __future__ import annotations

import numpy as np

from backend.core.arrays import Floats
from backend.core.estimate import Estimate
from backend.core.finding import Row
from backend.core.prompt_cells import cosine_matrix
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Judgement, Rule, verdict_by_gain
from backend.views.diagnosis.evidence import CellEvidence
from backend.views.diagnosis.remedies import best_fix

LENGTH, DIRECTION = "magnitude_outliers", "direction_outliers"
TITLES = {LENGTH: "Prompts with an outlying norm", DIRECTION: "Prompts that point elsewhere"}
FIXES = {LENGTH: ("unit_rows",), DIRECTION: ("cosine_filter_median", "geometric_median")}


def markers(evidence: CellEvidence) -> tuple[Floats, Floats]:
    """Of every prompt: its norm over its pole's median (or the reverse, whichever is above 1),
    and how far its mean cosine with the other prompts of its pole lies below the pole's median.

    Returns:
        Ratios [n] and gaps [n]; both are NaN in a pole with a zero activation.
    """
    norms = np.sqrt(np.diag(evidence.gram))
    cosines = cosine_matrix(evidence.gram)
    ratios, gaps = np.ones(len(norms)), np.zeros(len(norms))
    for pole in (evidence.high, ~evidence.high):
        own = norms[pole]
        if own.all():
            relative = own / np.median(own)
            ratios[pole] = np.maximum(relative, 1 / relative)
        else:
            ratios[pole] = np.nan
        block = cosines[np.ix_(pole, pole)]
        # The median over the others: outliers among them do not lower a good prompt's.
        others = block[~np.eye(len(block), dtype=bool)].reshape(len(block), -1)
        typical = np.median(others, axis=1)
        gaps[pole] = np.median(typical) - typical
    return ratios, gaps


def judge_length(evidence: CellEvidence, earlier: Earlier) -> Judgement:
    """Whether a few prompts dominate the mean by their length.

    Measured: the largest ratio of a prompt's norm to its pole's median, among prompts that point
    the pole's way. Why: a mean follows its longest members (study, Part 2, Qwen2). Confusions:
    a prompt much longer in words; a first token with a huge activation.
    """
    ratios, gaps = markers(evidence)
    confusions = "A prompt with many more or fewer words; a first token left in the mean."
    if np.isnan(ratios).any():
        summary = "An activation is zero, so no length can be compared with it."
        return Judgement(LENGTH, TITLES[LENGTH], "undetermined", 0.0, summary, (), None, confusions)
    # A prompt that also points elsewhere is judged by its direction.
    marker = float(np.where(gaps >= at.COSINE_GAP, 1.0, ratios).max())
    weight = float(np.log(marker) / np.log(at.NORM_RATIO))
    summary = f"The most extreme prompt has {marker:.1f} times its pole's median norm."
    from_first = weight >= 1 and earlier["first_token"].marked
    if from_first:
        summary += " The first token may be why: its share of a mean falls as prompts get longer."
    row = Row(
        "largest norm ratio",
        Estimate.exact(marker, len(ratios)),
        note=f"healthy poles stay below {at.NORM_RATIO:g}",
    )
    fix = best_fix(evidence, FIXES[LENGTH])
    return Judgement(
        LENGTH,
        TITLES[LENGTH],
        verdict_by_gain(weight, fix.gain, evidence.level),
        weight,
        summary,
        (row,),
        fix,
        confusions,
        explained=from_first,
    )


def judge_direction(evidence: CellEvidence, _: Earlier) -> Judgement:
    """Whether a few prompts point away from the rest of their pole.

    Measured: how far a prompt's median cosine with its pole lies below the pole's. Why: their
    direction is averaged into the vector (study, Part 2, Mistral). Confusions: a pole of two
    kinds of prompts.
    """
    gaps = markers(evidence)[1]
    marker = float(gaps.max())
    confusions = "A pole made of two kinds of prompts, neither of them wrong."
    if np.isnan(marker):
        summary = "An activation is zero, so it has no direction."
        return Judgement(
            DIRECTION, TITLES[DIRECTION], "undetermined", 0.0, summary, (), None, confusions
        )
    weight = marker / at.COSINE_GAP
    astray = int((gaps >= at.COSINE_GAP).sum())
    row = Row(
        "largest cosine gap",
        Estimate.exact(marker, len(gaps)),
        note=f"healthy poles stay below {at.COSINE_GAP:g}; {_prompts(astray)} beyond",
    )
    fix = best_fix(evidence, FIXES[DIRECTION])
    return Judgement(
        DIRECTION,
        TITLES[DIRECTION],
        verdict_by_gain(weight, fix.gain, evidence.level),
        weight,
        _astray(astray, marker),
        (row,),
        fix,
        confusions,
    )


def _prompts(count: int) -> str:
    return "1 prompt" if count == 1 else f"{count} prompts"


def _astray(count: int, gap: float) -> str:
    """How many prompts point elsewhere, and how far the farthest does."""
    farthest = f"{gap:.2f} below its pole's median"
    if count == 0:
        return f"No prompt points elsewhere; the lowest cosine lies {farthest}."
    verb = "points" if count == 1 else "point"
    astray = f"{_prompts(count)} {verb} away from the rest of the pole"
    return f"{astray}; the lowest cosine lies {farthest}."


RULES = (
    Rule(LENGTH, TITLES[LENGTH], judge_length, after=("first_token",), by_gain=True),
    Rule(DIRECTION, TITLES[DIRECTION], judge_direction, by_gain=True),
)
