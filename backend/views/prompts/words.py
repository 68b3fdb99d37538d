"""What is said beside the prompts of a cell, on their page and in their section."""

from __future__ import annotations

from backend.core.estimate import Estimate
from backend.views.prompts.basket import Basket
from backend.views.prompts.compute import PromptResult, PromptView
from backend.views.prompts.without import DropPreview
from backend.views.shared.numbers import p_text, r_text

WHY = (
    "A vector is the difference of the two pole means. If the prompts of a pole point in different "
    "directions, or one is far longer than the rest, the mean represents none of them."
)
COSINES = (
    "Bright blocks on the diagonal: the prompts of a pole agree. A dark stripe: a prompt that "
    "points elsewhere."
)
LENGTHS = (
    "A prompt far to the right dominates the mean. A prompt far below points in another direction."
)
VARIANCE = (
    "Raw variance grows with the square of the model's activation norm, so it cannot be compared "
    "between models. Spread is the same quantity divided by the squared norm of the mean."
)
TOKENS = (
    "The tokens the model reads, and which of them are pooled. This needs the model's tokenizer on "
    "this machine."
)
TABLE = (
    "Select a row to read the prompt, drop it or edit it. Click a column title to sort: the "
    "prompts with the highest 'r without it' hurt most, by the same scores that choose them. "
    "Numbers are those of this revision."
)
PICK = "Select a row, a point or a cell of the heatmap to read the prompt, drop it or edit it."
PREVIEW = (
    "r of the mean difference without the dropped prompts, computed from stored inner products: "
    "exact, without the model. If you drop prompts because r rises, selection inflates that r."
)
EDITED_LATER = "Edited prompts count only after extraction: the model has to read them."
SAVE_DROPS = (
    "Saving makes the study's next revision without these prompts. All activations are taken from "
    "this run, so the model is not loaded. The present revision stays."
)
SAVE_EDITS = (
    "Saving adds a prompt set to the study's next revision and queues its extraction by the same "
    "model. Only edited texts are read by the model. The present revision stays."
)
IMPORTED = (
    "The activations of this run were imported: no model is at hand that could read the new set. "
    "Import the activations of the changed study instead."
)
SIMULATED = "A simulated study has no model that could read the new set, so it cannot be saved."
TOO_LONG = "The edited texts are too long for a link: it will not carry these changes."


def answer(view: PromptView) -> str:
    """Whether the prompts agree, in two sentences: cosines of the poles, and the prompt that
    matters most.

    Args:
        view: the prompts of one cell.
    """
    poles = ", ".join(
        f"{pole} {_plain(view.cell.metrics[f'{pole}_cosine'], '.3f')}" for pole in ("high", "low")
    )
    said = f"Mean cosine within a pole: {poles}."
    turns = [row for row in view.rows if row.influence.value is not None]
    if not turns:
        return said
    most = max(turns, key=lambda row: row.influence.value or 0.0)
    r = view.cell.correlation
    change = ""
    if r.value is not None and most.without.value is not None:
        before, after = f"{r.value:+.2f}", f"{most.without.value:+.2f}"
        change = f" and r goes from {before} to {after}"
        if before == after:
            change = f" and r stays at {before}"
    return (
        f"{said} The prompt with the largest influence is {most.pole} #{most.prompt_id}: without "
        f"it the vector turns by {most.influence.value:.1f}°{change}."
    )


def numbers_text(row: PromptResult, r: Estimate) -> str:
    """The numbers of one prompt in a line.

    Args:
        row: the prompt.
        r: of the cell with all prompts.
    """
    without = _plain(row.without, "+.3f")
    whole = "" if r.value is None else f" (with it {r.value:+.3f})"
    return (
        f"r without it {without}{whole} · turns the vector by {_plain(row.influence, '.1f')}°"
        f" · cosine to its pole {_plain(row.to_own_pole, '.3f')} · norm {row.norm:.4g}"
        f" · {tokens_text(row.tokens)}"
    )


def tokens_text(count: int) -> str:
    """How many tokens a text has; imported activations need not say."""
    return f"{count} tokens" if count else "number of tokens not known"


def preview_text(found: DropPreview) -> str:
    """r before and after, and the difference with its test, in a line of Markdown.

    Args:
        found: of the shown layer.
    """
    difference = r_text(found.difference, count=False)
    if found.difference.p is not None:
        p = p_text(found.difference.p)
        difference += f", p {p}" if p.startswith("<") else f", p = {p}"
    high, low = found.kept
    return (
        f"Layer {found.layer}: r **{r_text(found.before, count=False)}** → "
        f"**{r_text(found.after)}**. Difference {difference}. "
        f"Best layer: {_layer_text(found.best_before)} → {_layer_text(found.best_after)}. "
        f"Left: {high} high and {low} low prompts."
    )


def basket_title(basket: Basket) -> str:
    """The head of the basket: "2 dropped, 1 edited". Args: a basket that is not empty."""
    return f"Changes to the prompts: {basket.summary}"


def _layer_text(found: tuple[int, Estimate] | None) -> str:
    return "undefined" if found is None else f"{found[1].value:+.2f} at layer {found[0]}"


def _plain(found: Estimate, form: str) -> str:
    return f"undefined ({found.reason})" if found.value is None else f"{found.value:{form}}"
