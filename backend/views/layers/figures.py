"""r over the layers, and what the best of them is worth: charts and tables of the Layers page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import plotly.graph_objects as go

from backend.settings import StatusThresholds
from backend.store.run_values import CellResult
from backend.views.layers.compute import LayerChoice
from backend.views.shared.intervals import band
from backend.views.shared.numbers import p_text, r_text
from backend.views.shared.style import (
    BLUE,
    COLOUR_BAR,
    DIVERGING,
    GREEN,
    GREY,
    INK,
    ORANGE,
    STATUS_COLOURS,
    tidy,
    trait_label,
)

Interval = Literal["fisher", "bootstrap"]
INTERVALS = {"fisher": "Fisher z", "bootstrap": "bootstrap over scenarios"}
CONTROLS = {
    "random_direction": ("random directions, 95%", "dot", 0.10),
    "shuffled_labels": ("shuffled labels, 95%", "dash", 0.14),
}


def r_by_layer(
    own: Sequence[CellResult],
    choice: LayerChoice,
    thresholds: StatusThresholds,
    *,
    interval: Interval = "fisher",
    faint: Mapping[str, Sequence[CellResult]] | None = None,
    marked: int | None = None,
) -> go.Figure:
    """r at every layer with its 95% band, over the statuses and what chance reaches.

    Args:
        own: the cells of one trait and prompt set, by layer.
        choice: its best layer.
        thresholds: where the statuses begin.
        interval: which of the two intervals the band shows.
        faint: name -> cells to compare with, drawn thin.
        marked: a layer that is chosen elsewhere on the page; None for none.
    """
    layers = [cell.key.layer for cell in own]
    figure = go.Figure()
    for kind, (name, dash, opacity) in CONTROLS.items():
        found = [cell.controls[kind] for cell in own]
        figure.add_trace(
            band(
                layers,
                [c.low for c in found],
                [c.high for c in found],
                name=name,
                colour=GREY,
                opacity=opacity,
                dash=dash,
            )
        )
    for name, cells in (faint or {}).items():
        figure.add_trace(faint_line(name, cells, [c.correlation.value for c in cells], "r"))
    ends = [c.correlation if interval == "fisher" else c.bootstrap for c in own]
    figure.add_trace(
        band(
            layers,
            [e.low for e in ends],
            [e.high for e in ends],
            name=f"95% interval ({INTERVALS[interval]})",
            colour=BLUE,
        )
    )
    known = [cell for cell in own if cell.correlation.value is not None]
    figure.add_trace(
        go.Scatter(
            x=layers,
            y=[cell.correlation.value for cell in own],
            mode="lines+markers",
            name=f"r of {choice.trait.replace('_', ' ')}",
            line={"color": BLUE, "width": 2.5},
            marker={"size": 9},
            unselected={"marker": {"opacity": 1}},
            customdata=[_hover(cell) for cell in own],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    best = next((cell for cell in known if cell.key.layer == choice.layer), None)
    if best is not None:
        figure.add_trace(
            go.Scatter(
                x=[best.key.layer],
                y=[best.correlation.value],
                mode="markers",
                name=f"best layer: {best.key.layer}",
                hoverinfo="skip",
                marker={
                    "symbol": "star",
                    "size": 17,
                    "color": ORANGE,
                    "line": {"width": 1, "color": INK},
                },
                unselected={"marker": {"opacity": 1}},
            )
        )
    _levels(figure, choice, thresholds)
    if marked is not None and marked in layers:
        figure.add_vline(
            x=marked,
            line={"dash": "dashdot", "width": 1.5, "color": GREEN},
            annotation={"text": f"layer {marked}, chosen", "yanchor": "top"},
        )
    figure.update_yaxes(title=f"r over {own[0].target}s" if own else "r")
    layer_axis(figure, layers)
    return tidy(figure, height=460)


def r_heatmap(
    cells: Sequence[CellResult], choices: Sequence[LayerChoice], marked: str | None = None
) -> go.Figure:
    """r of every trait at every layer, centred at 0; the best layer of each is framed.

    Args:
        cells: all cells of a run and prompt set.
        choices: the best layers, one row each, top to bottom.
        marked: a trait whose name is set bold.
    """
    by_key = {(cell.key.trait, cell.key.layer): cell for cell in cells}
    layers = sorted({cell.key.layer for cell in cells})
    rows = [[by_key.get((choice.trait, layer)) for layer in layers] for choice in choices]
    values = [[None if cell is None else cell.correlation.value for cell in row] for row in rows]
    largest = max((abs(r) for row in values for r in row if r is not None), default=1.0)
    limit = max(0.1, largest)
    names = [trait_label(choice.trait, 16) for choice in choices]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=[str(layer) for layer in layers],
            y=[
                f"<b>{name}</b>" if choice.trait == marked else name
                for name, choice in zip(names, choices, strict=True)
            ],
            text=[["" if r is None else _short(r) for r in row] for row in values],
            texttemplate="%{text}",
            textfont={"color": INK},
            customdata=[["" if cell is None else _hover(cell) for cell in row] for row in rows],
            hovertemplate="%{y}<br>%{customdata}<extra></extra>",
            hoverongaps=True,
            colorscale=DIVERGING,
            zmin=-limit,
            zmid=0,
            zmax=limit,
            xgap=1,
            ygap=1,
            colorbar=COLOUR_BAR | {"title": {"text": "r", "side": "bottom"}},
        )
    )
    for row, choice in enumerate(choices):
        if choice.layer is not None:
            at = layers.index(choice.layer)
            figure.add_shape(
                type="rect",
                x0=at - 0.5,
                x1=at + 0.5,
                y0=row - 0.5,
                y1=row + 0.5,
                line={"width": 3, "color": INK},
                layer="above",
            )
    figure.update_xaxes(title="layer", showgrid=False, type="category", side="top")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return tidy(figure, height=150 + 44 * max(1, len(choices)))


def faint_line(
    name: str,
    cells: Sequence[CellResult],
    values: Sequence[float | None],
    what: str,
    dash: str = "solid",
) -> go.Scatter:
    """A thin grey line to compare with; its name is in the hover.

    Args:
        name: of the run or trait.
        cells: by layer.
        values: at each of them.
        what: is drawn.
        dash: of the line.
    """
    return go.Scatter(
        x=[cell.key.layer for cell in cells],
        y=list(values),
        mode="lines+markers",
        name=name,
        line={"color": GREY, "width": 1.2, "dash": dash},
        marker={"size": 4},
        opacity=0.75,
        hovertemplate=f"{name}<br>layer %{{x}}: {what} = %{{y:.3g}}<extra></extra>",
        showlegend=False,
        unselected={"marker": {"opacity": 1}},
    )


def layer_axis(figure: go.Figure, layers: Sequence[int]) -> None:
    """Whole numbers on the axis of layers, with room at both ends."""
    if layers:
        step = max(1, -(-(layers[-1] - layers[0]) // 12))
        figure.update_xaxes(range=[layers[0] - 0.5, layers[-1] + 0.5], dtick=step, tick0=layers[0])
    figure.update_xaxes(title="layer")


def _short(r: float) -> str:
    """r without the zero before the point, so that it fits a narrow cell."""
    return f"{r:.2f}".replace("0.", ".", 1).replace("-.00", ".00")


def _levels(figure: go.Figure, choice: LayerChoice, thresholds: StatusThresholds) -> None:
    """Zero, the thresholds of the statuses, and what the best layer reaches by chance."""
    left = {"xanchor": "left", "x": 0.0, "yanchor": "bottom"}
    right = {"xanchor": "right", "x": 1.0, "yanchor": "top"}
    lines = [
        (thresholds.working, f"working {thresholds.working:g}", STATUS_COLOURS["working"], left),
        (thresholds.close, f"close {thresholds.close:g}", STATUS_COLOURS["close"], left),
    ]
    if choice.null_95 is not None:
        what = f"best of {len(choice.layers)}" if len(choice.layers) > 1 else "this layer"
        lines.append((choice.null_95, f"chance, {what}", GREY, right))
    for level, text, colour, place in lines:
        dash = "longdash" if place is right else "dot"
        figure.add_hline(
            y=level,
            line={"dash": dash, "width": 1.5, "color": colour},
            annotation={"text": text, "font": {"size": 11}} | place,
        )
    figure.add_hline(y=0, line={"width": 1, "color": GREY})


def _hover(cell: CellResult) -> str:
    c = cell.correlation
    if c.r is None:
        return f"layer {cell.key.layer}: r is undefined, as {c.reason}"
    lines = [
        f"<b>layer {cell.key.layer}</b>: r = {r_text(c)}",
        f"bootstrap over scenarios: {r_text(cell.bootstrap, count=False)}",
        f"Spearman: {r_text(cell.rank, count=False)}",
    ]
    if c.p is not None:
        lines.append(f"p at this layer alone: {p_text(c.p)}")
    for kind, (name, _, _) in CONTROLS.items():
        control = cell.controls[kind]
        if control.low is not None and control.high is not None:
            lines.append(f"{name}: {control.low:+.2f} to {control.high:+.2f}")
    return "<br>".join(lines)
