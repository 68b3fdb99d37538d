"""The scorecard as figures: the grid of r, and every r with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.core.status import STATUSES
from backend.settings import StatusThresholds
from backend.store.run_values import RunSummary
from backend.views.scorecard.compute import Scorecard, ScorecardCell
from backend.views.scorecard.words import interval_text, responders_differ
from backend.views.shared.intervals import error_bars
from backend.views.shared.numbers import count_text
from backend.views.shared.style import (
    DIVERGING,
    GREY,
    INK,
    STATUS_COLOURS,
    STATUS_SIGNS,
    STATUS_SYMBOLS,
    tidy,
    trait_label,
)


def scorecard_grid(
    card: Scorecard, runs: Sequence[RunSummary], traits: Sequence[str], labels: Sequence[str]
) -> go.Figure:
    """Grid of r: traits down, runs across, coloured by r and centred at 0.

    Args:
        card: the numbers.
        runs: columns, in order.
        traits: rows, top to bottom.
        labels: name of each column, all different.
    """
    values, texts, hovers = [], [], []
    for trait in traits:
        row = [card.cells.get((run.run_id, trait)) for run in runs]
        values.append([None if cell is None else cell.correlation.value for cell in row])
        texts.append([_grid_text(cell) for cell in row])
        hovers.append([hover_text(cell, card.target) for cell in row])
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=list(labels),
            y=[trait_label(trait) for trait in traits],
            text=texts,
            texttemplate="%{text}",
            textfont={"color": INK},
            customdata=hovers,
            hovertemplate="%{customdata}<extra></extra>",
            colorscale=DIVERGING,
            zmin=-1,
            zmid=0,
            zmax=1,
            xgap=3,
            ygap=3,
            hoverongaps=True,
            colorbar={
                "orientation": "h",
                "thickness": 8,
                "y": 0,
                "yanchor": "top",
                "tickvals": [-1, -0.5, 0, 0.5, 1],
            },
        )
    )
    figure.update_yaxes(range=[len(traits) - 0.5, -0.5], showgrid=False)
    figure.update_xaxes(range=[-0.5, len(runs) - 0.5], side="top", showgrid=False)
    return tidy(figure, height=110 + 64 * max(1, len(traits)))


def scorecard_intervals(
    card: Scorecard,
    runs: Sequence[RunSummary],
    traits: Sequence[str],
    labels: Sequence[str],
    thresholds: StatusThresholds,
) -> go.Figure:
    """r with its 95% interval per trait and run, over the bands of the statuses.

    Args:
        card: the numbers.
        runs: in order.
        traits: top to bottom.
        labels: name of each run, all different.
        thresholds: where the bands begin.
    """
    figure = go.Figure()
    step = 0.7 / max(1, len(runs))
    shown: set[str] = set()
    for index, run in enumerate(runs):
        offset = (index - (len(runs) - 1) / 2) * step
        for status in STATUSES:
            points = [
                (row + offset, cell)
                for row, trait in enumerate(traits)
                if (cell := card.cells.get((run.run_id, trait))) is not None
                and cell.status == status
                and cell.correlation.value is not None
            ]
            if not points:
                continue
            figure.add_trace(
                go.Scatter(
                    x=[cell.correlation.value for _, cell in points],
                    y=[y for y, _ in points],
                    mode="markers",
                    name=status,
                    legendgroup=status,
                    showlegend=status not in shown,
                    marker={
                        "symbol": STATUS_SYMBOLS[status],
                        "color": STATUS_COLOURS[status],
                        "size": 9,
                    },
                    error_x=error_bars([cell.correlation for _, cell in points]),
                    customdata=[
                        f"{labels[index]}<br>{hover_text(c, card.target)}" for _, c in points
                    ],
                    hovertemplate="%{customdata}<extra></extra>",
                )
            )
            shown.add(status)
    for threshold, name in ((thresholds.close, "close"), (thresholds.working, "working")):
        figure.add_vline(
            x=threshold,
            line={"dash": "dot", "width": 1.5, "color": STATUS_COLOURS[name]},
            annotation={
                "text": f"{name} {threshold:g}",
                "font": {"size": 11},
                "textangle": -90,
                "yanchor": "bottom",
                "y": 0.0,
                "xanchor": "left",
            },
        )
    figure.add_vline(x=0, line={"width": 1, "color": GREY})
    figure.update_xaxes(
        range=_span(card, runs, traits, thresholds),
        title=f"r over {card.target}s, 95% interval (Fisher z)",
    )
    figure.update_yaxes(
        tickvals=list(range(len(traits))),
        ticktext=[trait_label(trait) for trait in traits],
        range=[len(traits) - 0.4, -0.6],
        showgrid=False,
    )
    return tidy(figure, height=110 + max(46, 22 * len(runs)) * max(1, len(traits)))


def _span(
    card: Scorecard,
    runs: Sequence[RunSummary],
    traits: Sequence[str],
    thresholds: StatusThresholds,
) -> list[float]:
    """From the lowest end of an interval to the highest, with zero and the thresholds inside."""
    ends = [0.0, thresholds.close, thresholds.working]
    for run in runs:
        for trait in traits:
            cell = card.cells.get((run.run_id, trait))
            if cell is not None:
                c = cell.correlation
                ends += [end for end in (c.low, c.value, c.high) if end is not None]
    return [max(-1.02, min(ends) - 0.04), min(1.02, max(ends) + 0.04)]


def _grid_text(cell: ScorecardCell | None) -> str:
    if cell is None:
        return ""
    sign = STATUS_SIGNS[cell.status]
    if cell.correlation.value is None:
        return f"{sign} undefined"
    chosen = "" if cell.of_layers == 1 else f", best of {cell.of_layers}"
    return (
        f"<b>{sign} {cell.correlation.value:+.2f}</b><br>{interval_text(cell)}"
        f"<br>layer {cell.layer}{chosen}"
    )


def _together(cell: ScorecardCell) -> str:
    if not responders_differ(cell):
        return ""
    return (
        f"<br>over all responders together r = {cell.pooled.value:+.2f}:"
        "<br>that is how responders differ, not what the vector reads"
    )


def hover_text(cell: ScorecardCell | None, target: str) -> str:
    """Everything that is known of a cell's r, lines parted by ``<br>``.

    Args:
        cell: of a scorecard; None where the run lacks the trait.
        target: what r is taken over.
    """
    if cell is None:
        return "not in this run"
    c = cell.correlation
    name = cell.trait.replace("_", " ")
    if c.value is None:
        return f"{name}<br>r is undefined: {c.reason}"
    p = "" if c.p is None else f"<br>p = {c.p:.2g} at this layer alone"
    chosen = (
        ""
        if cell.of_layers == 1
        else f"<br>the highest r of {cell.of_layers} layers; interval and p ignore that choice"
    )
    return (
        f"{name}: {cell.status}<br>r over {target}s = {c.value:+.3f} {interval_text(cell)}"
        f"<br>{count_text(c)}, layer {cell.layer}{p}{chosen}{_together(cell)}"
    )
