"""Cases of two models are matched by text or by scenario, and differences keep their family."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from backend.core.estimate import Estimate
from backend.core.statistics.significance import significance
from backend.views.methods.differences import chosen_on_halves, differences_to, over_traits
from backend.views.transfer.matching import Reading, transfer_case
from backend.views.transfer.transfers import transfers

RNG = np.random.default_rng(7)


def reading(model, cases, texts=None, projection=None, behaviour=None):
    n = len(cases)
    return Reading(
        trait="warmth",
        model=model,
        responders=(model,),
        cases=tuple((scenario, who, "tN") for scenario, who in cases),
        texts=tuple(texts) if texts else tuple("".join(c) for c in cases),
        projection=RNG.normal(size=n) if projection is None else projection,
        behaviour=RNG.normal(size=n) if behaviour is None else behaviour,
    )


def test_the_same_responses_are_matched_whatever_their_order():
    cases = [(f"s{i}", "author") for i in range(8)]
    a, b = reading("a", cases[::-1]), reading("b", cases[2:])
    case = transfer_case(a, b)
    assert case.reason is None
    np.testing.assert_array_equal(case.own, b.projection)
    np.testing.assert_array_equal(case.behaviour, b.behaviour)
    np.testing.assert_array_equal(case.other, [a.projection[7 - i] for i in range(2, 8)])


def test_a_model_that_responded_is_judged_on_its_own_responses():
    cases = [(f"s{i}", who) for i in range(6) for who in ("a", "b")]
    a, b = reading("a", cases), reading("b", cases)
    case = transfer_case(a, b)
    np.testing.assert_array_equal(case.behaviour, b.behaviour[1::2])
    np.testing.assert_array_equal(case.other, a.projection[1::2])
    across = transfer_case(a, b, "scenario")
    np.testing.assert_array_equal(across.behaviour, b.behaviour[1::2])
    np.testing.assert_array_equal(across.other, a.projection[0::2])


def test_other_texts_under_the_same_scenario_are_no_match():
    cases = [(f"s{i}", "author") for i in range(5)]
    a = reading("a", cases, texts=["x"] * 5)
    b = reading("b", cases, texts=["x", "x", "x", "x", "y"])
    assert len(transfer_case(a, b).behaviour) == 4
    none = transfer_case(dataclasses.replace(a, texts=("z",) * 5), b)
    assert "the 5 scenarios that both share have other texts" in none.reason
    apart = transfer_case(reading("a", [("t1", "author")]), b)
    assert "read no response" in apart.reason


def test_what_cannot_be_matched_is_undefined_and_takes_no_part_in_the_correction():
    cases = [(f"s{i}", "author") for i in range(9)]
    a, b = reading("a", cases), reading("b", cases)
    several = reading("c", [(f"s{i}", who) for i in range(9) for who in ("x", "y")])
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


def test_sureness_goes_by_the_adjusted_p():
    up, down = Estimate(0.1, 0.01, 0.2, 0.01, 50), Estimate(-0.1, -0.2, -0.01, 0.01, 50)
    assert [significance(up, 0.04), significance(down, 0.04), significance(up, 0.06)] == [
        "higher",
        "lower",
        "not shown",
    ]
    assert significance(Estimate.undefined(0, "x"), None) == "undefined"


def williams(r1, r2, r12, n):
    """Steiger 1980, eq. 7, written out from the correlation matrix."""
    det = np.linalg.det(np.array([[1, r1, r2], [r1, 1, r12], [r2, r12, 1]]))
    mean = (r1 + r2) / 2
    t = (r1 - r2) * np.sqrt(
        (n - 1) * (1 + r12) / (2 * (n - 1) / (n - 3) * det + mean**2 * (1 - r12) ** 3)
    )
    return 2 * stats.t.sf(abs(t), n - 3)


def test_methods_are_compared_as_dependent_and_over_traits_on_z():
    n, y, drifts = 80, {}, {}
    for trait in ("one", "two", "three"):
        y[trait] = RNG.normal(size=n)
        base = y[trait] + 2 * RNG.normal(size=n)
        drifts[trait] = {"base": base, "good": y[trait] + RNG.normal(size=n), "same": 3 * base}
    found = differences_to("base", drifts, y)
    ps = []
    for trait in drifts:
        rows = [y[trait], drifts[trait]["good"], drifts[trait]["base"]]
        r = np.corrcoef(rows)
        got = found["good", trait]
        assert got.difference.value == pytest.approx(r[0, 1] - r[0, 2])
        assert got.difference.p == pytest.approx(williams(r[0, 1], r[0, 2], r[1, 2], n))
        ps.append(got.difference.p)
        same = found["same", trait]
        assert (same.difference.p, same.adjusted_p) == (None, None)
        assert "project alike" in same.difference.reason
    adjusted = stats.false_discovery_control(ps)
    assert [found["good", t].adjusted_p for t in drifts] == pytest.approx(list(adjusted))
    rs = {
        (method, trait): float(np.corrcoef(own[method], y[trait])[0, 1])
        for trait, own in drifts.items()
        for method in own
    }
    rs["good", "two"] = None
    overall = over_traits("base", rs, found)["good"]
    z = [np.arctanh(rs["good", t]) - np.arctanh(rs["base", t]) for t in ("one", "three")]
    test = stats.ttest_1samp(z, 0)
    assert overall.z.value == pytest.approx(np.mean(z))
    assert overall.z.p == pytest.approx(test.pvalue)
    low, high = test.confidence_interval()
    assert (overall.z.low, overall.z.high) == pytest.approx((low, high))
    assert (overall.won, overall.lost) == (2, 0)
    sure = [t for t in ("one", "three") if found["good", t].adjusted_p < 0.05]
    assert overall.surely_won == len(sure)


def test_choosing_among_noise_is_worth_nothing_on_other_scenarios():
    rng = np.random.default_rng(11)
    held, flattered = [], []
    for _ in range(30):
        y, noise = rng.normal(size=60), rng.normal(size=(40, 60))
        drifts = {(str(i), 1): row for i, row in enumerate(noise)}
        held.append(chosen_on_halves(drifts, y, np.arange(60)).value)
        flattered.append(max(np.corrcoef(row, y)[0, 1] for row in noise))
    assert np.mean(flattered) > 0.25
    assert abs(np.mean(held)) < 0.05
    assert chosen_on_halves({}, np.zeros(5), np.arange(5)).reason == "no method has a vector here"
