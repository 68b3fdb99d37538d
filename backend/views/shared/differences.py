"""Differences of r, one row each, told apart by whether they are sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from backend.core.estimate import Estimate
from backend.core.statistics.significance import Significance, significance
from backend.views.shared.intervals import error_bars
from backend.views.shared.style import BLUE, GREY, ORANGE, tidy, wrapped

SIGNS: dict[Significance, str] = {"higher": "▲", "not shown": "○", "lower": "▼", "undefined": "–"}
LOOKS: dict[Significance, tuple[str, str]] = {
    "higher": (ORANGE, "triangle-up"),
    "not shown": (GREY, "circle-open"),
    "lower": (BLUE, "triangle-down"),
    "undefined": (GREY, "line-ns-open"),
}


def difference_forest(
    labels: Sequence[str],
    found: Sequence[tuple[Estimate, float | None]],
    hovers: Sequence[str],
    words: Mapping[Significance, str],
    *,
    title: str,
) -> go.Figure:
    """Differences with their 95% intervals around zero; undefined ones say why.

    Args:
        labels: rows, top to bottom.
        found: each row's difference and adjusted p.
        hovers: each row's text.
        words: what higher, lower, not shown and undefined mean here.
        title: of the axis.
    """
    figure = go.Figure()
    judged = [significance(difference, p) for difference, p in found]
    for kind, (colour, symbol) in LOOKS.items():
        rows = [
            row for row, own in enumerate(judged) if own == kind and found[row][0].value is not None
        ]
        if rows:
            figure.add_trace(
                go.Scatter(
                    x=[found[row][0].value for row in rows],
                    y=rows,
                    mode="markers",
                    name=words[kind],
                    showlegend=True,
                    marker={"symbol": symbol, "color": colour, "size": 10},
                    error_x=error_bars([found[row][0] for row in rows]),
                    customdata=[hovers[row] for row in rows],
                    hovertemplate="%{customdata}<extra></extra>",
                )
            )
    for row, (difference, _) in enumerate(found):
        if difference.value is None:
            _note(figure, row, f"undefined: {difference.reason}", 34, x=0.0, xref="paper")
        elif difference.low is None and difference.reason:
            _note(figure, row, difference.reason, 14, x=difference.value, xshift=8)
    figure.add_vline(x=0, line={"width": 1, "color": GREY})
    ends = [abs(e) for f, _ in found for e in (f.low, f.high, f.value) if e is not None]
    reach = 1.1 * max([0.1, *ends])
    figure.update_xaxes(range=[-reach, reach], title=title)
    figure.update_yaxes(
        tickvals=list(range(len(labels))),
        ticktext=[wrapped(label, 22) for label in labels],
        range=[len(labels) - 0.4, -0.6],
        showgrid=False,
    )
    return tidy(figure, height=110 + 46 * max(1, len(labels)))


def _note(figure: go.Figure, row: int, text: str, width: int, **place: object) -> None:
    figure.add_annotation(
        y=row,
        text=wrapped(text, width),
        showarrow=False,
        font={"size": 11},
        align="left",
        xanchor="left",
        **place,
    )
