"""The prompts of a cell as figures: cosines, lengths and agreement."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.types import POLES
from backend.views.prompts.compute import PromptResult, PromptView
from backend.views.prompts.words import tokens_text
from backend.views.shared.cosine_blocks import CosineBlocks, cosine_blocks
from backend.views.shared.style import (
    COLOUR_BAR,
    POLE_COLOURS,
    POLE_SYMBOLS,
    SEQUENTIAL,
    excerpt,
    tidy,
    wrapped,
)


def cosine_heatmap(view: PromptView) -> go.Figure:
    """Cosine of every pair of prompts, high pole first; hover shows both texts.

    Args:
        view: the prompts of one cell, in the order to draw.
    """
    blocks = view_blocks(view)
    texts = [_of_block(view.rows[start:stop]) for start, stop in blocks.spans]
    low, high = blocks.ends
    count = len(texts)
    figure = go.Figure(
        go.Heatmap(
            # The texts stand on the axes, each once: in every cell's hover they would be n times
            # the study.
            x=texts,
            y=texts,
            z=blocks.means,
            hovertemplate="<b>cosine %{z:.3f}</b><br>%{y}<br>%{x}<extra></extra>",
            colorscale=SEQUENTIAL,
            zmin=low,
            zmax=high,
            colorbar=COLOUR_BAR | {"title": {"text": "cosine", "side": "top"}},
        )
    )
    highs = sum(view.rows[start].pole == "high" for start, _ in blocks.spans)
    for edge in ("add_hline", "add_vline"):
        at = {"y": highs - 0.5} if edge == "add_hline" else {"x": highs - 0.5}
        getattr(figure, edge)(**at, line={"width": 2, "color": "#FFFFFF"})
    middles = [texts[i] for i in (highs // 2, (highs + count) // 2) if i < count]
    ticks = {"type": "category", "tickvals": middles, "ticktext": list(POLES)}
    figure.update_xaxes(ticks, showgrid=False, side="top")
    figure.update_yaxes(
        ticks,
        showgrid=False,
        autorange="reversed",
        scaleanchor="x",
        constrain="domain",
        tickangle=-90,
    )
    figure.update_xaxes(constrain="domain")
    return tidy(figure, height=520)


def view_blocks(view: PromptView) -> CosineBlocks:
    """The cosines of the heatmap; the diagonal, 1 by definition, would stretch the colours and is
    left out."""
    return cosine_blocks(view.cosines, [row.pole for row in view.rows])


def _of_block(rows: Sequence[PromptResult]) -> str:
    """The prompts of a block, the first with its text."""
    first = rows[0]
    more = "" if len(rows) == 1 else f"<br>and {len(rows) - 1} more, up to #{rows[-1].prompt_id}"
    return f"<b>{first.pole} #{first.prompt_id}</b> {excerpt(first.text)}{more}"


def norms_and_agreement(view: PromptView) -> go.Figure:
    """Each prompt by its length and its agreement with its own pole: outliers stand apart.

    Args:
        view: the prompts of one cell.
    """
    figure = go.Figure()
    for pole in POLES:
        rows = [row for row in view.rows if row.pole == pole and row.to_own_pole.value is not None]
        figure.add_trace(
            go.Scatter(
                x=[row.norm for row in rows],
                y=[row.to_own_pole.value for row in rows],
                mode="markers",
                name=pole,
                ids=[str(row.prompt_id) for row in rows],
                marker={"symbol": POLE_SYMBOLS[pole], "color": POLE_COLOURS[pole], "size": 10},
                customdata=[_hover(row) for row in rows],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    figure.update_xaxes(title="norm ||x|| (activation units)")
    figure.update_yaxes(title="mean cosine to its own pole")
    return tidy(figure, height=520)


def _hover(row: PromptResult) -> str:
    turn = (
        f"{row.influence.value:.1f}°" if row.influence.value is not None else row.influence.reason
    )
    return (
        f"<b>{row.pole} #{row.prompt_id}</b><br>{wrapped(row.text)}"
        f"<br>norm {row.norm:.3g}, cosine to its pole {row.to_own_pole.value:.3f}"
        f"<br>without it the vector turns by {turn}, {tokens_text(row.tokens)}"
    )
