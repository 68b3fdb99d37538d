"""The measures of a dose-response as people read them."""

from __future__ import annotations

from dataclasses import dataclass

from backend.steering.units import ONE_UNIT, UNITS
from backend.store.dose import PAIRED


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes:
        name: key.
        title: on screen.
        axis: of its change, with the unit.
        about: what it is, in a sentence.
        limit: change from which coherence counts as lost, positive where growing is bad and
            negative where falling is; None for measures of behaviour.
    """

    name: str
    title: str
    axis: str
    about: str
    limit: float | None = None


MEASURES = (
    Measure(
        "score",
        "Judge's score",
        "change of the judge's score<br>(points of 0 to 10)",
        "The judge's score of the answers for the trait, by the study's description of it.",
    ),
    Measure(
        PAIRED,
        "Propensity",
        "change of the logit difference<br>(nats)",
        "By how much the model prefers the high to the low prompt of a pair, at the first token in "
        "which they differ: a difference of logits.",
    ),
    Measure(
        "reading",
        "Projection of the answers",
        "change of projection<br>(units of strength)",
        "Where the answers lie along the vector when the model reads them again without steering. "
        "It shows that the words change, and not that the trait does.",
    ),
    Measure(
        "nll",
        "Log perplexity",
        "change of log perplexity<br>(nats a token)",
        "Mean of -log p of the answers' tokens under the model without steering; its exponential "
        "is the perplexity.",
        limit=1.0,
    ),
    Measure(
        "distinct",
        "Share of distinct token pairs",
        "change of distinct pairs<br>(share)",
        "Share of neighbouring token pairs that are no repeats: near 1 for text, near 0 for an "
        "answer that repeats itself.",
        limit=-0.2,
    ),
)


def unit_words(unit: str, *, one: bool = False) -> str:
    """A unit of strength in words.

    Args:
        unit: as a dose-response keeps it.
        one: whether one of them is spoken of.
    """
    return next(words for name, words in (ONE_UNIT if one else UNITS).items() if name == unit)
