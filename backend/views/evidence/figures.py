"""The cases of a trait as points: projection against score, the open one marked."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import plotly.graph_objects as go

from backend.core.arrays import Floats
from backend.views.evidence.compute import Evidence, EvidenceCase
from backend.views.evidence.words import number
from backend.views.shared.intervals import band
from backend.views.shared.style import BLUE, GREY, VERMILION, tidy


def evidence_scatter(
    found: Evidence, cases: Sequence[EvidenceCase], opened: int | None
) -> go.Figure:
    """Projection and score of every case with the regression line.

    Args:
        found: the cases and their line.
        cases: the same in the order that numbers the points, which are its ids.
        opened: number of the case that is marked; None for none.
    """
    figure = go.Figure()
    line = found.line
    if line is not None:
        figure.add_trace(
            band(
                line.x.tolist(),
                _known(line.low),
                _known(line.high),
                name="95% interval of the line",
                colour=GREY,
                opacity=0.25,
            )
        )
        figure.add_trace(
            go.Scatter(
                x=line.x,
                y=line.y,
                mode="lines",
                line={"color": GREY, "width": 2},
                hoverinfo="skip",
                showlegend=False,
            )
        )
    figure.add_trace(
        go.Scatter(
            x=[case.x for case in cases],
            y=[case.y for case in cases],
            mode="markers",
            ids=[str(place) for place in range(len(cases))],
            name="case",
            marker={
                "color": [VERMILION if place == opened else BLUE for place in range(len(cases))],
                "size": [15 if place == opened else 8 for place in range(len(cases))],
                "symbol": [
                    "diamond" if place == opened else "circle" for place in range(len(cases))
                ],
                "line": {"width": 1, "color": "#FFFFFF"},
            },
            customdata=[_hover(case) for case in cases],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        )
    )
    within = ", within responders" if found.several else ""
    figure.update_xaxes(title=f"{found.target} of projection{within}")
    figure.update_yaxes(title=f"{found.target} of score{within}")
    return tidy(figure, height=420)


def _known(values: Floats) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]


def _hover(case: EvidenceCase) -> str:
    rest = "" if case.residual is None else f"<br>residual {number(case.residual)}"
    return (
        f"<b>{html.escape(case.scenario)}</b>, {html.escape(case.responder)}"
        f"<br>projection {number(case.x)}, score {number(case.y)}{rest}<br>click to read"
    )
