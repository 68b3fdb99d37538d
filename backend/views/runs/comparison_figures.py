"""Charts, tables and sentences of a comparison of two runs."""

from __future__ import annotations

import plotly.graph_objects as go

from backend.core.estimate import Estimate
from backend.core.statistics.significance import Significance, significance
from backend.views.runs.comparison import Comparison, PoleDifference, TraitDifference
from backend.views.shared.differences import difference_forest
from backend.views.shared.numbers import p_text, r_text
from backend.views.shared.style import wrapped

WORDS: dict[Significance, str] = {
    "higher": "r rose",
    "not shown": "no change shown",
    "lower": "r fell",
    "undefined": "no test",
}


def r_changes(found: Comparison) -> go.Figure:
    """r of B minus r of A with Zou's 95% interval, one row per trait.

    Args:
        found: the comparison.
    """
    return difference_forest(
        [_name(trait) for trait in found.traits],
        [(trait.difference, trait.adjusted_p) for trait in found.traits],
        [f"<b>{_name(trait)}</b><br>{wrapped(change_in_words(trait))}" for trait in found.traits],
        WORDS,
        title="r of B − r of A (95% interval, Zou)",
    )


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
    compared = [f"**{_name(trait)}**: {change_in_words(trait)}" for trait in found.traits]
    left_out = [
        f"**{trait.replace('_', ' ')}** is not compared: {why}."
        for trait, why in found.left_out.items()
    ]
    return compared + left_out


def r_rows(found: Comparison) -> list[dict[str, str | int]]:
    """r of both sides and their difference as a table.

    Args:
        found: the comparison.
    """
    return [
        {
            "trait": _name(trait),
            "layer A": str(trait.layers[0]),
            "r of A": r_text(trait.first, count=False),
            "layer B": str(trait.layers[1]),
            "r of B": r_text(trait.second, count=False),
            "B − A (Zou)": r_text(trait.difference, count=False),
            "p (Williams)": p_text(trait.difference.p),
            "adjusted p": p_text(trait.adjusted_p),
            "matched": trait.matched,
            "cases of A, B": f"{trait.cases[0]}, {trait.cases[1]}",
            "change": WORDS[significance(trait.difference, trait.adjusted_p)],
        }
        for trait in found.traits
    ]


def pole_rows(found: Comparison, measure: str) -> list[dict[str, str]]:
    """One measure of the prompts of every trait and pole as a table.

    Args:
        found: the comparison.
        measure: title of a measure, as in PoleDifference.
    """
    return [
        _pole_row(trait, pole)
        for trait in found.traits
        for pole in trait.poles
        if pole.measure == measure
    ]


def _pole_row(trait: TraitDifference, pole: PoleDifference) -> dict[str, str]:
    first, second = pole.prompts
    return {
        "trait": _name(trait),
        "pole": pole.pole,
        "layers A, B": f"{trait.layers[0]}, {trait.layers[1]}",
        "A": _number(pole.first),
        "B": _number(pole.second),
        "B − A, 95% interval": _interval(pole.difference),
        "prompts": f"{first}, the same" if pole.paired else f"{first} and {second}, drawn apart",
    }


def _interval(found: Estimate) -> str:
    if found.value is None:
        return f"undefined: {found.reason}"
    shown = f"{found.value:+.3g}"
    if found.low is None or found.high is None:
        return f"{shown} (no interval: {found.reason})"
    return f"{shown} [{found.low:+.3g}, {found.high:+.3g}]"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3g}"


def _name(trait: TraitDifference) -> str:
    return trait.trait.replace("_", " ")
