"""How r and the vector itself change with the number of prompts."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.core.estimate import Estimate
from backend.views.methods.subsampling import SubsampleCurve
from backend.views.shared.intervals import error_bars
from backend.views.shared.style import BLUE, GREY, ORANGE, tidy


def subsample_r(curve: SubsampleCurve) -> go.Figure:
    """r of vectors from random subsets, over the interval of r of all prompts.

    Args:
        curve: of one cell.
    """
    figure = go.Figure()
    whole = curve.whole
    if whole.low is not None and whole.high is not None:
        figure.add_hrect(y0=whole.low, y1=whole.high, fillcolor=GREY, opacity=0.2, line_width=0)
    figure.add_hline(y=0, line={"width": 1, "color": GREY})
    points = [(s.size, s.r) for s in curve.sizes if s.r is not None]
    ends = [e for _, spread in points for e in spread]
    ends += [e for e in (0.0, whole.low, whole.high) if e is not None]
    figure.add_trace(_points(points, "mean r", ORANGE, "circle"))
    figure.update_yaxes(range=[min(ends) - 0.05, max(ends) + 0.05])
    return _finished(figure, curve, f"r over {curve.target}s")


def subsample_cosine(curve: SubsampleCurve) -> go.Figure:
    """Cosine of vectors from random subsets to that of all prompts, and of disjoint subsets.

    Args:
        curve: of one cell.
    """
    figure = go.Figure()
    points = [(s.size, s.cosine) for s in curve.sizes]
    figure.add_trace(_points(points, "to the vector of all prompts", BLUE, "circle"))
    apart = [(s.size, s.stability) for s in curve.sizes if s.stability is not None]
    if apart:
        figure.add_trace(
            go.Scatter(
                x=[size for size, _ in apart],
                y=[value for _, value in apart],
                mode="lines+markers",
                name="of two disjoint subsets",
                line={"dash": "dash", "color": ORANGE},
                marker={"symbol": "diamond", "size": 9},
                hovertemplate="%{x} prompts per pole: cosine %{y:.3f}<extra></extra>",
            )
        )
    return _finished(figure, curve, "cosine").update_yaxes(rangemode="tozero")


def subsample_rows(curve: SubsampleCurve) -> list[dict[str, str | int]]:
    """The curve as a table.

    Args:
        curve: of one cell.
    """
    return [
        {
            "prompts per pole": s.size,
            "r, mean and 95% of draws": "undefined" if s.r is None else _spread(s.r),
            "cosine to all, mean and 95% of draws": _spread(s.cosine),
            "cosine of disjoint subsets": "too few prompts for two"
            if s.stability is None
            else f"{s.stability:.3f}",
        }
        for s in curve.sizes
    ]


Spread = tuple[float, float, float]


def _points(
    points: Sequence[tuple[int, Spread]], name: str, colour: str, symbol: str
) -> go.Scatter:
    found = [Estimate(mean, low, high, None, 0) for _, (mean, low, high) in points]
    return go.Scatter(
        x=[size for size, _ in points],
        y=[e.value for e in found],
        mode="lines+markers",
        name=name,
        line={"color": colour},
        marker={"symbol": symbol, "size": 9},
        error_y=error_bars(found),
        customdata=[_spread(spread) for _, spread in points],
        hovertemplate="%{x} prompts per pole: %{customdata}<extra></extra>",
    )


def _finished(figure: go.Figure, curve: SubsampleCurve, title: str) -> go.Figure:
    sizes = [s.size for s in curve.sizes]
    figure.update_xaxes(title="prompts per pole", tickvals=sizes)
    if sizes:
        figure.update_xaxes(range=[min(sizes) - 2, max(sizes) + 2])
    figure.update_yaxes(title=title)
    figure.update_layout(showlegend=True)
    return tidy(figure, height=340)


def _spread(spread: Spread) -> str:
    return f"{spread[0]:+.3f} [{spread[1]:+.3f}, {spread[2]:+.3f}]"
