"""The diagnosis of a cell as a figure: what every fix does to r."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.views.diagnosis.cause import Fix, Judgement
from backend.views.diagnosis.diagnose import Diagnosis
from backend.views.shared.intervals import error_bars
from backend.views.shared.numbers import estimate_text
from backend.views.shared.style import BLUE, GREEN, GREY, tidy, trait_label, wrapped

VERDICT_COLOURS = {"supported": GREEN, "undetermined": BLUE, "ruled out": GREY}
VERDICT_SYMBOLS = {"supported": "circle", "undetermined": "diamond", "ruled out": "x"}


def fix_gains(diagnosis: Diagnosis) -> go.Figure:
    """What every measured fix does to r, with 95% intervals.

    Args:
        diagnosis: of one cell; causes without a defined gain are left out.
    """
    measured = [
        (j, j.fix)
        for j in diagnosis.judgements
        if j.fix is not None and j.fix.gain.value is not None
    ]
    figure = go.Figure()
    for verdict, colour in VERDICT_COLOURS.items():
        own = [(place, j, fix) for place, (j, fix) in enumerate(measured) if j.verdict == verdict]
        if own:
            figure.add_trace(_points(own, verdict, colour))
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.update_xaxes(title="change of r (95% interval)")
    figure.update_yaxes(
        tickvals=list(range(len(measured))),
        ticktext=[
            trait_label(f"{fix.label}, against {j.title.lower()}", 34) for j, fix in measured
        ],
        range=[len(measured) - 0.5, -0.5],
        showgrid=False,
    )
    return tidy(figure, height=120 + 46 * max(1, len(measured)))


def _points(own: Sequence[tuple[int, Judgement, Fix]], verdict: str, colour: str) -> go.Scatter:
    return go.Scatter(
        x=[fix.gain.value for _, _, fix in own],
        y=[place for place, _, _ in own],
        mode="markers",
        name=f"cause {verdict}",
        marker={"symbol": VERDICT_SYMBOLS[verdict], "color": colour, "size": 10},
        error_x=error_bars([fix.gain for _, _, fix in own]),
        customdata=[
            f"{fix.label}<br>against {j.title.lower()}: {verdict}<br>"
            + wrapped(f"r changes by {estimate_text(fix.gain)}")
            for _, j, fix in own
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )
