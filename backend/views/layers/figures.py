"""Charts of the Layers page: r over the layers, and the metrics of the prompts beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backend.core.metrics.registry import metric_named
from backend.settings import StatusThresholds
from backend.store.run import NOT_COMPUTED
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
    POLE_COLOURS,
    POLE_SYMBOLS,
    STATUS_COLOURS,
    tidy,
    trait_label,
    wrapped,
)

Interval = Literal["fisher", "bootstrap"]
INTERVALS: dict[Interval, str] = {"fisher": "Fisher z", "bootstrap": "bootstrap over scenarios"}
CONTROLS = {
    "random_direction": ("random directions, 95%", "dot", 0.10),
    "shuffled_labels": ("shuffled labels, 95%", "dash", 0.14),
}
POLE_DASHES = {"high": "solid", "low": "dash"}
# Share of a value below which differences between layers are rounding.
FLAT = 1e-6


@dataclass(frozen=True)
class Panel:
    """One small chart.

    Attributes:
        title: above it.
        metrics: what it draws; those of poles begin with the pole's name.
        chance: where a value means nothing is there; None without such a value.
        scales: whether it may differ by orders of magnitude between models.
    """

    title: str
    metrics: tuple[str, ...]
    chance: float | None = None
    scales: bool = False

    @property
    def unit(self) -> str:
        """Unit of its metrics."""
        return metric_named(self.metrics[0]).unit


def _of_poles(name: str, title: str, *, scales: bool = False) -> Panel:
    return Panel(title, (f"high_{name}", f"low_{name}"), scales=scales)


# Rows of the two columns face each other: left in units of the activations where there is such a
# measure, right without units.
LEFT_PANELS = (
    Panel("Separation", ("separation",), scales=True),
    _of_poles("within_variance", "Within-class variance", scales=True),
    _of_poles("cosine", "Cosine"),
    Panel("d′ of held-out prompts", ("d_prime",), chance=0.0),
)
RIGHT_PANELS = (
    Panel("Fisher ratio", ("fisher_ratio",), scales=True),
    _of_poles("spread", "Spread", scales=True),
    Panel("Dominance", ("dominance",)),
    Panel("AUROC of held-out prompts", ("auroc",), chance=0.5),
)


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
    figure.add_traces([_control_band(kind, own) for kind in CONTROLS])
    for name, cells in (faint or {}).items():
        figure.add_trace(_faint_line(name, cells, [c.correlation.value for c in cells], "r"))
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
    best = next((cell for cell in own if cell.key.layer == choice.layer), None)
    if best is not None and best.correlation.value is not None:
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
    _layer_axis(figure, layers)
    return tidy(figure, height=460)


def outline(figure: go.Figure, x: int, y: int, width: int, **panel: int) -> None:
    """Draw a frame around a cell of a heatmap: its best layer.

    Args:
        figure: the heatmap's.
        x: column of the cell, from 0.
        y: row of the cell, from 0.
        width: of the line, pixels.
        panel: row and col of the subplot, where there are several.
    """
    figure.add_shape(
        type="rect",
        x0=x - 0.5,
        x1=x + 0.5,
        y0=y - 0.5,
        y1=y + 0.5,
        line={"width": width, "color": INK},
        layer="above",
        **panel,
    )


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
            outline(figure, at, row, 3)
    figure.update_xaxes(title="layer", showgrid=False, type="category", side="top")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return tidy(figure, height=150 + 44 * max(1, len(choices)))


def metric_panels(
    panels: Sequence[Panel],
    own: Sequence[CellResult],
    best: int | None,
    faint: Mapping[str, Sequence[CellResult]] | None = None,
    *,
    logarithmic: bool = False,
) -> go.Figure:
    """Panels one above the other.

    Args:
        panels: top to bottom.
        own: the cells of one trait and prompt set, by layer.
        best: the layer with the highest r, marked in every panel; None without r.
        faint: name -> cells to compare with, drawn thin.
        logarithmic: for metrics of models of different scale; panels within one decade, or with
            a value that is not positive, stay linear.
    """
    titles = [f"{panel.title} ({_unit(panel)})" for panel in panels]
    figure = make_subplots(
        rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.07, subplot_titles=titles
    )
    layers = [cell.key.layer for cell in own]
    for row, panel in enumerate(panels, start=1):
        compared = dict(faint or {})
        for name, cells in compared.items():
            for metric in panel.metrics:
                line = _faint_line(
                    _name(name, metric),
                    cells,
                    _values(cells, metric),
                    metric_named(metric).title.lower(),
                    _dash(metric),
                )
                figure.add_trace(line, row=row, col=1)
        for metric in panel.metrics:
            figure.add_trace(_line(own, metric, first=row), row=row, col=1)
        if best is not None:
            figure.add_vline(
                x=best, row=row, col=1, line={"dash": "dot", "width": 1.5, "color": ORANGE}
            )
        if panel.chance is not None:
            figure.add_hline(
                y=panel.chance, row=row, col=1, line={"dash": "longdash", "width": 1, "color": GREY}
            )
        drawn = [
            v
            for cells in (own, *compared.values())
            for m in panel.metrics
            for v in _values(cells, m)
            if v is not None
        ]
        scale = _scale(drawn, logarithmic and panel.scales)
        figure.update_yaxes(scale | {"title": _unit(panel)}, row=row, col=1)
        _undefined(figure, own, panel, row)
    _layer_axis(figure, layers)
    figure.update_xaxes(title=None)
    figure.update_xaxes(title="layer", row=len(panels), col=1)
    figure.update_annotations(font_size=13)
    figure = tidy(figure, height=70 + 190 * len(panels))
    return figure.update_layout(margin_t=60, legend_y=1.035)


def _faint_line(
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


def _layer_axis(figure: go.Figure, layers: Sequence[int]) -> None:
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


def _control_band(kind: str, own: Sequence[CellResult]) -> go.Scatter:
    """What 95% of uninformed directions reach; without them the legend says so."""
    name, dash, opacity = CONTROLS[kind]
    known = [(c.key.layer, c.controls[kind]) for c in own if kind in c.controls]
    if not known:
        # A trace without any point would be left out of the legend.
        return go.Scatter(x=[None], y=[None], mode="lines", name=f"{name}: {NOT_COMPUTED}")
    return band(
        [layer for layer, _ in known],
        [control.low for _, control in known],
        [control.high for _, control in known],
        name=name,
        colour=GREY,
        opacity=opacity,
        dash=dash,
    )


def _hover(cell: CellResult) -> str:
    c = cell.correlation
    if c.value is None:
        return f"layer {cell.key.layer}: r is undefined, as {c.reason}"
    lines = [
        f"<b>layer {cell.key.layer}</b>: r = {r_text(c)}",
        f"bootstrap over scenarios: {r_text(cell.bootstrap, count=False)}",
        f"Spearman: {r_text(cell.rank, count=False)}",
    ]
    if c.p is not None:
        lines.append(f"p at this layer alone: {p_text(c.p)}")
    for kind, (name, _, _) in CONTROLS.items():
        control = cell.controls.get(kind)
        if control is None:
            lines.append(f"{name}: {NOT_COMPUTED}")
        elif control.low is not None and control.high is not None:
            lines.append(f"{name}: {control.low:+.2f} to {control.high:+.2f}")
    return "<br>".join(lines)


def _line(own: Sequence[CellResult], metric: str, first: int) -> go.Scatter:
    pole = _pole(metric)
    colour = BLUE if pole is None else POLE_COLOURS[pole]
    title = metric_named(metric).title
    return go.Scatter(
        x=[cell.key.layer for cell in own],
        y=_values(own, metric),
        mode="lines+markers",
        name=title if pole is None else f"{pole} pole",
        legendgroup=pole,
        # One entry per pole: the second panel is the first that has poles.
        showlegend=pole is not None and first == 2,
        line={"color": colour, "width": 2, "dash": _dash(metric)},
        marker={"symbol": "circle" if pole is None else POLE_SYMBOLS[pole], "size": 7},
        hovertemplate=f"layer %{{x}}: {title.lower()} = %{{y:.4g}}<extra></extra>",
    )


def _scale(drawn: Sequence[float], logarithmic: bool) -> dict[str, object]:
    """Type or range of a panel's axis, where Plotly's own choice would mislead."""
    # Within less than a decade a logarithmic axis has hardly a tick.
    if logarithmic and drawn and max(drawn) > 10 * min(drawn) > 0:
        return {"type": "log", "dtick": 1}
    largest = max(map(abs, drawn), default=0.0)
    if drawn and max(drawn) - min(drawn) < FLAT * largest:
        # Values that differ by rounding alone would fill the panel with a zigzag.
        return {"range": [min(drawn) - largest, max(drawn) + largest]}
    return {}


def _undefined(figure: go.Figure, own: Sequence[CellResult], panel: Panel, row: int) -> None:
    """Say in the panel where its metrics are undefined, and why."""
    reasons: dict[str, list[int]] = {}
    for cell in own:
        for metric in panel.metrics:
            reason = cell.metrics[metric].reason
            if reason is not None and cell.key.layer not in reasons.setdefault(reason, []):
                reasons[reason].append(cell.key.layer)
    if reasons:
        said = [
            f"undefined at {'every layer' if len(at) == len(own) else ', '.join(map(str, at))}: "
            f"{reason}"
            for reason, at in reasons.items()
        ]
        figure.add_annotation(
            x=0.5,
            y=0.5,
            xref="x domain",
            yref="y domain",
            row=row,
            col=1,
            showarrow=False,
            text="<br>".join(wrapped(line, 44) for line in said),
            font={"size": 11},
        )


def _values(cells: Sequence[CellResult], metric: str) -> list[float | None]:
    return [cell.metrics[metric].value for cell in cells]


def _pole(metric: str) -> str | None:
    pole = metric.split("_", 1)[0]
    return pole if pole in POLE_COLOURS else None


def _dash(metric: str) -> str:
    pole = _pole(metric)
    return "solid" if pole is None else POLE_DASHES[pole]


def _name(name: str, metric: str) -> str:
    pole = _pole(metric)
    return name if pole is None else f"{name}, {pole} pole"


def _unit(panel: Panel) -> str:
    return f"{panel.unit} units" if panel.unit == "activation" else panel.unit
