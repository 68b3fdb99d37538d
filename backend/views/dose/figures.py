"""Charts of a dose-response."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.core.estimate import Estimate
from backend.views.dose.compute import DoseResult, MeasureResult
from backend.views.dose.measures import unit_words
from backend.views.dose.words import band_text
from backend.views.shared.intervals import band, error_bars
from backend.views.shared.numbers import estimate_text
from backend.views.shared.style import BLUE, GREY, VERMILION, tidy, wrapped


def dose_figure(result: DoseResult, found: MeasureResult) -> go.Figure:
    """Change of a measure over the strength, with its interval and the band of random directions.

    Args:
        result: the dose-response.
        found: one of its measures.
    """
    x = [one.strength for one in found.changes]
    figure = go.Figure(
        band(
            x,
            [one.band.low for one in found.changes],
            [one.band.high for one in found.changes],
            name="one more random direction, 95%",
            colour=GREY,
            opacity=0.25,
            dash="dot",
        )
    )
    known = [one for one in found.changes if one.change.value is not None]
    figure.add_trace(
        go.Scatter(
            x=[one.strength for one in known],
            y=[one.change.value for one in known],
            mode="lines+markers",
            name="the vector, 95% interval",
            line={"color": BLUE, "width": 2},
            marker={"size": 9},
            error_y=error_bars([one.change for one in known]),
            customdata=[
                f"<b>strength {one.strength:+g}</b><br>{estimate_text(one.change)}, "
                f"n = {one.change.n}<br>random: {band_text(one.band)}"
                for one in known
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    for side, strength in zip((-1, 1), result.lost, strict=True):
        if strength is not None:
            ends = (strength, min(x) if side < 0 else max(x))
            width = (max(x) - min(x)) * 0.02
            figure.add_vrect(
                x0=min(ends) - width,
                x1=max(ends) + width,
                fillcolor=VERMILION,
                opacity=0.12,
                line_width=0,
                annotation_text="coherence lost",
                annotation_position="top left" if side < 0 else "top right",
            )
    figure.add_hline(y=0, line={"width": 1, "color": GREY})
    figure.update_xaxes(title=f"strength ({unit_words(result.record.steered.unit)})", tickvals=x)
    figure.update_yaxes(title=found.measure.axis)
    return tidy(figure, height=420)


def slopes_figure(result: DoseResult, found: MeasureResult) -> go.Figure:
    """Slope of each item, from the lowest to the highest.

    Args:
        result: the dose-response.
        found: one of its measures.
    """
    record = result.record
    items = (
        record.pairs
        if len(found.steerability.slopes) == len(record.pairs)
        and found.measure.name == "propensity"
        else record.items
    )
    known = sorted(
        (slope, item.text)
        for slope, item in zip(found.steerability.slopes, items, strict=True)
        if slope is not None
    )
    figure = go.Figure()
    looks = (("right way", BLUE, "circle", False), ("wrong way", VERMILION, "x", True))
    for name, colour, symbol, wrong in looks:
        own = [(place, *one) for place, one in enumerate(known, 1) if (one[0] < 0) == wrong]
        figure.add_trace(
            go.Scatter(
                x=[slope for _, slope, _ in own],
                y=[place for place, _, _ in own],
                mode="markers",
                name=name,
                marker={"color": colour, "symbol": symbol, "size": 9},
                customdata=[f"slope {slope:+.3g}<br>{wrapped(text)}" for _, slope, text in own],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    figure.add_vline(x=0, line={"width": 1, "color": GREY})
    unit = unit_words(record.steered.unit)
    figure.update_xaxes(title=f"slope of one item (per unit of strength: {unit})")
    figure.update_yaxes(title="items, lowest slope first", showgrid=False)
    return tidy(figure, height=160 + 16 * max(4, len(known)))


def layers_figure(results: Sequence[DoseResult]) -> go.Figure:
    """Mean slope of the behaviour at each layer, with the band of random directions.

    Args:
        results: one a layer, of one measure and unit.
    """
    ordered = sorted(results, key=lambda one: one.record.steered.layer)
    x = [one.record.steered.layer for one in ordered]
    slopes: list[Estimate] = [one.behaviour.steerability.slope for one in ordered]
    bands = [one.behaviour.steerability.band for one in ordered]
    figure = go.Figure(
        band(
            x,
            [one.low for one in bands],
            [one.high for one in bands],
            name="one more random direction, 95%",
            colour=GREY,
            opacity=0.25,
            dash="dot",
        )
    )
    known = [(layer, one) for layer, one in zip(x, slopes, strict=True) if one.value is not None]
    figure.add_trace(
        go.Scatter(
            x=[layer for layer, _ in known],
            y=[one.value for _, one in known],
            mode="lines+markers",
            name="the vector, 95% interval",
            line={"color": BLUE, "width": 2},
            marker={"size": 9},
            error_y=error_bars([one for _, one in known]),
            customdata=[f"<b>layer {layer}</b><br>slope {estimate_text(e)}" for layer, e in known],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    figure.add_hline(y=0, line={"width": 1, "color": GREY})
    figure.update_xaxes(title="layer", tickvals=x)
    figure.update_yaxes(title=f"slope of the {ordered[0].behaviour.measure.title.lower()}")
    return tidy(figure, height=360)
