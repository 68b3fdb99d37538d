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
        hovers.append([_hover(cell, card.target) for cell in row])
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
    figure.add_trace(_clickable(card, runs, traits, labels))
    figure.update_yaxes(range=[len(traits) - 0.5, -0.5], showgrid=False)
    figure.update_xaxes(range=[-0.5, len(runs) - 0.5], side="top", showgrid=False)
    return tidy(figure, height=110 + 64 * max(1, len(traits)))


def _clickable(
    card: Scorecard, runs: Sequence[RunSummary], traits: Sequence[str], labels: Sequence[str]
) -> go.Scatter:
    """Unseen points on the cells: Plotly tells of a click on a point, not on a heatmap's cell.

    Each carries the run, the trait and what hovering says.
    """
    places = [
        (label, trait, run.run_id)
        for trait in traits
        for run, label in zip(runs, labels, strict=True)
    ]
    return go.Scatter(
        x=[label for label, _, _ in places],
        y=[trait_label(trait) for _, trait, _ in places],
        mode="markers",
        marker={"size": 54, "opacity": 0, "symbol": "square", "color": INK},
        customdata=[
            [run_id, trait, _hover(card.cells.get((run_id, trait)), card.target)]
            for _, trait, run_id in places
        ],
        hovertemplate="%{customdata[2]}<br>click: why?<extra></extra>",
        showlegend=False,
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
    )


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
                    customdata=[f"{labels[index]}<br>{_hover(c, card.target)}" for _, c in points],
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
        range=[-1.02, 1.02], title=f"r over {card.target}s, 95% interval (Fisher z)"
    )
    figure.update_yaxes(
        tickvals=list(range(len(traits))),
        ticktext=[trait_label(trait) for trait in traits],
        range=[len(traits) - 0.4, -0.6],
        showgrid=False,
    )
    return tidy(figure, height=110 + max(46, 22 * len(runs)) * max(1, len(traits)))


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
        "<br>that is how responders differ, not how the vector reads"
    )


def _hover(cell: ScorecardCell | None, target: str) -> str:
    if cell is None:
        return "not in this run"
    c = cell.correlation
    name = cell.trait.replace("_", " ")
    if c.value is None:
        return f"<b>{name}</b><br>r is undefined: {c.reason}"
    p = "" if c.p is None else f"<br>p = {c.p:.2g} at this layer alone"
    chosen = (
        ""
        if cell.of_layers == 1
        else f"<br>the highest r of {cell.of_layers} layers: interval and p do not allow for that"
    )
    return (
        f"<b>{name}</b>: {cell.status}<br>r over {target}s = {c.value:+.3f} {interval_text(cell)}"
        f"<br>{count_text(c)}, layer {cell.layer}{p}{chosen}{_together(cell)}"
    )
