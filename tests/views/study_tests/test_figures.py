"""Charts and tables of the study's tests, by their data."""

from __future__ import annotations

import pytest

from backend.core.estimate import Estimate
from backend.core.finding import Finding, Row
from backend.settings import StatusThresholds
from backend.studies.published import published_study
from backend.views.study_tests import words
from backend.views.study_tests.compute import TESTS
from backend.views.study_tests.figures import cosine_by_model, finding_chart
from backend.views.study_tests.published import published_findings


def finding(*estimates):
    rows = tuple(Row(f"row {i}", estimate) for i, estimate in enumerate(estimates))
    return Finding("x", "Is it so?", "undetermined", "Perhaps.", "", rows)


def test_numbers_with_intervals_are_drawn_with_them_and_others_left_out():
    sure = Estimate(0.3, 0.1, 0.5, 0.01, 50)
    other = Estimate(-0.2, -0.4, 0.1, 0.3, 50)
    figure = finding_chart(finding(sure, Estimate.exact(7.0, 1), other))
    (trace,) = figure.data
    ends = [
        (x - down, x + up)
        for x, down, up in zip(trace.x, trace.error_x.arrayminus, trace.error_x.array, strict=True)
    ]
    assert list(trace.x) == [0.3, -0.2]
    assert ends == [pytest.approx((0.1, 0.5)), pytest.approx((-0.4, 0.1))]


def test_plain_numbers_are_dots_on_a_logarithmic_axis_where_they_span_much():
    narrow = finding_chart(finding(Estimate.exact(1.0, 1), Estimate.exact(3.0, 1)))
    wide = finding_chart(finding(Estimate.exact(0.01, 1), Estimate.exact(5.0, 1)))
    assert list(narrow.data[0].x) == [1.0, 3.0] and narrow.layout.xaxis.type is None
    assert wide.layout.xaxis.type == "log"
    assert finding_chart(finding(Estimate.exact(1.0, 1), Estimate.undefined(1, "no data"))) is None


def test_ratios_are_drawn_against_one_on_a_logarithmic_axis():
    units = next(f for f in published_findings(StatusThresholds()) if f.name == "units")
    figure = finding_chart(units)
    assert figure.layout.xaxis.type == "log" and figure.layout.shapes[0].x0 == 1
    assert list(figure.data[0].x) == pytest.approx([97.11, 1.776], rel=1e-3)


def test_ten_tests_and_one_check_are_published_and_most_have_a_chart():
    findings = published_findings(StatusThresholds())
    tests, checks = words.split(findings)
    assert [f.name for f in tests] == [test.name for test in TESTS] and len(tests) == 10
    assert [f.name for f in checks] == ["snr"]
    kinds = [words.confidence(f) for f in tests]
    assert kinds.count("no data") == sum(not f.decidable for f in tests)
    assert f"{kinds.count('uncertain')} are uncertain" in words.summary(tests)
    assert tests[0].answer.startswith("No: llama3 8/8, qwen2 3/8, mistral 2/8 traits work")
    assert sum(finding_chart(f) is not None for f in findings) >= 8


def test_cosine_by_model_holds_every_published_cell():
    cells = published_study().cells
    drawn = {
        (trace.name, trait.replace(" ", "_")): (x, y)
        for trace in cosine_by_model(cells).data
        for trait, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }
    assert len(drawn) == 24
    for cell in cells:
        x, y = drawn[cell.model, cell.trait]
        assert (x, y) == (pytest.approx((cell.high_cosine + cell.low_cosine) / 2), cell.r)
