"""What sets the poles apart besides the trait: how long they are, or a single word."""

from __future__ import annotations

from collections import Counter

import numpy as np

from backend.core.estimate import Estimate
from backend.core.finding import Row
from backend.core.statistics.groups import compare_groups
from backend.views.diagnosis import thresholds as at
from backend.views.diagnosis.cause import Earlier, Judgement, Rule
from backend.views.diagnosis.evidence import CellEvidence

LENGTHS, WORDS = "pole_lengths", "few_words_differ"
TITLES = {LENGTHS: "Poles differ in length", WORDS: "Poles differ in few words"}
CONFUSIONS = {
    LENGTHS: "A trait that cannot be shown at the same length. Match the lengths of the two poles "
    "and extract again to tell.",
    WORDS: "A contrast that one word carries, read at that word. Pool the last token where the "
    "word is last, or write prompts that show the trait in more words.",
}


def judge_lengths(evidence: CellEvidence, _: Earlier) -> Judgement:
    """Whether the prompts of one pole are longer than those of the other as a whole.

    Measured: the probability that a high prompt has more tokens than a low one, with
    Mann-Whitney's p. Why: what length does to an activation then enters the vector. Confusions: a
    trait that needs more words. Only prompts of matched length tell how much harm it does, so
    this is never more than undetermined.
    """
    tokens = evidence.first_tokens.tokens
    high, low = tokens[evidence.high], tokens[~evidence.high]
    if not tokens.any():
        return Judgement(
            LENGTHS,
            TITLES[LENGTHS],
            "undetermined",
            0.0,
            "How long the prompts are is not known: the activations were imported.",
            (),
            None,
            CONFUSIONS[LENGTHS],
        )
    if np.ptp(tokens) == 0:
        return _judged(LENGTHS, 0.0, "All prompts have the same number of tokens.")
    found = compare_groups(high, low)
    order = found.mann_whitney
    assert order.value is not None and order.p is not None
    apart = max(order.value, 1 - order.value)
    weight = apart / at.POLE_ORDER
    if order.p > at.FAMILY:
        weight = min(weight, 0.99)
    return _judged(
        LENGTHS,
        weight,
        f"High prompts have {found.first_mean:.0f} tokens on average, low ones "
        f"{found.second_mean:.0f}.",
        (
            Row(
                "probability that a high prompt is longer than a low one",
                order,
                note=f"told apart by length from {at.POLE_ORDER:.0%} (or {1 - at.POLE_ORDER:.0%})",
            ),
            Row("tokens of high prompts - of low ones", found.welch),
        ),
    )


def judge_words(evidence: CellEvidence, _: Earlier) -> Judgement:
    """Whether the poles differ in a word or two of many.

    Measured: the share of a high prompt's words that its nearest low prompt does not have, median
    over high prompts. Why: a mean over all tokens then holds little of the contrast, and the last
    token may not be the one that differs. Confusions: a contrast that one word carries. Only
    another pooling or other prompts tell, so this is never more than undetermined.
    """
    differ = [
        _nearest(text, evidence.texts_of(high=False)) for text in evidence.texts_of(high=True)
    ]
    shares = np.array([count / max(1, words) for count, words in differ])
    share = float(np.median(shares))
    place = int(np.argsort(shares)[(len(shares) - 1) // 2])
    count, words = differ[place]
    return _judged(
        WORDS,
        at.WORDS_DIFFER / max(share, 0.01),
        f"Against the nearest low prompt, a high prompt differs in {count} of {words} words.",
        (
            Row(
                "share of words that differ, median",
                Estimate.exact(share, len(shares)),
                note=f"few up to {at.WORDS_DIFFER:.0%}",
            ),
        ),
    )


def _nearest(text: str, others: tuple[str, ...]) -> tuple[int, int]:
    """How many words differ from the nearest other text, whatever their order, and of how many."""
    own = text.split()
    found = []
    for other in others:
        theirs = other.split()
        longest = max(len(own), len(theirs))
        found.append((longest - (Counter(own) & Counter(theirs)).total(), longest))
    return min(found, key=lambda pair: pair[0] / max(1, pair[1]))


def _judged(cause: str, weight: float, summary: str, rows: tuple[Row, ...] = ()) -> Judgement:
    return Judgement(
        cause,
        TITLES[cause],
        "undetermined" if weight >= 1 else "ruled out",
        weight,
        summary,
        rows,
        None,
        CONFUSIONS[cause],
    )


RULES = (
    Rule(LENGTHS, TITLES[LENGTHS], judge_lengths),
    Rule(WORDS, TITLES[WORDS], judge_words),
)
