"""Charts of the Methods page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from backend.core.estimate import Estimate
from backend.core.statistics.significance import Significance
from backend.views.methods.comparison import MethodComparison
from backend.views.methods.compute import MethodGrid, MethodResult, MethodRow
from backend.views.methods.cosines import VectorCosines
from backend.views.methods.differences import MethodDifference, MethodDifferences
from backend.views.methods.subsampling import SubsampleCurve
from backend.views.methods.words import (
    Shown,
    interval_text,
    marked,
    missing_text,
    spread_text,
)
from backend.views.shared.differences import SIGNS, difference_forest
from backend.views.shared.intervals import error_bars, forest
from backend.views.shared.numbers import p_text, r_text
from backend.views.shared.style import (
    BLUE,
    COLOUR_BAR,
    DIVERGING,
    GREEN,
    GREY,
    INK,
    ORANGE,
    short,
    tidy,
    trait_label,
    wrapped,
)

WORDS: dict[Significance, str] = {
    "higher": "better than the mean difference",
    "not shown": "no difference shown",
    "lower": "worse than the mean difference",
    "undefined": "no test",
}


def method_heatmap(grid: MethodGrid, shown: Shown) -> go.Figure:
    """r of every method on every trait; the highest of a trait in bold.

    Args:
        grid: the numbers.
        shown: ``held_out`` for r with no choice of layer in it, ``best`` for r at the layer with
            the highest r.
    """
    values, texts, hovers = [], [], []
    for row in grid.rows:
        found = [grid.results.get((row.name, trait)) for trait in grid.traits]
        rs = [None if result is None else _r(result, shown) for result in found]
        values.append([None if r is None else r.value for r in rs])
        texts.append(
            [
                _cell_text(r, r is not None and r.value == _highest(grid, trait, shown))
                for r, trait in zip(rs, grid.traits, strict=True)
            ]
        )
        hovers.append(
            [
                _hover(row, trait, result, grid.target)
                for result, trait in zip(found, grid.traits, strict=True)
            ]
        )
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=[trait_label(t) for t in grid.traits],
            y=[wrapped(marked(row), 19) for row in grid.rows],
            text=texts,
            texttemplate="%{text}",
            textfont={"color": INK, "size": 11},
            customdata=hovers,
            hovertemplate="%{customdata}<extra></extra>",
            hoverongaps=True,
            colorscale=DIVERGING,
            zmin=-1,
            zmid=0,
            zmax=1,
            xgap=2,
            ygap=2,
            showscale=False,
        )
    )
    figure.update_xaxes(side="top", showgrid=False, tickangle=-90, tickfont={"size": 11})
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 11})
    return tidy(figure, height=190 + 32 * len(grid.rows))


def method_forest(grid: MethodGrid, trait: str) -> go.Figure:
    """Every method's r on one trait with both intervals, and its r without the choice of layer.

    Args:
        grid: the numbers.
        trait: one of its traits.
    """
    rows = grid.rows_of(trait)
    found = [grid.results.get((row.name, trait)) for row in rows]
    nothing = Estimate.undefined(0, "there is no result")
    fisher = [nothing if f is None else f.correlation for f in found]
    bootstrap = [nothing if f is None else f.bootstrap for f in found]
    series = [
        ("r, Fisher's interval", ORANGE, "circle", fisher),
        ("r, bootstrap interval", BLUE, "square", bootstrap),
    ]
    if any(f is not None and f.of_layers > 1 for f in found):
        held_out = [nothing if f is None else f.held_out for f in found]
        series.append(("r, layer chosen on other scenarios", GREEN, "diamond", held_out))
    figure = forest([row.title for row in rows], series, title=f"r over {grid.target}s")
    # One sentence per row says what is missing.
    figure.layout.annotations = ()
    for place, (row, result) in enumerate(zip(rows, found, strict=True)):
        if result is None or result.correlation.value is None:
            why = missing_text(row)
            if result is not None:
                why = f"undefined: {result.correlation.reason}"
            figure.add_annotation(
                x=0,
                xref="paper",
                y=place,
                text=wrapped(why, 34),
                showarrow=False,
                font={"size": 11},
                align="left",
                xanchor="left",
            )
    drawn = [e for _, _, _, own in series for e in own]
    figure.update_xaxes(range=_range(drawn))
    figure.update_yaxes(ticktext=[wrapped(marked(row), 24) for row in rows])
    return figure


def method_differences(grid: MethodGrid, differences: MethodDifferences, trait: str) -> go.Figure:
    """Every method's r minus the mean difference's on one trait, with its interval.

    Args:
        grid: all methods on all traits of a run.
        differences: of the same run.
        trait: one of its traits.
    """
    every = differences.every
    rows = [row for row in grid.rows_of(trait) if (row.name, trait) in every]
    found = [every[row.name, trait] for row in rows]
    return difference_forest(
        [marked(row) for row in rows],
        [(f.difference, f.adjusted_p) for f in found],
        [f"<b>{row.title}</b><br>{_said(f)}" for row, f in zip(rows, found, strict=True)],
        WORDS,
        title="r − r of the mean difference<br>(95% interval)",
    )


def methods_overall(comparison: MethodComparison) -> go.Figure:
    """Every method against the mean difference over traits, on Fisher's z.

    Args:
        comparison: of a run.
    """
    rows = [row for row in comparison.grid.rows if row.name in comparison.overall]
    found = [comparison.overall[row.name] for row in rows]
    return difference_forest(
        [marked(row) for row in rows],
        [(f.z, f.adjusted_p) for f in found],
        [
            f"<b>{row.title}</b><br>mean difference of z {r_text(f.z, count=False)}"
            f"<br>over {f.z.n} traits, p {p_text(f.z.p)}, adjusted {p_text(f.adjusted_p)}"
            f"<br>higher on {f.won}, lower on {f.lost}"
            for row, f in zip(rows, found, strict=True)
        ],
        WORDS,
        title="mean difference of Fisher's z<br>(95% interval, Student's t over traits)",
    )


def subsample_r(curve: SubsampleCurve) -> go.Figure:
    """r of vectors from random subsets, over the interval of r of all prompts.

    Args:
        curve: of one cell.
    """
    figure = go.Figure()
    whole = curve.whole
    if whole.low is not None and whole.high is not None:
        figure.add_hrect(y0=whole.low, y1=whole.high, fillcolor=GREY, opacity=0.2, line_width=0)
    figure.add_hline(y=0, line={"width": 1, "color": GREY})
    points = [(s.size, s.r) for s in curve.sizes if s.r is not None]
    ends = [e for _, spread in points for e in spread]
    ends += [e for e in (0.0, whole.low, whole.high) if e is not None]
    figure.add_trace(_points(points, "mean r", ORANGE, "circle"))
    figure.update_yaxes(range=[min(ends) - 0.05, max(ends) + 0.05])
    return _finished(figure, curve, f"r over {curve.target}s")


def subsample_cosine(curve: SubsampleCurve) -> go.Figure:
    """Cosine of vectors from random subsets to that of all prompts, and of disjoint subsets.

    Args:
        curve: of one cell.
    """
    figure = go.Figure()
    points = [(s.size, s.cosine) for s in curve.sizes]
    figure.add_trace(_points(points, "to the vector of all prompts", BLUE, "circle"))
    apart = [(s.size, s.stability) for s in curve.sizes if s.stability is not None]
    if apart:
        figure.add_trace(
            go.Scatter(
                x=[size for size, _ in apart],
                y=[value for _, value in apart],
                mode="lines+markers",
                name="of two disjoint subsets",
                line={"dash": "dash", "color": ORANGE},
                marker={"symbol": "diamond", "size": 9},
                hovertemplate="%{x} prompts per pole: cosine %{y:.3f}<extra></extra>",
            )
        )
    return _finished(figure, curve, "cosine").update_yaxes(rangemode="tozero")


def cosine_map(found: VectorCosines) -> go.Figure:
    """Cosine of every pair of vectors.

    Args:
        found: at least one vector.
    """
    names = [trait_label(name, 22) for name in found.names]
    shown = [[None if math.isnan(c) else c for c in row] for row in found.cosines.tolist()]
    figure = go.Figure(
        go.Heatmap(
            z=shown,
            x=names,
            y=names,
            text=[["–" if c is None else short(c) for c in row] for row in shown],
            texttemplate="%{text}",
            textfont={"color": INK, "size": 11},
            hovertemplate="%{y}<br>%{x}<br>cosine %{z:+.3f}<extra></extra>",
            hoverongaps=False,
            colorscale=DIVERGING,
            zmin=-1,
            zmid=0,
            zmax=1,
            xgap=1,
            ygap=1,
            colorbar=COLOUR_BAR | {"title": {"text": "cosine", "side": "bottom"}},
        )
    )
    figure.update_xaxes(side="top", showgrid=False, tickangle=-90, tickfont={"size": 11})
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 11})
    return tidy(figure, height=260 + 34 * len(names))


def _r(result: MethodResult, shown: Shown) -> Estimate:
    return result.selection_free_r() if shown == "held_out" else result.correlation


def _highest(grid: MethodGrid, trait: str, shown: Shown) -> float | None:
    found = [
        value
        for row in grid.rows
        if not row.saved
        and (result := grid.results.get((row.name, trait))) is not None
        and (value := _r(result, shown).value) is not None
    ]
    return max(found, default=None)


def _cell_text(r: Estimate | None, highest: bool) -> str:
    if r is None:
        return ""
    if r.value is None:
        return "–"
    text = short(r.value)
    return f"<b>{text}</b>" if highest else text


def _hover(row: MethodRow, trait: str, result: MethodResult | None, target: str) -> str:
    head = f"<b>{wrapped(row.title)}</b>, {trait.replace('_', ' ')}"
    if result is None:
        return f"{head}<br>{'of another trait' if row.saved else missing_text(row)}"
    c = result.correlation
    if c.value is None:
        return f"{head}<br>{wrapped(f'undefined: {c.reason}')}"
    chosen = f", the best of {result.of_layers}" if result.of_layers > 1 else ""
    lines = [
        f"layer {result.layer}{chosen}",
        f"r over {target}s = {r_text(c)}",
        f"bootstrap {interval_text(result.bootstrap)}",
    ]
    if result.of_layers > 1:
        lines.append(wrapped(f"layer chosen on other scenarios: {r_text(result.held_out)}"))
    if row.fitted:
        lines.append("fitted on scores; each r over scenarios the fit had not seen")
    if row.saved:
        lines.append(wrapped(f"{row.source}; if chosen on these scores, inflated by selection"))
    return "<br>".join([head, *lines])


def _said(f: MethodDifference) -> str:
    if f.difference.value is None:
        return wrapped(f"undefined: {f.difference.reason}")
    alike = "" if f.between is None else f"<br>the two projections correlate {f.between:+.2f}"
    return (
        f"{SIGNS[f.kind]} {WORDS[f.kind]}<br>difference {r_text(f.difference)}"
        f"<br>p {p_text(f.difference.p)}, adjusted {p_text(f.adjusted_p)}{alike}"
        f"{'' if f.difference.reason is None else '<br>' + wrapped(f.difference.reason)}"
    )


def _range(found: Sequence[Estimate]) -> list[float]:
    ends = [e for f in found for e in (f.low, f.high, f.value) if e is not None]
    return [min([0.0, *ends]) - 0.05, max([0.4, *ends]) + 0.05]


def _points(
    points: Sequence[tuple[int, tuple[float, float, float]]], name: str, colour: str, symbol: str
) -> go.Scatter:
    found = [Estimate(mean, low, high, None, 0) for _, (mean, low, high) in points]
    return go.Scatter(
        x=[size for size, _ in points],
        y=[e.value for e in found],
        mode="lines+markers",
        name=name,
        line={"color": colour},
        marker={"symbol": symbol, "size": 9},
        error_y=error_bars(found),
        customdata=[spread_text(spread) for _, spread in points],
        hovertemplate="%{x} prompts per pole: %{customdata}<extra></extra>",
    )


def _finished(figure: go.Figure, curve: SubsampleCurve, title: str) -> go.Figure:
    sizes = [s.size for s in curve.sizes]
    figure.update_xaxes(title="prompts per pole", tickvals=sizes)
    if sizes:
        figure.update_xaxes(range=[min(sizes) - 2, max(sizes) + 2])
    figure.update_yaxes(title=title)
    figure.update_layout(showlegend=True)
    return tidy(figure, height=340)
