"""Estimates drawn with their intervals: error bars, and bands with gaps."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.core.estimate import Estimate
from backend.views.shared.numbers import r_text
from backend.views.shared.style import GREY, tidy, trait_label

Number = float | None


def error_bars(found: Sequence[Estimate]) -> dict[str, object]:
    """Plotly's error_x or error_y of some estimates; of length 0 where there is no interval."""
    known = [
        (e.value, e.value if e.low is None else e.low, e.value if e.high is None else e.high)
        for e in found
        if e.value is not None
    ]
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for value, _, high in known],
        "arrayminus": [value - low for value, low, _ in known],
        "thickness": 1.5,
        "width": 4,
    }


def band(
    x: Sequence[float],
    low: Sequence[Number],
    high: Sequence[Number],
    *,
    name: str,
    colour: str,
    opacity: float = 0.2,
    dash: str = "solid",
) -> go.Scatter:
    """The area between two lines; it breaks where an end is undefined.

    Args:
        x: ascending.
        low: lower end at each x; None where undefined.
        high: upper end.
        name: in the legend.
        colour: of edge and area.
        opacity: of the area.
        dash: of the edge, so that bands differ by more than colour.
    """
    xs: list[Number] = []
    ys: list[Number] = []
    piece: list[tuple[float, float, float]] = []
    for at, lower, upper in [*zip(x, low, high, strict=True), (0.0, None, None)]:
        if lower is not None and upper is not None:
            piece.append((at, lower, upper))
        elif piece:
            there = [*piece, *reversed(piece), piece[0]]
            ends = [*(p[1] for p in piece), *(p[2] for p in reversed(piece)), piece[0][1]]
            xs += [*(p[0] for p in there), None]
            ys += [*ends, None]
            piece = []
    return go.Scatter(
        x=xs[:-1],
        y=ys[:-1],
        mode="lines",
        fill="toself",
        name=name,
        hoverinfo="skip",
        line={"width": 1, "color": colour, "dash": dash},
        fillcolor=_clear(colour, opacity),
    )


def forest(
    labels: Sequence[str],
    series: Sequence[tuple[str, str, str, Sequence[Estimate]]],
    *,
    title: str,
) -> go.Figure:
    """Correlations with their intervals, one row per label; undefined ones are left out.

    Args:
        labels: rows, top to bottom; keys with underscores.
        series: name, colour, symbol and estimates in the order of the labels.
        title: of the axis.
    """
    figure = go.Figure()
    for index, (name, colour, symbol, found) in enumerate(series):
        offset = (index - (len(series) - 1) / 2) * 0.28
        known = [(row, e) for row, e in enumerate(found) if e.value is not None]
        figure.add_trace(
            go.Scatter(
                x=[e.value for _, e in known],
                y=[row + offset for row, _ in known],
                mode="markers",
                name=name,
                marker={"symbol": symbol, "color": colour, "size": 9},
                error_x=error_bars([e for _, e in known]),
                customdata=[f"{labels[row].replace('_', ' ')}<br>{r_text(e)}" for row, e in known],
                hovertemplate=f"{name} of %{{customdata}}<extra></extra>",
                showlegend=len(series) > 1,
            )
        )
        for row, e in enumerate(found):
            if e.value is None:
                figure.add_annotation(
                    x=0,
                    y=row + offset,
                    text=f"{name}: undefined",
                    showarrow=False,
                    font={"size": 11},
                    xanchor="left",
                    hovertext=e.reason,
                )
    figure.add_vline(x=0, line={"width": 1, "color": GREY})
    figure.update_xaxes(range=[-1.02, 1.02], title=title)
    figure.update_yaxes(
        tickvals=list(range(len(labels))),
        ticktext=[trait_label(label) for label in labels],
        range=[len(labels) - 0.4, -0.6],
        showgrid=False,
    )
    return tidy(figure, height=110 + 46 * max(1, len(labels)))


def _clear(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
