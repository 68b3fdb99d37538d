"""What the layers of a run are worth, in sentences and as a table."""

from __future__ import annotations

from collections.abc import Sequence

from backend.store.run_values import CellResult
from backend.views.layers.compute import LayerChoice
from backend.views.shared.numbers import p_text, r_text
from backend.views.shared.style import STATUS_SIGNS

_BEYOND = {
    "later": "It is the last layer extracted: a better one may lie beyond it.",
    "earlier": "It is the first layer extracted: a better one may lie before it.",
}


def choice_sentence(choice: LayerChoice) -> str:
    """What the best layer is worth, in plain words."""
    r = choice.correlation
    count = len(choice.layers)
    if choice.layer is None or r.value is None:
        return f"There is no best layer: r is undefined, as {r.reason}."
    held = r_text(choice.held_out, count=False)
    if count == 1:
        said = (
            f"Layer {choice.layer} is the only one extracted, so no choice flatters it: "
            f"r = {r_text(r)}"
        )
        return said + ("." if choice.p is None else f"; one-sided permutation p = {choice.p:.2g}.")
    said = f"Layer {choice.layer} is the best of {count}: r = {r.value:+.2f} (n = {r.n})"
    if choice.null_95 is not None and choice.p is not None:
        said += (
            f"; chance alone reaches {choice.null_95:+.2f} in 5% of shuffles (p = {choice.p:.2g})"
        )
    if choice.held_out.value is None:
        said += f"; r on scenarios it was not chosen on is {held}."
    else:
        said += f"; on scenarios it was not chosen on, r = {held}."
    if choice.p is not None and choice.p >= 0.05:
        said += f" That is no more than the best of {count} layers can reach by chance."
    return said if choice.beyond is None else f"{said} {_BEYOND[choice.beyond]}"


def layer_sentence(cell: CellResult) -> str:
    """r at one layer beside vectors that know nothing of the trait."""
    c = cell.correlation
    if c.r is None:
        return f"At layer {cell.key.layer} r is undefined, as {c.reason}."
    said = f"At layer {cell.key.layer}, r = {r_text(c)}."
    parts = []
    for kind, what in (
        ("shuffled_labels", "vectors of the same prompts with shuffled labels"),
        ("random_direction", "random directions"),
    ):
        control = cell.controls[kind]
        if control.p is not None:
            parts.append(f"{control.draws} {what} p = {control.p:.2g}")
    if parts:
        said += f" Against {', against '.join(parts)} (share at least as far from zero)."
    return said


def choice_rows(choices: Sequence[LayerChoice]) -> list[dict[str, str]]:
    """The best layer of every trait as a table.

    Args:
        choices: one row each.
    """
    return [
        {
            "trait": choice.trait.replace("_", " "),
            "best layer": _place(choice),
            "status": f"{STATUS_SIGNS[choice.status]} {choice.status}",
            "r there, 95%": r_text(choice.correlation, count=False),
            "p of the best": p_text(choice.p),
            "p adjusted": p_text(choice.adjusted_p),
            "r held out, 95%": r_text(choice.held_out, count=False),
            "n": str(choice.correlation.n),
        }
        for choice in choices
    ]


def _place(choice: LayerChoice) -> str:
    if choice.layer is None:
        return "–"
    end = {None: "", "later": " (last)", "earlier": " (first)"}[choice.beyond]
    return f"{choice.layer} of {choice.layers[0]}–{choice.layers[-1]}{end}"
