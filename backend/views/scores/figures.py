"""Charts of the Scores page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from backend.core.arrays import Floats
from backend.core.statistics.line import Line
from backend.views.diagnosis import thresholds as at
from backend.views.layers.compute import LayerChoice
from backend.views.scores.compute import Histogram, ScoreColumn
from backend.views.scores.feasibility import Feasibility
from backend.views.scores.links import NO_LENGTH, ScoreLinks
from backend.views.scores.words import sd_text
from backend.views.shared.intervals import band, forest
from backend.views.shared.style import (
    BLUE,
    COLOUR_BAR,
    GREEN,
    GREY,
    ORANGE,
    POLE_COLOURS,
    SEQUENTIAL,
    VERMILION,
    tidy,
    trait_label,
    wrapped,
)
from backend.views.study_tests.feasibility import LEAST


def score_histogram(column: ScoreColumn) -> go.Figure:
    """How often each score was given at each turn; hover shows the counts.

    Args:
        column: the scores of one trait.
    """
    turns = [("score", column.last, BLUE, "")]
    if column.first is not None:
        first, last = column.ends
        turns = [(first, column.first, BLUE, ""), (last, column.last, ORANGE, "/")]
    figure = go.Figure([_bars(*turn, unit="score") for turn in turns])
    figure.update_xaxes(title=f"score ({_range(column.scale)})")
    figure.update_yaxes(title="responses (count)")
    return tidy(figure.update_layout(bargap=0.15), height=320)


def drift_histogram(column: ScoreColumn, drift: Histogram) -> go.Figure:
    """How often each change of the score happened.

    Args:
        column: the scores of one trait.
        drift: of them.
    """
    first, last = column.ends
    figure = go.Figure(_bars("drift", drift, GREEN, "", unit="drift"))
    figure.add_vline(x=0, line={"width": 1.5, "color": GREY, "dash": "dash"})
    figure.update_xaxes(title=f"score at {last} minus {first} ({_steps(column.scale)})")
    figure.update_yaxes(title="cases (count)")
    figure.update_traces(showlegend=True)
    return tidy(figure.update_layout(bargap=0.15), height=320)


def all_scores(columns: Sequence[ScoreColumn], marked: str) -> go.Figure:
    """Share of the scores in every bin, one row per trait.

    Args:
        columns: one row each, top to bottom, with the same bins.
        marked: a trait whose name is set bold.
    """
    shares = [[count / sum(c.every.counts) for count in c.every.counts] for c in columns]
    names = [trait_label(c.trait) for c in columns]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=columns[0].every.centres if columns else [],
            y=[
                f"<b>{name}</b>" if c.trait == marked else name
                for name, c in zip(names, columns, strict=True)
            ],
            customdata=[c.every.counts for c in columns],
            hovertemplate="%{y}<br>score %{x:g}: %{customdata} responses, %{z:.1%}<extra></extra>",
            colorscale=SEQUENTIAL,
            zmin=0,
            colorbar=COLOUR_BAR
            | {"title": {"text": "share of scores", "side": "bottom"}, "tickformat": ".0%"},
            xgap=1,
            ygap=3,
        )
    )
    unit = _range(columns[0].scale) if columns else "score units"
    figure.update_xaxes(title=f"score ({unit})", showgrid=False, side="top")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return tidy(figure, height=160 + 44 * max(1, len(columns)))


def stability_forest(columns: Sequence[ScoreColumn]) -> go.Figure:
    """Correlation of the scores at the first and the last turn, every trait.

    Args:
        columns: one row each.
    """
    found = [c.stability for c in columns]
    ends = " and ".join(columns[0].ends if columns else ("the first turn", "the last turn"))
    figure = forest(
        [c.trait for c in columns],
        [(f"r of {ends}", BLUE, "circle", found)],
        title=f"r of {ends}, 95% interval",
    )
    for side in (-at.STABILITY, at.STABILITY):
        figure.add_vline(
            x=side,
            line={"dash": "dot", "width": 1.5, "color": VERMILION},
            annotation={"text": f"{side:+g}", "font": {"size": 11}},
        )
    return figure


def pearson_beside_spearman(choices: Sequence[LayerChoice]) -> go.Figure:
    """Both correlations of every trait at its best layer, with their intervals.

    Args:
        choices: one row each.
    """
    return forest(
        [choice.trait for choice in choices],
        [
            ("Pearson r", BLUE, "circle", [c.correlation for c in choices]),
            ("Spearman rho", ORANGE, "diamond", [c.rank for c in choices]),
        ],
        title="r or rho, 95% interval",
    )


def pole_counts(found: Feasibility) -> go.Figure:
    """Responses of both poles per responder and trait; a pole with too few is named so.

    Args:
        found: counts at two thresholds.
    """
    several = len({responder for responder, _ in found.counts}) > 1
    labels = [
        f"{trait_label(trait)}<br>{responder}" if several else trait_label(trait)
        for responder, trait in found.counts
    ]
    figure = go.Figure()
    for pole, sign in (("low", -1), ("high", 1)):
        counts = [c.high if pole == "high" else c.low for c in found.counts.values()]
        figure.add_trace(
            go.Bar(
                x=[sign * count for count in counts],
                y=list(range(len(labels))),
                orientation="h",
                name=f"{pole} pole",
                marker={
                    "color": POLE_COLOURS[pole],
                    "pattern": {"shape": "/" if pole == "low" else ""},
                },
                text=[f"{n} ✕ too few" if n < LEAST else f"{n}" for n in counts],
                textposition="outside",
                cliponaxis=False,
                customdata=[
                    f"{who}, {trait.replace('_', ' ')}<br>{n} of {c.high + c.low + c.between} "
                    f"responses are of the {pole} pole"
                    for n, ((who, trait), c) in zip(counts, found.counts.items(), strict=True)
                ],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    most = max((max(c.high, c.low) for c in found.counts.values()), default=1)
    figure.update_xaxes(
        title="responses (count)",
        range=[-1.6 * most - 1, 1.6 * most + 1],
        tickvals=[-most, 0, most],
        ticktext=[str(most), "0", str(most)],
    )
    figure.update_yaxes(
        tickvals=list(range(len(labels))),
        ticktext=labels,
        showgrid=False,
        range=[len(labels) - 0.4, -0.6],
    )
    figure.update_layout(barmode="overlay", bargap=0.35)
    return tidy(figure, height=110 + (56 if several else 44) * max(1, len(labels)))


def projection_and_score(links: ScoreLinks) -> go.Figure:
    """Each case by projection and score, with the least squares line and its band.

    Args:
        links: the cases of one trait at one layer.
    """
    what = links.target
    cases = links.within(links.projection, links.cases.behaviour)
    figure = _scatter(links, cases.x, cases.y, links.line, GREEN)
    figure.update_xaxes(title=f"projection {what} (activation units){_within(links)}")
    figure.update_yaxes(title=f"score {what} ({_units(links)}){_within(links)}")
    return tidy(figure, height=420)


def length_and_projection(links: ScoreLinks) -> go.Figure:
    """Each case by the length of its response and its projection, with the line and its band; no
    case where lengths are not known.

    Args:
        links: the cases of one trait at one layer.
    """
    what = links.target
    if not links.cases.length_known:
        empty = go.Figure()
        empty.add_annotation(text=wrapped(f"Undefined: {NO_LENGTH}."), showarrow=False)
        empty.update_xaxes(title=f"response length {what} (tokens)", showticklabels=False)
        empty.update_yaxes(title=f"projection {what} (activation units)", showticklabels=False)
        return tidy(empty, height=420)
    cases = links.within(links.cases.length, links.projection)
    figure = _scatter(links, cases.x, cases.y, links.length_line, ORANGE)
    figure.update_xaxes(title=f"response length {what} (tokens){_within(links)}")
    figure.update_yaxes(title=f"projection {what} (activation units){_within(links)}")
    return tidy(figure, height=420)


def _within(links: ScoreLinks) -> str:
    return "<br>less the difference of the responders' means" if links.several else ""


def _bars(name: str, found: Histogram, colour: str, pattern: str, unit: str) -> go.Bar:
    n = sum(found.counts)
    mean = "" if found.mean is None else f", mean {found.mean:.2f}"
    return go.Bar(
        x=found.centres,
        y=found.counts,
        name=f"{name} (n = {n}{mean}, sd {sd_text(found)})",
        marker={"color": colour, "pattern": {"shape": pattern}},
        hovertemplate=f"{name}: {unit} %{{x:g}}, %{{y}} of {n}<extra></extra>",
    )


def _scatter(links: ScoreLinks, x: Floats, y: Floats, line: Line | None, colour: str) -> go.Figure:
    figure = go.Figure()
    if line is not None:
        figure.add_trace(
            band(
                line.x.tolist(),
                [None if np.isnan(end) else float(end) for end in line.low],
                [None if np.isnan(end) else float(end) for end in line.high],
                name="95% band of the mean",
                colour=colour,
            )
        )
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="markers",
            name=f"cases (n = {len(x)})",
            marker={"color": BLUE, "size": 6, "opacity": 0.7},
            customdata=_hovers(links),
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    if line is not None:
        figure.add_trace(
            go.Scatter(
                x=line.x,
                y=line.y,
                mode="lines",
                name="least squares line",
                line={"color": colour, "width": 2.5},
                hoverinfo="skip",
            )
        )
    return figure


def _range(scale: tuple[float, float]) -> str:
    """The units of scores: their range."""
    return f"{scale[0]:g} to {scale[1]:g}"


def _units(links: ScoreLinks) -> str:
    """Of what r is taken over: a level lies in the range, a drift does not."""
    return _range(links.scale) if links.target == "level" else _steps(links.scale)


def _steps(scale: tuple[float, float]) -> str:
    """The units of differences of scores."""
    return f"units of a score of {_range(scale)}"


def _hovers(links: ScoreLinks) -> list[str]:
    cases, what = links.cases, links.target
    found = []
    first, last = links.ends
    sign = "+" if cases.first is not None else ""
    for i, scenario in enumerate(cases.scenarios):
        scores = f"score {cases.last[i]:g}"
        if cases.first is not None:
            scores = f"score {cases.first[i]:g} at {first}, {cases.last[i]:g} at {last}"
        found.append(
            f"<b>{wrapped(scenario)}</b><br>by {wrapped(cases.responders[i])}<br>{scores}"
            f"<br>projection {what} {links.projection[i]:+.3g}"
            + (f"<br>length {what} {cases.length[i]:{sign}g} tokens" if cases.length_known else "")
        )
    return found
