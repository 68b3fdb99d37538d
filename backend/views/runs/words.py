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


def answer(found: Comparison) -> str:
    """On how many traits r changed, in words.

    Args:
        found: the comparison.
    """
    changed = [trait for trait in found.traits if not trait.unchanged]
    if not changed:
        return "Nothing changed: every trait has the same prompts and the same projections."
    kinds = [significance(trait.difference, trait.adjusted_p) for trait in changed]
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    parts = [
        f"{said} on {counts[kind]}"
        for kind, said in (
            ("higher", "r rose"),
            ("lower", "r fell"),
            ("not shown", "no change is shown"),
            ("undefined", "there is no test"),
        )
        if kind in counts
    ]
    traits = "1 trait changed" if len(changed) == 1 else f"{len(changed)} traits changed"
    said = ", ".join(parts)
    alike = len(found.traits) - len(changed)
    rest = f" {alike} unchanged, not tested." if alike else ""
    return f"{traits}: {said}.{rest}"


def changes_of_prompts(trait: TraitDifference) -> str:
    """How many prompts of a trait were removed and added, in words."""
    parts = [
        f"{change.pole} pole {len(change.removed)} removed, {len(change.added)} added, "
        f"{change.kept} kept"
        for change in trait.prompts
    ]
    return "; ".join(parts)


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
    """One sentence for each trait that changed, as Markdown; then the unchanged ones, and those
    that cannot be compared.

    Args:
        found: the comparison.
    """
    compared = [
        f"**{trait.trait.replace('_', ' ')}**: {change_in_words(trait)}"
        for trait in found.traits
        if not trait.unchanged
    ]
    unchanged = [t.trait.replace("_", " ") for t in found.traits if t.unchanged]
    if unchanged:
        compared.append(f"Unchanged, not tested: {', '.join(unchanged)}.")
    left_out = [
        f"**{trait.replace('_', ' ')}** is not compared: {why}."
        for trait, why in found.left_out.items()
    ]
    return compared + left_out
