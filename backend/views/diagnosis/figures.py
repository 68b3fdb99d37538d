"""Charts of the Diagnosis page."""

from __future__ import annotations

import plotly.graph_objects as go

from backend.views.diagnosis.cause import Judgement
from backend.views.diagnosis.diagnose import Diagnosis
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
        j for j in diagnosis.judgements if j.fix is not None and j.fix.gain.value is not None
    ]
    figure = go.Figure()
    for verdict, colour in VERDICT_COLOURS.items():
        own = [(place, j) for place, j in enumerate(measured) if j.verdict == verdict]
        if own:
            figure.add_trace(_points(own, verdict, colour))
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.update_xaxes(title="change of r (95% interval)")
    figure.update_yaxes(
        tickvals=list(range(len(measured))),
        ticktext=[
            trait_label(f"{_fix_title(j)} (against {j.title.lower()})", 34) for j in measured
        ],
        range=[len(measured) - 0.5, -0.5],
        showgrid=False,
    )
    return tidy(figure, height=120 + 46 * max(1, len(measured)))


def evidence_rows(judgement: Judgement) -> list[dict[str, str]]:
    """The numbers behind a judgement as a table, the measured fix last.

    Args:
        judgement: of one cause.
    """
    value = "value, 95% interval, p"
    rows = [
        {"measured": row.name, value: estimate_text(row.estimate), "note": row.note}
        for row in judgement.rows
    ]
    if judgement.fix is not None:
        title = f"change of r with: {judgement.fix.title}"
        rows.append({"measured": title, value: estimate_text(judgement.fix.gain), "note": ""})
    return rows


def _points(own: list[tuple[int, Judgement]], verdict: str, colour: str) -> go.Scatter:
    gains = [j.fix.gain for _, j in own if j.fix is not None]
    values = [gain.value or 0.0 for gain in gains]
    ends = [
        (value if gain.low is None else gain.low, value if gain.high is None else gain.high)
        for gain, value in zip(gains, values, strict=True)
    ]
    return go.Scatter(
        x=values,
        y=[place for place, _ in own],
        mode="markers",
        name=f"cause {verdict}",
        marker={"symbol": VERDICT_SYMBOLS[verdict], "color": colour, "size": 10},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - v for (_, high), v in zip(ends, values, strict=True)],
            "arrayminus": [v - low for (low, _), v in zip(ends, values, strict=True)],
            "thickness": 1.5,
            "width": 4,
        },
        customdata=[
            f"{_fix_title(j)}<br>against {j.title.lower()}: {verdict}<br>"
            + wrapped(f"r changes by {estimate_text(gain)}")
            for (_, j), gain in zip(own, gains, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _fix_title(judgement: Judgement) -> str:
    return "" if judgement.fix is None else judgement.fix.title
