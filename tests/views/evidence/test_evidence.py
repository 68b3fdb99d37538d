"""The cases behind r: numbers as from the activations, texts as in the study."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from backend.core.vectors.pipeline import Pipeline
from backend.store.run import open_run
from backend.types import Message
from backend.views.evidence.compute import ReadTurn, conversation, evidence
from backend.views.evidence.figures import evidence_scatter
from backend.views.evidence.tables import conversation_html
from tests.support.runs import publish_run
from tests.support.studies import small_study

SET, LAYER = "default", 2


@pytest.fixture
def study():
    return small_study(scenarios=20)


@pytest.fixture
def run(settings, tiny_llama, study):
    publish_run(settings, study, tiny_llama, "run-1")
    with open_run(settings, "run-1") as opened:
        yield opened


def test_numbers_are_those_of_the_activations(run):
    found = evidence(run, "haste", SET, LAYER, Pipeline())
    every = run.prompt_activations(LAYER)
    prompts = run.prompts("haste")
    high, low = (
        np.mean([every[p.prompt_id] for p in prompts if p.pole == pole], axis=0)
        for pole in ("high", "low")
    )
    unit = (high - low) / np.linalg.norm(high - low)
    along = np.concatenate(list(run.response_chunks(LAYER))) @ unit
    assert len(found.cases) == 20
    x = np.array([case.x for case in found.cases])
    y = np.array([case.y for case in found.cases])
    for case in found.cases:
        first, last = case.responses
        assert case.projections == pytest.approx((along[first], along[last]), abs=1e-5)
        assert case.x == pytest.approx(along[last] - along[first], abs=1e-5)
        assert case.y == case.scores[1] - case.scores[0]
    slope, start = np.polyfit(x, y, 1)
    residuals = [case.residual for case in found.cases]
    assert residuals == pytest.approx(y - start - slope * x, abs=1e-9)
    assert found.r.value == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-12)
    (stored,) = run.correlations("mean_difference", "haste", SET, LAYER)
    assert found.r.value == pytest.approx(stored.correlation.value, abs=1e-9)


def test_orders_go_by_the_residual(run):
    found = evidence(run, "haste", SET, LAYER, Pipeline())
    residuals = {
        order: [case.residual for case in found.ordered(order)]
        for order in ("wrong", "above", "below", "study")
    }
    known = residuals["study"]
    assert residuals["wrong"] == sorted(known, key=abs, reverse=True)
    assert residuals["above"] == sorted(known, reverse=True)
    assert residuals["below"] == sorted(known)


def test_a_case_is_the_conversation_of_its_scenario(run, study):
    found = evidence(run, "warmth", SET, LAYER, Pipeline(row_scaling="unit"))
    assert found.label == "unit-norm rows"
    for case in found.cases:
        own = [r for r in study.responses if r.scenario == case.scenario]
        turns = conversation(run, case)
        assert [(t.turn, t.text, t.messages, t.score) for t in turns] == [
            (r.turn, r.text, r.messages, r.scores["warmth"]) for r in own
        ]
        assert tuple(turn.projection for turn in turns) == case.projections


def test_what_has_no_vector_or_score_says_why(settings, tiny_llama, run):
    refused = evidence(run, "haste", SET, LAYER, Pipeline("none", "mean", 1.0))
    assert refused.cases == () and "a pole needs 2" in refused.reason
    assert refused.r.value is None
    publish_run(settings, small_study(scenarios=0, name="none"), tiny_llama, "run-2")
    with open_run(settings, "run-2") as without:
        found = evidence(without, "haste", SET, LAYER, Pipeline())
    assert found.reason == "this trait has no scored responses"


def test_levels_have_one_turn(settings, tiny_llama):
    publish_run(settings, small_study(turns=False, scenarios=8), tiny_llama, "run-1")
    with open_run(settings, "run-1") as levels:
        found = evidence(levels, "haste", SET, LAYER, Pipeline())
        (turn,) = conversation(levels, found.cases[0])
    assert found.target == "level" and turn.turn is None
    assert found.cases[0].y == found.cases[0].scores[0] == turn.score


def test_points_are_numbered_in_the_order_shown(run):
    found = evidence(run, "haste", SET, LAYER, Pipeline())
    cases = found.ordered("wrong")
    points = evidence_scatter(found, cases, 3).data[-1]
    assert list(points.ids) == [str(i) for i in range(20)]
    assert list(points.x) == [case.x for case in cases]
    assert [i for i, symbol in enumerate(points.marker.symbol) if symbol == "diamond"] == [3]
    without = dataclasses.replace(found, line=None)
    assert len(evidence_scatter(without, cases, None).data) == 1


def test_texts_stay_texts():
    turn = ReadTurn("t1", (Message("user", "<i>hi</i>"),), "a <b>bold</b> **word**", 4.5, 1.25)
    shown = conversation_html([turn])
    assert "<b>bold" not in shown and "<i>hi" not in shown
    assert "a &lt;b&gt;bold&lt;/b&gt; **word**" in shown and "score 4.5" in shown
