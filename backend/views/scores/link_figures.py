"""Scores against projections and projections against length: scatters of the Scores page."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.core.cases import Floats
from backend.core.finding import Row
from backend.core.statistics.line import Line
from backend.views.scores.links import ScoreLinks
from backend.views.shared.intervals import band
from backend.views.shared.numbers import p_text, r_text
from backend.views.shared.style import BLUE, GREEN, ORANGE, tidy, wrapped


def projection_and_score(links: ScoreLinks) -> go.Figure:
    """Each case by projection and score, with the least squares line and its band.

    Args:
        links: the cases of one trait at one layer.
    """
    what = links.target
    figure = _scatter(links, links.projection, links.cases.behaviour, links.line, GREEN)
    figure.update_xaxes(title=f"projection {what} (activation units)")
    figure.update_yaxes(title=f"score {what} (score units)")
    return tidy(figure, height=420)


def length_and_projection(links: ScoreLinks) -> go.Figure:
    """Each case by the length of its response and its projection, with the line and its band.

    Args:
        links: the cases of one trait at one layer.
    """
    what = links.target
    figure = _scatter(links, links.cases.length, links.projection, links.length_line, ORANGE)
    figure.update_xaxes(title=f"response length {what} (tokens)")
    figure.update_yaxes(title=f"projection {what} (activation units)")
    return tidy(figure, height=420)


def link_rows(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Correlations as a table.

    Args:
        rows: one each.
    """
    return [
        {
            "correlation": row.name,
            "r, 95% interval": r_text(row.estimate, count=False),
            "p": p_text(row.estimate.p),
            "n": str(row.estimate.n),
        }
        for row in rows
    ]


def _scatter(links: ScoreLinks, x: Floats, y: Floats, line: Line | None, colour: str) -> go.Figure:
    figure = go.Figure()
    if line is not None:
        figure.add_trace(
            band(
                line.x.tolist(),
                line.low.tolist(),
                line.high.tolist(),
                name="95% band of the mean",
                colour=colour,
            )
        )
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="markers",
            name=f"cases (n = {len(x)})",
            marker={"color": BLUE, "size": 6, "opacity": 0.7},
            customdata=_hovers(links),
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    if line is not None:
        figure.add_trace(
            go.Scatter(
                x=line.x,
                y=line.y,
                mode="lines",
                name="least squares line",
                line={"color": colour, "width": 2.5},
                hoverinfo="skip",
            )
        )
    return figure


def _hovers(links: ScoreLinks) -> list[str]:
    cases, what = links.cases, links.target
    found = []
    for i, scenario in enumerate(cases.scenarios):
        scores = f"score {cases.last[i]:g}"
        if cases.first is not None:
            scores = f"score {cases.first[i]:g} at t1, {cases.last[i]:g} at tN"
        found.append(
            f"<b>{wrapped(scenario)}</b><br>by {wrapped(cases.responders[i])}<br>{scores}"
            f"<br>projection {what} {links.projection[i]:+.3g}"
            f"<br>length {what} {cases.length[i]:{'+' if cases.first is not None else ''}g} tokens"
        )
    return found
