"""Charts of turns: projection and score by turn, and r of drifts by turn."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from itertools import cycle

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backend.core.estimate import Estimate
from backend.store.run_values import ScoredText
from backend.turns import LAST, turn_order
from backend.types import Turn
from backend.views.shared.intervals import band, error_bars
from backend.views.shared.numbers import estimate_text, r_text
from backend.views.shared.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    tidy,
    wrapped,
)
from backend.views.trajectories.compute import DriftR, Trajectories, Trajectory, TurnPoint
from backend.views.trajectories.words import turn_name

_LOOKS = (
    (BLUE, "circle", "solid"),
    (VERMILION, "diamond", "dash"),
    (GREEN, "square", "dot"),
    (ORANGE, "triangle-up", "dashdot"),
)
# Turns named on the axis; of more, every second or third.
_TICKS = 16


def trajectory_figure(
    found: Trajectories,
    chosen: Sequence[Trajectory] = (),
    names: Mapping[str, str] | None = None,
    texts: Mapping[int, ScoredText] | None = None,
) -> go.Figure:
    """Projection above, score below, by turn: the mean with its band, and some conversations.

    Args:
        found: all turns.
        chosen: conversations drawn as lines of their own.
        names: key -> name of these.
        texts: response id -> beginning of its text, for the hover.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    x = [_place(turn) for turn in found.turns]
    colour = GREY if chosen else BLUE
    for row, side in ((1, "projection"), (2, "score")):
        means: list[Estimate] = [getattr(one, side) for one in found.means]
        area = band(
            x,
            [one.low for one in means],
            [one.high for one in means],
            name="95% interval of the mean",
            colour=colour,
        )
        area.update(showlegend=row == 1, legendgroup="band")
        figure.add_trace(area, row=row, col=1)
        figure.add_trace(
            go.Scatter(
                x=x,
                y=[one.value for one in means],
                mode="lines+markers",
                name="mean of all conversations",
                legendgroup="mean",
                showlegend=row == 1,
                line={"color": colour, "width": 3},
                marker={"size": 8},
                customdata=[
                    f"<b>{turn}</b>: mean {side} {estimate_text(one)}, n = {one.n}"
                    for turn, one in zip(found.turns, means, strict=True)
                ],
                hovertemplate="%{customdata}<extra></extra>",
            ),
            row=row,
            col=1,
        )
    for one, look in zip(chosen, cycle(_LOOKS), strict=False):
        name = (names or {}).get(one.key, one.scenario)
        for row, side in ((1, "projection"), (2, "score")):
            figure.add_trace(_line(one, name, side, look, texts or {}, row == 1), row=row, col=1)
    since = " since the first turn" if found.values == "change" else ""
    kind = "change of " if since else ""
    figure.update_yaxes(title=f"{kind}projection<br>(activation units)", row=1, col=1)
    low, high = found.scale
    scale = f"{'scale ' if since else ''}{low:g} to {high:g}"
    figure.update_yaxes(title=f"{kind}score<br>({scale})", row=2, col=1)
    _turn_axis(figure, found.turns)
    figure.update_xaxes(title=None, row=1, col=1)
    return tidy(figure, height=560).update_layout(hovermode="closest")


def drift_figure(found: DriftR) -> go.Figure:
    """r of the drift from one turn to every other, with its interval.

    Args:
        found: with at least one other turn.
    """
    known = [(turn, one) for turn, one in found.by_stop if one.value is not None]
    figure = go.Figure(
        go.Scatter(
            x=[_place(turn) for turn, _ in known],
            y=[one.value for _, one in known],
            mode="lines+markers",
            name="r, 95% interval",
            line={"color": BLUE, "width": 1, "dash": "dot"},
            marker={"size": 9},
            error_y=error_bars([one for _, one in known]),
            customdata=[
                f"<b>{turn_name(found.start)} to {turn}</b><br>r {r_text(one)}"
                for turn, one in known
            ],
            hovertemplate="%{customdata}<extra></extra>",
        )
    )
    for turn, one in found.by_stop:
        if one.value is None:
            figure.add_annotation(
                x=_place(turn), y=0, text="undefined", showarrow=False, hovertext=one.reason
            )
    figure.add_hline(y=0, line={"width": 1, "color": GREY})
    figure.update_yaxes(title="r of the drift", range=[-1.05, 1.05])
    _turn_axis(figure, [turn for turn, _ in found.by_stop])
    figure.update_xaxes(title="turn at which the drift ends")
    return tidy(figure, height=380)


def _line(
    one: Trajectory,
    name: str,
    side: str,
    look: tuple[str, str, str],
    texts: Mapping[int, ScoredText],
    legend: bool,
) -> go.Scatter:
    colour, symbol, dash = look
    return go.Scatter(
        x=[_place(point.turn) for point in one.points],
        y=[getattr(point, side) for point in one.points],
        mode="lines+markers",
        name=html.escape(name),
        legendgroup=one.key,
        showlegend=legend,
        line={"color": colour, "width": 1.5, "dash": dash},
        marker={"size": 8, "symbol": symbol},
        customdata=[_hover(point, name, texts.get(point.response_id)) for point in one.points],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _hover(point: TurnPoint, name: str, text: ScoredText | None) -> str:
    projection = "undefined" if point.projection is None else f"{point.projection:.3g}"
    score = "not scored" if point.score is None else f"score {point.score:.3g}"
    head = f"<b>{wrapped(f'{name}, {point.turn}')}</b><br>projection {projection}, {score}"
    if text is None:
        return head
    return f"{head}<br>{wrapped(f'{text.text}…' if text.cut else text.text)}"


def _place(turn: Turn) -> int:
    """Where a turn lies on the axis; tN, which only ever follows t1, is the second."""
    return 2 if turn == LAST else turn_order(turn)


def _turn_axis(figure: go.Figure, turns: Sequence[Turn]) -> None:
    """Turns by name; of many, every second or third."""
    step = -(-len(turns) // _TICKS) or 1
    shown = turns[::step]
    figure.update_xaxes(
        title="turn", tickvals=[_place(turn) for turn in shown], ticktext=[*shown], showgrid=False
    )
