"""Cases of two models are matched by text or by scenario, and tests keep their family."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from backend.store.run_values import CaseTexts
from backend.views.transfer.matching import transfer_case
from backend.views.transfer.model_projections import ModelProjections
from backend.views.transfer.transfers import transfers

RNG = np.random.default_rng(7)


def projections(model, cases, texts=None):
    n = len(cases)
    return ModelProjections(
        trait="warmth",
        model=model,
        responders=(model,),
        scored=CaseTexts(
            cases=tuple((scenario, who, "tN") for scenario, who in cases),
            groups=tuple(scenario for scenario, _ in cases),
            texts=tuple(texts) if texts else tuple("".join(c) for c in cases),
            behaviour=RNG.normal(size=n),
        ),
        projection=RNG.normal(size=n),
    )


def test_the_same_responses_are_matched_whatever_their_order():
    cases = [(f"s{i}", "author") for i in range(8)]
    a, b = projections("a", cases[::-1]), projections("b", cases[2:])
    case = transfer_case(a, b)
    assert case.reason is None
    np.testing.assert_array_equal(case.own, b.projection)
    assert case.cases.scenarios == tuple(f"s{i}" for i in range(2, 8))
    np.testing.assert_array_equal(case.cases.y, b.scored.behaviour)
    np.testing.assert_array_equal(case.cases.x, [a.projection[7 - i] for i in range(2, 8)])


def test_a_model_that_responded_is_judged_on_its_own_responses():
    cases = [(f"s{i}", who) for i in range(6) for who in ("a", "b")]
    a, b = projections("a", cases), projections("b", cases)
    case = transfer_case(a, b)
    np.testing.assert_array_equal(case.cases.y, b.scored.behaviour[1::2])
    np.testing.assert_array_equal(case.cases.x, a.projection[1::2])
    across = transfer_case(a, b, "scenario")
    np.testing.assert_array_equal(across.cases.y, b.scored.behaviour[1::2])
    np.testing.assert_array_equal(across.cases.x, a.projection[0::2])


def test_other_texts_under_the_same_scenario_are_no_match():
    cases = [(f"s{i}", "author") for i in range(5)]
    a = projections("a", cases, texts=["x"] * 5)
    b = projections("b", cases, texts=["x", "x", "x", "x", "y"])
    assert len(transfer_case(a, b).cases) == 4
    other = dataclasses.replace(a.scored, texts=("z",) * 5)
    none = transfer_case(dataclasses.replace(a, scored=other), b)
    assert "the 5 scenarios that both share have other texts" in none.reason
    apart = transfer_case(projections("a", [("t1", "author")]), b)
    assert "read no response" in apart.reason


def test_what_cannot_be_matched_is_undefined_and_takes_no_part_in_the_correction():
    cases = [(f"s{i}", "author") for i in range(9)]
    a, b = projections("a", cases), projections("b", cases)
    several = projections("c", [(f"s{i}", who) for i in range(9) for who in ("x", "y")])
    lost = dataclasses.replace(a, projection=None, reason="layer 3 was not extracted")
    found = transfers(
        [
            transfer_case(a, b),
            transfer_case(b, a),
            transfer_case(several, b, "scenario"),
            transfer_case(lost, b),
        ]
    )
    assert "several responses to one scenario" in found[2].cross_r.reason
    assert found[3].difference.reason == "a: layer 3 was not extracted"
    ps = [f.difference.p for f in found[:2]]
    expected = stats.false_discovery_control(ps)
    assert [f.adjusted_p for f in found[:2]] == pytest.approx(list(expected))
    assert [f.adjusted_p for f in found[2:]] == [None, None]
