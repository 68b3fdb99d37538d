"""Findings as charts."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.core.estimate import STUDENT_OF_LOGARITHM
from backend.core.finding import Finding, Row
from backend.core.study_cell import StudyCell, models_of
from backend.views.shared.intervals import error_bars
from backend.views.shared.numbers import estimate_text
from backend.views.shared.style import BLUE, GREEN, GREY, VERMILION, tidy, trait_label

# A range of values wider than this is shown on a logarithmic axis.
WIDE = 50.0
_MODELS = ((BLUE, "circle"), (VERMILION, "diamond"), (GREEN, "square"), (GREY, "x"))


def finding_chart(finding: Finding) -> go.Figure | None:
    """The numbers of a finding that have an interval, with it; without any, the plain numbers.

    Args:
        finding: one of the study's tests.

    Returns:
        None where there is nothing to compare: fewer than two numbers.
    """
    known = [row for row in finding.rows if row.estimate.value is not None]
    sure = [row for row in known if row.estimate.low is not None]
    # Counts, without what compares them: a share or a statistic has another unit.
    plain = [row for row in known if row.estimate.p is None]
    shown = sure if len(sure) > 1 else plain if len(plain) > 1 else known
    if len(shown) < 2:
        return None
    return _forest(shown) if shown is sure else _dots(shown)


def cosine_by_model(cells: Sequence[StudyCell]) -> go.Figure:
    """r of every cell against its prompts' cosine, model by model (Simpson's paradox).

    Args:
        cells: the study's cells, one per model and trait; those without cosine or r are left out.
    """
    figure = go.Figure()
    for model, (colour, symbol) in zip(models_of(cells), _MODELS * len(cells), strict=False):
        own = [
            (cell, (cell.high_cosine + cell.low_cosine) / 2)
            for cell in cells
            if cell.model == model
            and cell.r is not None
            and cell.high_cosine is not None
            and cell.low_cosine is not None
        ]
        figure.add_trace(
            go.Scatter(
                x=[cosine for _, cosine in own],
                y=[cell.r for cell, _ in own],
                mode="markers",
                name=model,
                marker={"color": colour, "symbol": symbol, "size": 10},
                customdata=[cell.trait.replace("_", " ") for cell, _ in own],
                hovertemplate="%{customdata}<br>cosine %{x:.3f}, r %{y:+.3f}"
                f"<extra>{model}</extra>",
            )
        )
    figure.update_xaxes(title="mean cosine of the prompts, both poles")
    figure.update_yaxes(title="r at the best layer")
    return tidy(figure, height=380)


def _forest(rows: Sequence[Row]) -> go.Figure:
    figure = _points(rows, error_bars([row.estimate for row in rows]))
    ratios = all(row.estimate.interval_method == STUDENT_OF_LOGARITHM for row in rows)
    figure.add_vline(x=1 if ratios else 0, line={"color": GREY, "width": 1})
    if ratios:
        figure.update_xaxes(type="log", title="ratio with its 95% interval (logarithmic axis)")
    else:
        figure.update_xaxes(title="value with its 95% interval")
    return figure


def _dots(rows: Sequence[Row]) -> go.Figure:
    figure = _points(rows, None)
    sizes = [abs(row.estimate.value or 0.0) for row in rows]
    if min(sizes) > 0 and max(sizes) / min(sizes) > WIDE:
        figure.update_xaxes(type="log", title="value (logarithmic axis; units in the table)")
    else:
        figure.update_xaxes(title="value (units in the table)")
    return figure


def _points(rows: Sequence[Row], bars: dict[str, object] | None) -> go.Figure:
    figure = go.Figure(
        go.Scatter(
            x=[row.estimate.value for row in rows],
            y=list(range(len(rows))),
            mode="markers",
            marker={"color": BLUE, "size": 9},
            error_x=bars,
            customdata=[f"{row.name}<br>{estimate_text(row.estimate)}" for row in rows],
            hovertemplate="%{customdata}<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[trait_label(row.name, 34) for row in rows],
        range=[len(rows) - 0.5, -0.5],
        showgrid=False,
    )
    return tidy(figure, height=90 + 34 * len(rows))
