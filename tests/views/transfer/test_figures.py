"""The Transfer page's charts and tables hold the numbers of its query."""

from __future__ import annotations

import pytest

from backend.core.statistics.significance import significance
from backend.store.catalog import run_summary
from backend.views.shared.style import short
from backend.views.transfer.compute import transfer_view
from backend.views.transfer.figures import published_forest, transfer_differences, transfer_matrix
from backend.views.transfer.published import published_agreements, published_transfers
from backend.views.transfer.tables import (
    agreement_rows,
    published_agreement_rows,
    published_rows,
    transfer_rows,
)
from tests.support.phantom_store import publish_small_phantom
from tests.support.results import results


@pytest.fixture
def view(settings):
    _, run_ids = publish_small_phantom(settings)
    traits = run_summary(settings, run_ids[0]).traits
    return results(settings).with_saved(transfer_view, run_ids, traits, "default")


def test_the_matrix_holds_r_interval_n_and_the_own_r_on_the_diagonal(view):
    trait = view.traits[0]
    heatmap = transfer_matrix(view, trait).data[0]
    for i, source in enumerate(view.models):
        for j, target in enumerate(view.models):
            text = heatmap.text[i][j]
            if source == target:
                r, mark = view.own[trait, target], "own"
            else:
                found = next(
                    f
                    for f in view.transfers
                    if (f.trait, f.activation_model, f.behaviour_model) == (trait, source, target)
                )
                r = found.cross_r
                mark = {"higher": "▲", "lower": "▼", "not shown": "○"}[
                    significance(found.difference, found.adjusted_p)
                ]
            assert heatmap.z[i][j] == r.value
            assert f"{mark} {r.value:+.2f}" in text and f"n = {r.n}" in text
            assert f"[{short(r.low)}, {short(r.high)}]" in text
    assert (heatmap.zmin, heatmap.zmid, heatmap.zmax) == (-1, 0, 1)


def test_differences_are_drawn_with_zous_ends_and_told_by_symbol(view):
    figure = transfer_differences(view.transfers, [f.trait for f in view.transfers])
    drawn = {}
    for trace in figure.data:
        for x, y, up, down in zip(
            trace.x, trace.y, trace.error_x.array, trace.error_x.arrayminus, strict=True
        ):
            drawn[y] = (x, x - down, x + up, trace.marker.symbol)
    symbols = {"higher": "triangle-up", "lower": "triangle-down", "not shown": "circle-open"}
    for row, found in enumerate(view.transfers):
        d = found.difference
        assert drawn[row][:3] == pytest.approx((d.value, d.low, d.high))
        assert drawn[row][3] == symbols[significance(d, found.adjusted_p)]
    assert short(-0.345) == "-.34" and short(1.0) == "+1.00" and short(0.0) == "+.00"
    assert "95% interval, Zou" in figure.layout.xaxis.title.text


def test_undefined_transfers_hold_their_reason_and_no_number(settings, view):
    run_ids = [path.stem for path in sorted(settings.runs.iterdir())]
    absent = results(settings).with_saved(transfer_view, run_ids, view.traits, "default", 99)
    heatmap = transfer_matrix(absent, view.traits[0]).data[0]
    assert {value for row in heatmap.z for value in row} == {None}
    assert "undefined" in heatmap.text[0][1]
    assert "99 was not" in heatmap.customdata[0][1].replace("<br>", " ")
    figure = transfer_differences(absent.transfers[:2], ["a", "b"])
    assert len(figure.data) == 0 and "undefined" in figure.layout.annotations[0].text
    row = transfer_rows(absent, absent.transfers)[0]
    assert row["r of A"].startswith("undefined:") and row["layer of A"] == "–"


def test_tables_hold_every_transfer(view):
    rows = transfer_rows(view, view.transfers)
    assert len(rows) == len(view.transfers)
    first, found = rows[0], view.transfers[0]
    assert first["layer of A"] == str(view.layers[found.trait, found.activation_model])
    assert f"{found.difference.value:+.2f}" in first["difference (Zou)"]
    assert agreement_rows(view.agreements) == []


def test_the_published_chart_has_both_r_and_the_printed_ceilings():
    pairs = published_transfers()
    figure = published_forest(pairs)
    cross, own, ceiling = figure.data
    assert list(cross.x) == [0.278, 0.285, 0.176, 0.174]
    assert list(own.x) == [0.240, 0.140, 0.020, 0.128]
    assert list(ceiling.x) == [0.532, 0.610, 0.373]
    assert [note.text for note in figure.layout.annotations] == ["ceiling not printed"]
    assert "at least 0.90" in published_rows(pairs)[0]["given the correlation of the projections"]
    assert len(published_agreement_rows(published_agreements())) == 8
