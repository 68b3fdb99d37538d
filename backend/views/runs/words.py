"""Sentences of a comparison of two runs."""

from __future__ import annotations

from backend.core.statistics.significance import Significance, significance
from backend.views.runs.comparison import Comparison, TraitDifference
from backend.views.shared.numbers import p_text, r_text

# What became of r.
CHANGES: dict[Significance, str] = {
    "higher": "r rose",
    "not shown": "no change shown",
    "lower": "r fell",
    "undefined": "no test",
}


def change_in_words(trait: TraitDifference) -> str:
    """What became of r, in one sentence.

    Args:
        trait: one trait of a comparison.
    """
    a, b, difference = trait.first.value, trait.second.value, trait.difference
    if a is None or b is None:
        return f"The change of r is undefined: {difference.reason}."
    way = f"from {a:+.2f} (layer {trait.layers[0]}) to {b:+.2f} (layer {trait.layers[1]})"
    kind = significance(difference, trait.adjusted_p)
    if kind == "undefined":
        change = "" if difference.value is None else f", by {difference.value:+.2f}"
        return f"r went {way}{change}; the change has no test: {difference.reason}."
    said = {"higher": "r rose", "lower": "r fell", "not shown": "no change is shown: r went"}[kind]
    return (
        f"{said} {way}, by {r_text(difference, count=False)}, adjusted p "
        f"{p_text(trait.adjusted_p)}, {trait.matched} matched cases."
    )


def sentences(found: Comparison) -> list[str]:
    """One sentence for each trait, as Markdown, those that cannot be compared last.

    Args:
        found: the comparison.
    """
    compared = [
        f"**{trait.trait.replace('_', ' ')}**: {change_in_words(trait)}" for trait in found.traits
    ]
    left_out = [
        f"**{trait.replace('_', ' ')}** is not compared: {why}."
        for trait, why in found.left_out.items()
    ]
    return compared + left_out
