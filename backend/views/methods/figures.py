"""Charts and tables of the Methods page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import plotly.graph_objects as go

from backend.core.estimate import Estimate
from backend.core.statistics.significance import Significance, significance
from backend.views.methods.comparison import MethodComparison, MethodDifference
from backend.views.methods.compute import MethodCell, MethodGrid, MethodRow
from backend.views.shared.differences import SIGNS, difference_forest
from backend.views.shared.intervals import forest
from backend.views.shared.numbers import p_text, r_text
from backend.views.shared.style import (
    BLUE,
    DIVERGING,
    GREEN,
    INK,
    ORANGE,
    short,
    tidy,
    trait_label,
    wrapped,
)

Shown = Literal["fair", "best"]
FITTED_MARK, SAVED_MARK = "†", "‡"
ABSENT = "not computed in this run"
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
        shown: ``fair`` for r with no choice of layer in it, ``best`` for r at the layer with the
            highest r.
    """
    values, texts, hovers = [], [], []
    for row in grid.rows:
        found = [grid.cells.get((row.name, trait)) for trait in grid.traits]
        rs = [None if cell is None else _value(cell, shown) for cell in found]
        values.append([None if r is None else r.value for r in rs])
        texts.append(
            [
                _cell_text(r, r is not None and r.value == _highest(grid, trait, shown))
                for r, trait in zip(rs, grid.traits, strict=True)
            ]
        )
        hovers.append(
            [
                _hover(row, trait, cell, grid.target)
                for cell, trait in zip(found, grid.traits, strict=True)
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
    rows = rows_of(grid, trait)
    found = [grid.cells.get((row.name, trait)) for row in rows]
    nothing = Estimate.undefined(0, ABSENT)
    series = [
        (
            "r, Fisher's interval",
            ORANGE,
            "circle",
            [nothing if c is None else c.correlation for c in found],
        ),
        (
            "r, bootstrap interval",
            BLUE,
            "square",
            [nothing if c is None else c.bootstrap for c in found],
        ),
    ]
    if any(c is not None and c.of_layers > 1 for c in found):
        held = [nothing if c is None else c.held_out for c in found]
        series.append(("r, layer chosen on other scenarios", GREEN, "diamond", held))
    figure = forest([row.title for row in rows], series, title=f"r over {grid.target}s")
    # One sentence per row says what is missing.
    figure.layout.annotations = ()
    for place, cell in enumerate(found):
        if cell is None or cell.correlation.value is None:
            why = ABSENT if cell is None else f"undefined: {cell.correlation.reason}"
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


def method_differences(grid: MethodGrid, comparison: MethodComparison, trait: str) -> go.Figure:
    """Every method's r minus the mean difference's on one trait, with Zou's interval.

    Args:
        grid: for the methods.
        comparison: the differences.
        trait: one of the grid's traits.
    """
    every = comparison.differences | comparison.saved
    rows = [row for row in rows_of(grid, trait) if (row.name, trait) in every]
    found = [every[row.name, trait] for row in rows]
    return difference_forest(
        [marked(row) for row in rows],
        [(f.difference, f.adjusted_p) for f in found],
        [f"<b>{row.title}</b><br>{_said(f)}" for row, f in zip(rows, found, strict=True)],
        WORDS,
        title="r − r of the mean difference<br>(95% interval, Zou)",
    )


def methods_overall(grid: MethodGrid, comparison: MethodComparison) -> go.Figure:
    """Every method against the mean difference over traits, on Fisher's z.

    Args:
        grid: for the methods.
        comparison: the comparison over traits.
    """
    rows = [row for row in grid.rows if row.name in comparison.overall]
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


def marked(row: MethodRow) -> str:
    """A method's title with the mark of fitted or saved ones."""
    mark = FITTED_MARK if row.fitted else SAVED_MARK if row.saved else ""
    # A hard space, so that an axis does not put the mark on a line of its own.
    return f"{row.title}\u00a0{mark}" if mark else row.title


def rows_of(grid: MethodGrid, trait: str) -> list[MethodRow]:
    """All methods, but only this trait's saved vectors.

    Args:
        grid: the numbers.
        trait: one of its traits.
    """
    return [row for row in grid.rows if not row.saved or (row.name, trait) in grid.cells]


def _value(cell: MethodCell, shown: Shown) -> Estimate:
    return cell.fair() if shown == "fair" else cell.correlation


def _highest(grid: MethodGrid, trait: str, shown: Shown) -> float | None:
    found = [
        value
        for row in grid.rows
        if not row.saved
        and (cell := grid.cells.get((row.name, trait))) is not None
        and (value := _value(cell, shown).value) is not None
    ]
    return max(found, default=None)


def _cell_text(r: Estimate | None, highest: bool) -> str:
    if r is None:
        return ""
    if r.value is None:
        return "–"
    text = short(r.value)
    return f"<b>{text}</b>" if highest else text


def _hover(row: MethodRow, trait: str, cell: MethodCell | None, target: str) -> str:
    head = f"<b>{wrapped(row.title)}</b>, {trait.replace('_', ' ')}"
    if cell is None:
        own_trait = "saved for another trait" if row.saved else ABSENT
        return f"{head}<br>{own_trait}"
    c = cell.correlation
    if c.r is None:
        return f"{head}<br>{wrapped(f'undefined: {c.reason}')}"
    chosen = f", the best of {cell.of_layers}" if cell.of_layers > 1 else ""
    lines = [
        f"layer {cell.layer}{chosen}",
        f"r over {target}s = {r_text(c)}",
        f"bootstrap {ends_text(cell.bootstrap)}",
    ]
    if cell.of_layers > 1:
        lines.append(wrapped(f"layer chosen on other scenarios: {r_text(cell.held_out)}"))
    if row.fitted:
        lines.append("fitted on scores; each r over scenarios the fit had not seen")
    if row.saved:
        lines.append("saved; chosen on these scores, so flattered")
    return "<br>".join([head, *lines])


def _said(f: MethodDifference) -> str:
    found = significance(f.difference, f.adjusted_p)
    if f.difference.value is None:
        return wrapped(f"undefined: {f.difference.reason}")
    alike = "" if f.between is None else f"<br>the two projections correlate {f.between:+.2f}"
    return (
        f"{SIGNS[found]} {WORDS[found]}<br>difference {r_text(f.difference)}"
        f"<br>p {p_text(f.difference.p)}, adjusted {p_text(f.adjusted_p)}{alike}"
    )


def ends_text(found: Estimate) -> str:
    """An interval alone, or why there is none."""
    if found.low is None or found.high is None:
        return f"undefined: {found.reason}"
    return f"[{found.low:+.2f}, {found.high:+.2f}]"


def _range(found: Sequence[Estimate]) -> list[float]:
    ends = [e for f in found for e in (f.low, f.high, f.value) if e is not None]
    return [min([0.0, *ends]) - 0.05, max([0.4, *ends]) + 0.05]
