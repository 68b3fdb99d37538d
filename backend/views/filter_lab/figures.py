"""Charts of the Filter lab, drawn anew on every move.

Each is built in one call from plain values: changing a Plotly figure after it is made takes
several times longer than making it, and a move has no time for that.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from backend.core.estimate import Estimate
from backend.core.vectors.lab import Steps
from backend.settings import StatusThresholds
from backend.types import POLES
from backend.views.filter_lab.axis import CosineRange
from backend.views.filter_lab.compute import LabPrompt, LabView
from backend.views.filter_lab.words import axis_title
from backend.views.shared.intervals import band
from backend.views.shared.numbers import r_text
from backend.views.shared.style import BLUE, GREY, SEQUENTIAL, excerpt

Number = float | None
Spec = dict[str, object]
# Over what is dropped or refused; see-through on a light and on a dark page.
VEIL = "rgba(138,143,152,0.62)"
SHADE = "rgba(138,143,152,0.28)"
GRID = "rgba(138,143,152,0.25)"
CLEAR = "rgba(0,0,0,0)"


def threshold_curve(
    view: LabView,
    steps: Steps,
    cosines: CosineRange,
    high: float,
    thresholds: StatusThresholds,
    text: str,
    beside: tuple[str, float] | None = None,
) -> go.Figure:
    """r of the chosen cell along the whole threshold axis, with the current point.

    Args:
        view: the current setting.
        steps: the cell along the axis.
        cosines: where the axis begins.
        high: where it ends.
        thresholds: lines of the statuses.
        text: colour of the text.
        beside: name and r of a saved or imported vector; None for none.
    """
    edges = [cosines.low, *steps.thresholds.tolist()]
    x = [edge for pair in itertools.pairwise(edges) for edge in pair]
    r, lower, upper = (_twice(values) for values in (steps.r, steps.low, steps.high))
    kept = [f"{h} high and {low} low prompts kept" for h, low in steps.kept.tolist()]
    now = max(view.pipeline.threshold, cosines.low)
    traces = [
        band(x, lower, upper, name="95% interval (Fisher z)", colour=BLUE, opacity=0.18),
        {
            "type": "scatter",
            "x": x,
            "y": r,
            "mode": "lines",
            "name": "r",
            "line": {"color": BLUE, "width": 2},
            "customdata": [words for words in kept for _ in range(2)],
            "hovertemplate": "cosine ≥ %{x:.3f}: r = %{y:.3f}<br>%{customdata}<extra></extra>",
        },
        {
            "type": "scatter",
            "x": [now],
            "y": [view.after.value],
            "mode": "markers",
            "name": "now",
            "hovertemplate": f"now: r = {r_text(view.after)}<extra></extra>",
            "marker": {
                "symbol": "diamond",
                "size": 13,
                "color": BLUE,
                "line": {"width": 2, "color": "#FFFFFF"},
            },
        },
    ]
    shapes = [_upright(now, BLUE, "solid")]
    notes: list[Spec] = []
    for left, right in _refused(edges, steps, high):
        shapes.append(
            {
                "type": "rect",
                "x0": left,
                "x1": right,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "fillcolor": SHADE,
                "line": {"width": 0},
                "layer": "below",
            }
        )
        notes.append(
            {
                "x": (left + right) / 2,
                "y": 0.02,
                "yref": "paper",
                "yanchor": "bottom",
                "text": "refused",
                "textangle": -90,
                "showarrow": False,
                "font": {"size": 11},
            }
        )
    for level, name in ((thresholds.working, "working"), (thresholds.close, "close")):
        shapes.append(_level(level, "dot"))
        notes.append(_level_note(level, f"{name} {level:g}"))
    if view.before.value is not None:
        shapes.append(_level(view.before.value, "solid"))
        notes.append(_level_note(view.before.value, "before", right=True))
    known = [v for v in (*lower, *upper, *r, view.before.value) if v is not None]
    if beside is not None:
        name, level = beside
        shapes.append(_level(level, "dash"))
        notes.append(_level_note(level, excerpt(name, 24), right=True) | {"x": 1})
        known.append(level)
    return _figure(
        traces,
        300,
        text,
        xaxis={
            "range": [cosines.low, high],
            "title": _title(axis_title(view.pipeline.filter_reference)),
        },
        yaxis={"range": _range(known), "title": _title("r, 95% interval (Fisher z)")},
        shapes=shapes,
        annotations=notes,
        showlegend=False,
    )


def layer_curves(view: LabView, text: str) -> go.Figure:
    """r by layer as published and now, with Fisher bands; the chosen layer is marked.

    Args:
        view: the current setting.
        text: colour of the text.
    """
    layers = [float(change.layer) for change in view.layers]
    traces: list[Spec | go.Scatter] = []
    known: list[float] = []
    series: list[tuple[str, str, str, str, list[Estimate]]] = [
        ("before", GREY, "dash", "circle-open", [c.before for c in view.layers]),
        ("now", BLUE, "solid", "circle", [c.after for c in view.layers]),
    ]
    for name, colour, dash, symbol, found in series:
        ends = ([e.low for e in found], [e.high for e in found])
        area = band(layers, *ends, name=name, colour=colour, opacity=0.16)
        area.showlegend = False
        traces.append(area)
        traces.append(
            {
                "type": "scatter",
                "x": layers,
                "y": [e.value for e in found],
                "mode": "lines+markers",
                "name": name,
                "line": {"color": colour, "width": 2, "dash": dash},
                "marker": {"symbol": symbol, "size": 7, "color": colour},
                "customdata": [r_text(e) for e in found],
                "hovertemplate": f"layer %{{x}}, {name}: %{{customdata}}<extra></extra>",
            }
        )
        known += [v for e in found for v in (e.low, e.high, e.value) if v is not None]
    return _figure(
        traces,
        300,
        text,
        xaxis={
            "range": [layers[0] - 0.5, layers[-1] + 0.5],
            "title": _title("layer"),
            "tickformat": "d",
        },
        yaxis={"range": _range(known), "title": _title("r, 95% interval (Fisher z)")},
        shapes=[_upright(view.place[2], GREY, "dot")],
    )


def dimmed_heatmap(view: LabView, texts: Mapping[int, str], text: str) -> go.Figure:
    """Cosines between the prompts, each pole by falling cosine; dropped prompts lie under a veil.

    Args:
        view: the current setting.
        texts: prompt id -> text.
        text: colour of the text.
    """
    blocks = view.cosines
    count = len(blocks.spans)
    low, high = blocks.ends
    labels = [_of_block(view.prompts[start:stop], texts) for start, stop in blocks.spans]
    heatmap: Spec = {
        "type": "heatmap",
        "x": labels,
        "y": labels,
        "z": blocks.means.astype(np.float32),
        "hovertemplate": "<b>cosine %{z:.3f}</b><br>%{y}<br>%{x}<extra></extra>",
        "colorscale": SEQUENTIAL,
        "zmin": low,
        "zmax": high,
        "showscale": False,
    }
    highs = sum(view.prompts[start].pole == "high" for start, _ in blocks.spans)
    shapes: list[Spec] = []
    for across, along in (("x", "y"), ("y", "x")):
        whole: Spec = {f"{along}0": -0.5, f"{along}1": count - 0.5}
        for start, stop in _runs([prompt.kept for prompt in view.prompts]):
            shapes.append(
                {
                    "type": "rect",
                    f"{across}0": blocks.place(start),
                    f"{across}1": blocks.place(stop),
                    "fillcolor": VEIL,
                    "line": {"width": 0},
                    **whole,
                }
            )
        shapes.append(
            {
                "type": "line",
                f"{across}0": highs - 0.5,
                f"{across}1": highs - 0.5,
                "line": {"width": 2, "color": "#FFFFFF"},
                **whole,
            }
        )
    middles = [labels[i] for i in (highs // 2, (highs + count) // 2) if i < count]
    ticks: Spec = {
        "type": "category",
        "tickvals": middles,
        "ticktext": list(POLES),
        "showgrid": False,
        "constrain": "domain",
    }
    return _figure(
        [heatmap],
        420,
        text,
        xaxis={**ticks, "side": "top", "range": [-0.5, count - 0.5]},
        yaxis={**ticks, "range": [count - 0.5, -0.5], "scaleanchor": "x", "tickangle": -90},
        shapes=shapes,
    )


def _of_block(prompts: Sequence[LabPrompt], texts: Mapping[int, str]) -> str:
    """The prompts of a block: the first with its text, and up to which number."""
    first, last = prompts[0], prompts[-1]
    more = f" and {len(prompts) - 1} more, up to #{last.prompt_id}" if len(prompts) > 1 else ""
    return f"<b>{first.pole} #{first.prompt_id}</b> {excerpt(texts[first.prompt_id])}{more}"


def _figure(
    traces: list[Spec | go.Scatter],
    height: int,
    text: str,
    *,
    xaxis: Spec,
    yaxis: Spec,
    **layout: object,
) -> go.Figure:
    # Fixed margins and a legend inside: Plotly draws a chart again for each that it has to find.
    axis: Spec = {"automargin": False, "zeroline": False, "gridcolor": GRID}
    return go.Figure(
        data=traces,
        layout={
            "template": "none",
            "height": height,
            "margin": {"l": 56, "r": 8, "t": 20, "b": 44},
            "font": {"size": 13, "color": text, "family": "system-ui, sans-serif"},
            "paper_bgcolor": CLEAR,
            "plot_bgcolor": CLEAR,
            "hoverlabel": {"align": "left", "namelength": -1},
            "legend": {
                "orientation": "h",
                "y": 0.99,
                "yanchor": "top",
                "x": 0.01,
                "bgcolor": CLEAR,
            },
            "dragmode": False,
            "xaxis": {**axis, "showgrid": False, **xaxis},
            "yaxis": {**axis, **yaxis},
            **layout,
        },
    )


def _title(text: str) -> Spec:
    return {"text": text, "font": {"size": 12}, "standoff": 6}


def _twice(values: np.ndarray) -> list[Number]:
    """Each value at both ends of its step; None where undefined."""
    return [None if math.isnan(v) else v for v in values.tolist() for _ in range(2)]


def _refused(edges: list[float], steps: Steps, high: float) -> list[tuple[float, float]]:
    """Where there is no r: (from, to) along the axis, adjoining steps joined."""
    bad = [math.isnan(r) for r in steps.r.tolist()]
    spans = [
        (edges[start], high if stop > len(bad) else edges[stop])
        for start, stop in _runs([not b for b in [*bad, True]])
    ]
    return [(left, right) for left, right in spans if right > left]


def _runs(kept: list[bool]) -> list[tuple[int, int]]:
    """(start, stop) of every run of what is not kept."""
    found: list[tuple[int, int]] = []
    for place, own in enumerate(kept):
        if not own and found and found[-1][1] == place:
            found[-1] = (found[-1][0], place + 1)
        elif not own:
            found.append((place, place + 1))
    return found


def _range(known: list[float]) -> list[float]:
    """An axis that ends on tenths, so that it seldom jumps."""
    low, high = min(known, default=0.0), max(known, default=0.0)
    return [math.floor(10 * low - 0.01) / 10, math.ceil(10 * high + 0.01) / 10]


def _upright(x: float, colour: str, dash: str) -> Spec:
    return {
        "type": "line",
        "x0": x,
        "x1": x,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": colour, "width": 1, "dash": dash},
    }


def _level(y: float, dash: str) -> Spec:
    return {
        "type": "line",
        "x0": 0,
        "x1": 1,
        "xref": "paper",
        "y0": y,
        "y1": y,
        "line": {"color": GREY, "width": 1, "dash": dash},
    }


def _level_note(y: float, text: str, *, right: bool = False) -> Spec:
    return {
        "x": 0.75 if right else 0,
        "xref": "paper",
        "xanchor": "right" if right else "left",
        "y": y,
        "yanchor": "bottom",
        "text": text,
        "showarrow": False,
        "font": {"size": 11},
    }
