"""Metrics of the prompts over the layers, as small panels that share the axis of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backend.core.geometry.registry import METRICS
from backend.store.run_values import CellResult
from backend.views.layers.figures import faint_line, layer_axis
from backend.views.shared.style import BLUE, GREY, ORANGE, POLE_COLOURS, POLE_SYMBOLS, tidy, wrapped

_BY_NAME = {metric.name: metric for metric in METRICS}
POLE_DASHES = {"high": "solid", "low": "dash"}


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
        return _BY_NAME[self.metrics[0]].unit


def _of_poles(name: str, title: str, *, scales: bool = False) -> Panel:
    return Panel(title, (f"high_{name}", f"low_{name}"), scales=scales)


# Share of a value below which differences between layers are rounding.
FLAT = 1e-6

# Rows of the two columns face each other: left in units of the activations where there is such a
# measure, right without units.
LEFT = (
    Panel("Separation", ("separation",), scales=True),
    _of_poles("within_variance", "Within-class variance", scales=True),
    _of_poles("cosine", "Cosine"),
    Panel("d′ of held-out prompts", ("d_prime",), chance=0.0),
)
RIGHT = (
    Panel("Fisher ratio", ("fisher_ratio",), scales=True),
    _of_poles("spread", "Spread", scales=True),
    Panel("Dominance", ("dominance",)),
    Panel("AUROC of held-out prompts", ("auroc",), chance=0.5),
)


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
                line = faint_line(
                    _name(name, metric),
                    cells,
                    _values(cells, metric),
                    _BY_NAME[metric].title.lower(),
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
        # Within less than a decade a logarithmic axis has hardly a tick.
        if logarithmic and panel.scales and drawn and max(drawn) > 10 * min(drawn) > 0:
            figure.update_yaxes(type="log", dtick=1, row=row, col=1)
        elif drawn and max(drawn) - min(drawn) < FLAT * max(map(abs, drawn)):
            # Values that differ by rounding alone would fill the panel with a zigzag.
            middle = max(map(abs, drawn))
            figure.update_yaxes(range=[min(drawn) - middle, max(drawn) + middle], row=row, col=1)
        figure.update_yaxes(title=_unit(panel), row=row, col=1)
        _undefined(figure, own, panel, row)
    layer_axis(figure, layers)
    figure.update_xaxes(title=None)
    figure.update_xaxes(title="layer", row=len(panels), col=1)
    figure.update_annotations(font_size=13)
    figure = tidy(figure, height=70 + 190 * len(panels))
    return figure.update_layout(margin_t=60, legend_y=1.035)


def _line(own: Sequence[CellResult], metric: str, first: int) -> go.Scatter:
    pole = _pole(metric)
    colour = BLUE if pole is None else POLE_COLOURS[pole]
    title = _BY_NAME[metric].title
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
