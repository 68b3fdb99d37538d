"""The map of a trait as a chart."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.turns import FIRST, LAST
from backend.types import POLES
from backend.views.map import words
from backend.views.map.compute import MapPoint, ResponsePoint, TraitMap
from backend.views.shared.style import (
    COLOUR_BAR,
    GREEN,
    GREY,
    INK,
    POLE_COLOURS,
    POLE_SYMBOLS,
    SEQUENTIAL,
    tidy,
    wrapped,
)

# Turns by their symbol -> title. Of numbered turns, which is the last differs by conversation.
_TURNS = {"first": "first turn", "last": "last turn", "later": "later turn", "single": ""}
_SYMBOLS = {"first": "diamond"}


def map_figure(found: TraitMap) -> go.Figure:
    """Prompts as triangles of their pole, responses as circles coloured by score, v as an arrow
    from the mean of the low pole to that of the high pole.

    Args:
        found: a map that has a plane.
    """
    figure = go.Figure()
    for kind, title in _TURNS.items():
        own = [point for point in found.responses if _kind(point) == kind]
        symbol = _SYMBOLS.get(kind, "circle")
        scored = [point for point in own if point.score is not None]
        unscored = [point for point in own if point.score is None]
        name = f"response, {title}" if title else "response"
        if scored:
            figure.add_trace(_scored(scored, name, symbol))
        if unscored:
            figure.add_trace(
                _trace(
                    unscored,
                    f"{name}, not scored",
                    {"color": GREY, "symbol": "x-thin-open", "size": 6},
                    [_response_text(point) for point in unscored],
                )
            )
    for pole in POLES:
        prompts = [point for point in found.prompts if point.pole == pole]
        figure.add_trace(
            _trace(
                prompts,
                f"{pole} prompt",
                {
                    "color": POLE_COLOURS[pole],
                    "symbol": POLE_SYMBOLS[pole],
                    "size": 11,
                    "line": {"color": INK, "width": 1},
                },
                [f"<b>{pole} prompt #{p.prompt_id}</b><br>{_text(p)}" for p in prompts],
            )
        )
    _add_vector(figure, found)
    low, high = found.score_range
    figure.update_layout(
        coloraxis={
            "colorscale": SEQUENTIAL,
            "cmin": low,
            "cmax": high,
            "showscale": any(point.score is not None for point in found.responses),
            "colorbar": COLOUR_BAR
            | {"y": -0.2, "title": {"text": "score of the response", "side": "top"}},
        }
    )
    first, second = words.axis_titles(found)
    figure.update_xaxes(title=first, showgrid=False)
    figure.update_yaxes(
        title=second,
        showgrid=False,
        # A direction is only seen as it is where both axes have one scale.
        scaleanchor="x",
        scaleratio=1,
    )
    return tidy(figure, height=640).update_layout(dragmode="zoom")


def _kind(point: ResponsePoint) -> str:
    if point.turn is None:
        return "single"
    return {FIRST: "first", LAST: "last"}.get(point.turn, "later")


def _scored(points: Sequence[ResponsePoint], name: str, symbol: str) -> go.Scatter:
    marker = {
        "color": [point.score for point in points],
        "coloraxis": "coloraxis",
        "symbol": symbol,
        "size": 7,
        "opacity": 0.85,
        "line": {"color": GREY, "width": 1},
    }
    return _trace(points, name, marker, [_response_text(point) for point in points])


def _trace(
    points: Sequence[MapPoint], name: str, marker: dict[str, object], hovers: Sequence[str]
) -> go.Scatter:
    return go.Scatter(
        x=[point.x for point in points],
        y=[point.y for point in points],
        mode="markers",
        name=name,
        marker=marker,
        customdata=hovers,
        hovertemplate="%{customdata}<extra></extra>",
    )


def _add_vector(figure: go.Figure, found: TraitMap) -> None:
    (x0, y0), (x1, y1) = found.low_mean, found.high_mean
    figure.add_trace(
        go.Scatter(
            x=[x0, x1],
            y=[y0, y1],
            mode="lines+markers",
            name="v, from the low to the high mean",
            line={"color": GREEN, "width": 3},
            marker={"symbol": ["circle", "arrow"], "size": [8, 16], "angleref": "previous"},
            customdata=["mean of the low prompts", "mean of the high prompts"],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )


def _response_text(point: ResponsePoint) -> str:
    turn = "" if point.turn is None else f", {point.turn}"
    score = "not scored" if point.score is None else f"score {point.score:g}"
    head = wrapped(f"{point.scenario}{turn}, {point.responder}: {score}")
    return f"<b>{head}</b><br>{_text(point)}"


def _text(point: MapPoint) -> str:
    return wrapped(f"{point.text}…" if point.cut else point.text)
