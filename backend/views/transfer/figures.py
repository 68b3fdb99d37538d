"""Charts of the Transfer page."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from backend.core.estimate import Estimate
from backend.core.statistics.significance import significance
from backend.views.shared.differences import SIGNS, difference_forest
from backend.views.shared.intervals import forest
from backend.views.shared.numbers import p_text, r_text
from backend.views.shared.style import BLUE, DIVERGING, GREY, INK, ORANGE, short, tidy, wrapped
from backend.views.transfer import words
from backend.views.transfer.compute import TransferView
from backend.views.transfer.published import PublishedTransfer
from backend.views.transfer.transfers import Transfer


def transfer_matrix(view: TransferView, trait: str) -> go.Figure:
    """Matrix of r: whose activations down, whose behaviour across; own r on the diagonal.

    Args:
        view: the numbers.
        trait: one of its traits.
    """
    found = {
        (f.activation_model, f.behaviour_model): f
        for f in (*view.transfers, *view.saved)
        if f.trait == trait
    }
    saved = dict.fromkeys(f.activation_model for f in view.saved if f.trait == trait)
    values, texts, hovers = [], [], []
    sources = [*view.models, *saved]
    for source in sources:
        row_values, row_texts, row_hovers = [], [], []
        for target in view.models:
            transfer = found.get((source, target))
            own = view.own[trait, target]
            r = own if transfer is None else transfer.cross_r
            row_values.append(r.value)
            row_texts.append(_cell_text(r, transfer))
            row_hovers.append(_hover(view, source, target, r, transfer))
        values.append(row_values)
        texts.append(row_texts)
        hovers.append(row_hovers)
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=list(range(len(view.models))),
            y=list(range(len(sources))),
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
            xgap=3,
            ygap=3,
            showscale=False,
        )
    )
    figure.update_xaxes(
        tickvals=list(range(len(view.models))),
        ticktext=[wrapped(m, 14) for m in view.models],
        title="B",
        side="top",
        showgrid=False,
    )
    figure.update_yaxes(
        tickvals=list(range(len(sources))),
        ticktext=[wrapped(s, 14) for s in sources],
        autorange="reversed",
        showgrid=False,
    )
    return tidy(figure, height=130 + 78 * len(sources))


def transfer_differences(found: Sequence[Transfer], labels: Sequence[str]) -> go.Figure:
    """Cross minus self r with Zou's 95% interval, one row per transfer.

    Args:
        found: the transfers, top to bottom.
        labels: name of each row.
    """
    return difference_forest(
        labels,
        [(f.difference, f.adjusted_p) for f in found],
        [f"<b>{wrapped(label)}</b><br>{_said(f)}" for label, f in zip(labels, found, strict=True)],
        words.VERDICTS,
        title="r of A − r of B's own<br>(95% interval, Zou)",
    )


def published_forest(pairs: Sequence[PublishedTransfer]) -> go.Figure:
    """Printed r of A and of B's own with the intervals of n, and the printed ceiling.

    Args:
        pairs: the printed table.
    """
    figure = forest(
        [f"{p.trait}, {p.activation_model} → {p.behaviour_model}" for p in pairs],
        [
            ("r of A", ORANGE, "triangle-up", [p.cross_r for p in pairs]),
            ("r of B's own", BLUE, "circle", [p.self_r for p in pairs]),
            ("ceiling: their agreement", GREY, "line-ns-open", [p.ceiling for p in pairs]),
        ],
        title=f"r as printed<br>(95% interval, Fisher z, n = {pairs[0].self_r.n})",
    )
    for note in figure.layout.annotations:
        note.text = "ceiling not printed"
    figure.update_xaxes(range=[-0.12, 0.72])
    return figure.update_layout(height=figure.layout.height + 20 * len(pairs))


def _cell_text(r: Estimate, transfer: Transfer | None) -> str:
    if r.value is None:
        return f"– undefined<br>{r.n} matched"
    sign = (
        "own" if transfer is None else SIGNS[significance(transfer.difference, transfer.adjusted_p)]
    )
    ends = "no interval"
    if r.low is not None and r.high is not None:
        ends = f"[{short(r.low)}, {short(r.high)}]"
    return f"<b>{sign} {r.value:+.2f}</b><br>{ends}<br>n = {r.n}"


def _hover(
    view: TransferView, source: str, target: str, r: Estimate, transfer: Transfer | None
) -> str:
    head = f"<b>{wrapped(source)}</b> → <b>{wrapped(target)}</b>"
    if r.value is None:
        return f"{head}<br>{wrapped(f'undefined: {r.reason}')}"
    if transfer is None:
        return f"{head}: its own vector<br>r = {r_text(r)}"
    return f"{head}<br>{_said(transfer)}"


def _said(f: Transfer) -> str:
    if f.difference.value is None:
        return wrapped(f"undefined: {f.difference.reason}")
    return (
        f"{words.verdict(f)}<br>r of A = {r_text(f.cross_r)}"
        f"<br>r of B's own = {r_text(f.self_r)}"
        f"<br>difference {r_text(f.difference, count=False)}"
        f"<br>p {p_text(f.difference.p)}, adjusted {p_text(f.adjusted_p)}"
        f"<br>the two projections correlate {f.between:+.2f}"
    )
