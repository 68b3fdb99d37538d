"""Methods are compared as dependent predictors, and chosen where they are not measured."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend.core.cases import Cases
from backend.core.statistics.dependent import ALIKE
from backend.views.methods.comparison import chosen_on_halves, over_traits
from backend.views.methods.differences import MethodDifferences, differences_to

RNG = np.random.default_rng(7)


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
    cases = {
        trait: (
            Cases.independent(own["base"], y[trait]),
            {method: x[None, :] for method, x in own.items()},
        )
        for trait, own in drifts.items()
    }
    found = differences_to("base", cases)
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
        assert same.difference.reason == ALIKE
        assert (same.difference.value, same.difference.low, same.difference.high) == (0, 0, 0)
    adjusted = stats.false_discovery_control(ps)
    assert [found["good", t].adjusted_p for t in drifts] == pytest.approx(list(adjusted))
    rs = {
        (method, trait): float(np.corrcoef(own[method], y[trait])[0, 1])
        for trait, own in drifts.items()
        for method in own
    }
    rs["good", "two"] = None
    overall = over_traits("base", rs)["good"]
    z = [np.arctanh(rs["good", t]) - np.arctanh(rs["base", t]) for t in ("one", "three")]
    test = stats.ttest_1samp(z, 0)
    assert overall.z.value == pytest.approx(np.mean(z))
    assert overall.z.p == pytest.approx(test.pvalue)
    low, high = test.confidence_interval()
    assert (overall.z.low, overall.z.high) == pytest.approx((low, high))
    assert (overall.won, overall.lost) == (2, 0)
    apart = MethodDifferences(found, {})
    assert apart.count("good", "higher") == sum(found["good", t].adjusted_p < 0.05 for t in drifts)
    assert apart.count("good", "lower") == 0


def test_no_method_wins_by_a_layer_that_its_own_scores_chose():
    """Of equally good methods, one with many layers to choose from had the higher r, and a small p
    at the layers chosen; chosen on other scenarios, it has neither."""
    rng = np.random.default_rng(23)
    ps, gains, flattered = [], [], 0
    for _ in range(150):
        y = rng.normal(size=60)
        many, one = (0.3 * y + rng.normal(size=(layers, 60)) for layers in (12, 1))
        (found,) = differences_to(
            "base", {"trait": (Cases.independent(one[0], y), {"base": one, "many": many})}
        ).values()
        ps.append(found.difference.p)
        gains.append(found.difference.value)
        best = many[np.argmax([np.corrcoef(row, y)[0, 1] for row in many])]
        r = np.corrcoef([y, best, one[0]])
        flattered += williams(r[0, 1], r[0, 2], r[1, 2], 60) < 0.05 and r[0, 1] > r[0, 2]
    assert flattered / 150 > 0.15
    assert np.mean(np.array(ps) < 0.05) < 0.09
    assert abs(np.mean(gains)) < 3 * np.std(gains) / np.sqrt(len(gains))


def test_choosing_among_noise_is_worth_nothing_on_other_scenarios():
    rng = np.random.default_rng(11)
    held, flattered = [], []
    for _ in range(30):
        y, noise = rng.normal(size=60), rng.normal(size=(40, 60))
        candidates = {(str(i), 1): Cases.independent(row, y) for i, row in enumerate(noise)}
        held.append(chosen_on_halves(candidates).value)
        flattered.append(max(np.corrcoef(row, y)[0, 1] for row in noise))
    assert np.mean(flattered) > 0.25
    assert abs(np.mean(held)) < 0.05
    assert chosen_on_halves({}).reason == "no method has a vector here"
