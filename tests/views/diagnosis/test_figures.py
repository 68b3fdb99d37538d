"""The diagnosis' figure and tables show its numbers and nothing else."""

from __future__ import annotations

import pytest

from backend.core.estimate import Estimate
from backend.settings import StatusThresholds
from backend.views.diagnosis.figures import fix_gains
from backend.views.diagnosis.tables import cause_rows, evidence_rows
from backend.views.diagnosis.words import gain_sentence, r_sentence, status_line
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.views import diagnoses


def test_fix_gains_are_drawn_with_their_intervals(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=30), tiny_llama, "run-1")
    (diagnosis,) = diagnoses(settings, "run-1", trait="haste", layer=2)
    measured = [j for j in diagnosis.judgements if j.fix and j.fix.gain.value is not None]
    drawn = {}
    for trace in fix_gains(diagnosis).data:
        for x, y, up, down in zip(
            trace.x, trace.y, trace.error_x.array, trace.error_x.arrayminus, strict=True
        ):
            drawn[y] = (x, x - down, x + up)
    assert len(drawn) == len(measured) > 3
    for place, judgement in enumerate(measured):
        gain = judgement.fix.gain
        assert drawn[place] == pytest.approx((gain.value, gain.low, gain.high))
    rows = evidence_rows(measured[0])
    assert rows[-1]["measured"].startswith("change of r with: ")
    assert [row["cause"] for row in cause_rows(diagnosis)] == [
        j.title for j in diagnosis.judgements
    ]


def test_r_is_said_with_its_interval_or_why_there_is_none():
    assert (
        r_sentence(Estimate(0.126, -0.1, 0.3, 0.2, 40), 2)
        == "r = +0.13, 95% interval [-0.10, +0.30], n = 40."
    )
    assert r_sentence(Estimate(1.0, None, None, 0.0, 3, "few"), 3) == (
        "r = +1.000 without an interval, n = 3."
    )
    assert r_sentence(Estimate.undefined(0, "no cases"), 2) == "r is undefined: no cases."


def test_a_gain_is_said_with_its_interval_and_what_it_lacks():
    assert gain_sentence(Estimate(0.254, 0.151, 0.339, 0.001, 500)) == "+0.25 [+0.15, +0.34]"
    unclear = gain_sentence(Estimate(0.05, -0.02, 0.12, 0.2, 500))
    assert unclear == "+0.05 [-0.02, +0.12]: not clearly a gain"
    assert gain_sentence(Estimate.exact(0.1, 5)) == "+0.10, without an interval"
    assert "extract again" in gain_sentence(Estimate.undefined(5, "extract again"))


def test_the_status_line_says_status_r_and_layer(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=30), tiny_llama, "run-1")
    (diagnosis,) = diagnoses(settings, "run-1", trait="haste", layer=2)
    said = status_line(diagnosis, StatusThresholds(), 1)
    assert said.endswith("· layer 2") and f"r = {diagnosis.r.value:+.2f}" in said
    assert status_line(diagnosis, StatusThresholds(), 12).endswith("layer 2, best of 12")
    always = status_line(diagnosis, StatusThresholds(working=-1, close=-1), 1)
    assert always.startswith("● working · r = ")
