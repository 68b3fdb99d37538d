"""Charts of the study's tests, and what the scorecard says and opens, by their data."""

from __future__ import annotations

import pytest

from backend.core.estimate import Estimate
from backend.core.finding import Finding, Row
from backend.store.catalog import run_list
from backend.views.diagnosis.compute import diagnose_run
from backend.views.diagnosis.verdicts import verdicts
from backend.views.scorecard.compute import scorecard
from backend.views.scorecard.figures import scorecard_grid, verdict_rows
from backend.views.study_tests.figures import cosine_by_model, finding_chart, overview_rows
from backend.views.study_tests.reference import published_cells, published_findings
from tests.support.phantom_store import publish_small_preset


def finding(*estimates):
    rows = tuple(Row(f"row {i}", estimate) for i, estimate in enumerate(estimates))
    return Finding("x", "Is it so?", "undetermined", "Perhaps.", "", rows)


def test_numbers_with_intervals_are_drawn_with_them_and_others_left_out():
    sure = Estimate(0.3, 0.1, 0.5, 0.01, 50)
    other = Estimate(-0.2, -0.4, 0.1, 0.3, 50)
    figure = finding_chart(finding(sure, Estimate(7.0, None, None, None, 1), other))
    (trace,) = figure.data
    ends = [
        (x - down, x + up)
        for x, down, up in zip(trace.x, trace.error_x.arrayminus, trace.error_x.array, strict=True)
    ]
    assert list(trace.x) == [0.3, -0.2]
    assert ends == [pytest.approx((0.1, 0.5)), pytest.approx((-0.4, 0.1))]


def test_plain_numbers_are_dots_on_a_logarithmic_axis_where_they_span_much():
    def plain(value):
        return Estimate(value, None, None, None, 1)

    narrow = finding_chart(finding(plain(1.0), plain(3.0)))
    wide = finding_chart(finding(plain(0.01), plain(5.0)))
    assert list(narrow.data[0].x) == [1.0, 3.0] and narrow.layout.xaxis.type is None
    assert wide.layout.xaxis.type == "log"
    assert finding_chart(finding(plain(1.0), Estimate.undefined(1, "no data"))) is None


def test_every_published_finding_has_its_row_and_most_a_chart(settings):
    findings = published_findings(settings)
    rows = overview_rows(findings)
    assert [row["verdict"] for row in rows] == [f.verdict for f in findings]
    assert sum(finding_chart(f) is not None for f in findings) >= 8


def test_cosine_by_model_holds_every_published_cell():
    drawn = {
        (trace.name, trait.replace(" ", "_")): (x, y)
        for trace in cosine_by_model(published_cells()).data
        for trait, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }
    assert len(drawn) == 24
    for cell in published_cells():
        x, y = drawn[cell.model, cell.trait]
        assert (x, y) == (pytest.approx((cell.high_cosine + cell.low_cosine) / 2), cell.r)


def test_a_click_on_a_cell_names_its_run_and_trait_and_verdicts_are_the_diagnoses(settings):
    _, run_ids = publish_small_preset(settings)
    runs = run_list(settings).runs
    traits = runs[0].traits
    labels = [run.label for run in runs]
    card = scorecard(settings, run_ids, "default")
    points = scorecard_grid(card, runs, traits, labels).data[1]
    assert len(points.customdata) == 24 and points.marker.opacity == 0
    for label, (run_id, trait, hover) in zip(points.x, points.customdata, strict=True):
        assert label == labels[list(run_ids).index(run_id)]
        assert f"{card.cells[run_id, trait].correlation.value:+.3f}" in hover
    lines = verdicts(settings, run_ids, "default", None)
    rows = verdict_rows(lines, runs, traits, labels)
    for diagnosis in diagnose_run(settings, run_ids[2]):
        row = next(r for r in rows if r["trait"] == diagnosis.trait.replace("_", " "))
        assert row[labels[2]] == diagnosis.line
        if diagnosis.supported:
            assert diagnosis.line.startswith(diagnosis.supported[0].title)
