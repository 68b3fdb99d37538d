"""Charts of tokens: along layers, along the text, turn by turn; and of what a vector says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from backend.core.arrays import Floats
from backend.runs.token_view import TokenText, TokenView
from backend.runs.vocabulary import Vocabulary
from backend.turns import turn_title
from backend.views.shared.intervals import band
from backend.views.shared.style import (
    BLUE,
    COLOUR_BAR,
    DIVERGING,
    GREY,
    VERMILION,
    tidy,
    wrapped,
)
from backend.views.tokens.compute import TokenTurn
from backend.views.tokens.tables import visible

_LOOKS = ((BLUE, "circle", "solid"), (VERMILION, "diamond", "dot"))
# Standard deviations at which the colours of the heatmap end.
_REACH = 6.0
IN_DEVIATIONS = "standard deviations of the run's responses from their mean"


def layers_figure(view: TokenView, text: TokenText, vector: int) -> go.Figure:
    """A response's tokens at every layer that was read, as a heatmap.

    Values are projections less the mean of the run's responses at the layer, over their standard
    deviation there, so that layers can be compared though their lengths differ.

    Args:
        view: of the run.
        text: one of its texts.
        vector: place of the vector.
    """
    places = _own(text)
    values = _deviations(view, text, vector)[:, places]
    layers = view.request.layers
    raw = text.values[vector][:, places]
    hover = [
        [
            f"token {place}: {wrapped(visible(text.tokens[place]))}<br>layer {layer}: projection "
            + ("undefined" if np.isnan(raw[row, column]) else f"{raw[row, column]:+.4g}")
            for column, place in enumerate(places)
        ]
        for row, layer in enumerate(layers)
    ]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=places,
            y=[str(layer) for layer in layers],
            customdata=hover,
            hovertemplate="%{customdata}<br>%{z:+.2f} standard deviations<extra></extra>",
            colorscale=DIVERGING,
            zmid=0,
            zmin=-_REACH,
            zmax=_REACH,
            xgap=1,
            ygap=1,
            colorbar=COLOUR_BAR | {"title": {"text": IN_DEVIATIONS, "side": "bottom"}},
        )
    )
    figure.update_xaxes(title="token", side="top", showgrid=False)
    figure.update_yaxes(title="layer", type="category", showgrid=False)
    return tidy(figure, height=190 + 26 * len(layers))


def line_figure(view: TokenView, text: TokenText, layer: int) -> go.Figure:
    """A response's tokens one after the other along one or two vectors.

    Args:
        view: of the run.
        text: one of its texts.
        layer: one of the layers.
    """
    column = view.request.layers.index(layer)
    places = _own(text)
    figure = go.Figure()
    for vector, key in enumerate(view.request.keys):
        colour, symbol, dash = _LOOKS[vector]
        values = _deviations(view, text, vector)[column, places]
        raw = text.values[vector, column, places]
        figure.add_trace(
            go.Scatter(
                x=places,
                y=values,
                mode="lines+markers",
                name=key.title,
                line={"color": colour, "width": 1.5, "dash": dash},
                marker={"color": colour, "symbol": symbol, "size": 6},
                customdata=[
                    f"token {place}: {wrapped(visible(text.tokens[place]))}<br>projection {p:+.4g}"
                    for place, p in zip(places, raw, strict=True)
                ],
                hovertemplate="%{customdata}, %{y:+.2f} standard deviations<extra></extra>",
            )
        )
    figure.add_hline(y=0, line={"width": 1, "color": GREY})
    figure.update_xaxes(title="token")
    figure.update_yaxes(title="standard deviations")
    return tidy(figure.update_layout(showlegend=True), height=360)


def turns_figure(found: Sequence[tuple[str, Sequence[TokenTurn]]]) -> go.Figure:
    """Pooled projection of a conversation turn by turn.

    Args:
        found: title of each vector, and its turns.
    """
    figure = go.Figure()
    for (title, steps), (colour, symbol, dash) in zip(found, _LOOKS, strict=False):
        figure.add_trace(
            go.Scatter(
                x=[turn_title(step.turn or None) for step in steps],
                y=[step.projection for step in steps],
                mode="lines+markers",
                name=title,
                line={"color": colour, "dash": dash},
                marker={"color": colour, "symbol": symbol, "size": 9},
                customdata=[
                    "first turn shown"
                    if step.velocity is None
                    else f"velocity {step.velocity:+.4g}"
                    for step in steps
                ],
                hovertemplate="%{x}: projection %{y:+.4g}, %{customdata}<extra></extra>",
            )
        )
    figure.update_yaxes(title="projection (activation units)")
    return tidy(figure.update_layout(showlegend=True), height=320)


def lens_figure(found: Vocabulary) -> go.Figure:
    """How far the nearest tokens are at each layer, beside what random directions reach.

    Args:
        found: the tokens nearest to a vector.
    """
    layers = [layer.layer for layer in found.layers]
    figure = go.Figure(
        band(
            [float(layer) for layer in layers],
            [-found.chance] * len(layers),
            [found.chance] * len(layers),
            name="nearest token of random directions, 95%",
            colour=GREY,
            dash="dot",
        )
    )
    for name, (colour, symbol, dash), tokens in (
        ("raised most", _LOOKS[1], [layer.top[0] for layer in found.layers]),
        ("lowered most", _LOOKS[0], [layer.bottom[0] for layer in found.layers]),
    ):
        figure.add_trace(
            go.Scatter(
                x=layers,
                y=[token.z for token in tokens],
                mode="lines+markers",
                name=name,
                line={"color": colour, "dash": dash},
                marker={"color": colour, "symbol": symbol, "size": 8},
                customdata=[wrapped(visible(token.text)) for token in tokens],
                hovertemplate="layer %{x}: %{customdata}, z %{y:+.2f}<extra></extra>",
            )
        )
    figure.update_xaxes(title="layer")
    figure.update_yaxes(title="z of the nearest token")
    return tidy(figure.update_layout(showlegend=True), height=320)


def _own(text: TokenText) -> list[int]:
    """Places of the response's tokens and those between them."""
    places = np.flatnonzero(text.own)
    return list(range(int(places[0]), int(places[-1]) + 1))


def _deviations(view: TokenView, text: TokenText, vector: int) -> Floats:
    """Projections less the mean of the run's responses over their deviation, [layers, tokens]."""
    deviations = view.deviations[vector][:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = (text.values[vector] - view.means[vector][:, None]) / deviations
    return np.where(np.isfinite(found), found, np.nan)
