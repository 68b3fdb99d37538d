"""Tables of the Layers page."""

from __future__ import annotations

from collections.abc import Sequence

from backend.views.layers.compute import LayerChoice
from backend.views.shared.numbers import p_text, r_text
from backend.views.shared.style import STATUS_SIGNS


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
