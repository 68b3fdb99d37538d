"""The ten tests on planted studies: the verdict is the planted one, the numbers are scipy's."""

from __future__ import annotations

import dataclasses
import itertools

import hypothesis
import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import contingency_tables

from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.statistics.dependent import compare_dependent
from backend.core.statistics.paired import cochran, mcnemar, paired_difference
from backend.core.study_cell import StudyCell
from backend.settings import StatusThresholds
from backend.views.study_tests.agreement import agreement_finding
from backend.views.study_tests.compression import compression_finding
from backend.views.study_tests.compute import TESTS, study_findings
from backend.views.study_tests.feasibility import feasibility_counts, feasibility_finding
from backend.views.study_tests.layers import layer_finding
from backend.views.study_tests.prompt_cosine import cosine_finding
from backend.views.study_tests.prompt_sets import prompt_set_finding
from backend.views.study_tests.ranks import rank_finding
from backend.views.study_tests.scorecard import scorecard_finding
from backend.views.study_tests.study_test import LayerSweep, PromptSetR, StudyEvidence
from backend.views.study_tests.transfer import transfer_finding
from backend.views.study_tests.units import units_finding
from backend.views.transfer.agreement import agreements
from backend.views.transfer.transfers import TransferCase, least_between, transfers

LIMITS = StatusThresholds()


def cell(model="m", trait="t", r=0.4, **values):
    fields = {
        "layer": 1,
        "separation": 1.0,
        "high_within_variance": 0.1,
        "low_within_variance": 0.1,
        "high_cosine": 0.9,
        "low_cosine": 0.9,
        "snr": 10.0,
    }
    return StudyCell(model=model, trait=trait, r=r, **(fields | values))


def grid(seed=0, traits=8, models=("a", "b", "c"), **columns):
    """Random cells; each column is a function of (rng, model index, r)."""
    rng = np.random.default_rng(seed)
    made = []
    for index, model in enumerate(models):
        for trait in range(traits):
            r = float(rng.uniform(-0.2, 0.6))
            values = {name: float(f(rng, index, r)) for name, f in columns.items()}
            made.append(cell(model, f"t{trait}", r, **values))
    return made


def values(finding):
    return {row.name: row.estimate for row in finding.rows}


def test_scorecard_counts_by_hand():
    rows = [cell("a", "x", 0.31), cell("a", "y", 0.3), cell("a", "z", 0.1), cell("b", "x", None)]
    finding = scorecard_finding(rows, LIMITS)
    shown = {name: e.value for name, e in values(finding).items()}
    assert finding.verdict == "undetermined"
    # The one trait of both has no r on b.
    assert shown.pop("share working, a - b") is None
    assert shown == {
        "a: working": 1,
        "a: close": 1,
        "a: failed": 1,
        "b: working": 0,
        "b: close": 0,
        "b: failed": 0,
    }


def test_unequal_models_need_more_than_unequal_counts():
    def models(first, second):
        return [cell("a", str(i), 0.4 if i < first else 0.1) for i in range(8)] + [
            cell("b", str(i), 0.4 if i < second else 0.1) for i in range(8)
        ]

    assert scorecard_finding(models(8, 7), LIMITS).verdict == "undetermined"
    found = scorecard_finding(models(8, 2), LIMITS)
    assert found.verdict == "ruled out"
    # Six traits work on one model only, all on the same one.
    assert values(found)["share working, a - b"].p == pytest.approx(2 * 0.5**6)
    apart = [cell("a", "x", 0.4), cell("b", "y", 0.1)]
    lines = scorecard_finding(apart, LIMITS).rows
    assert lines[-1].estimate.value is None and lines[-1].note == "no trait in common"


@hypothesis.given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_mcnemar_is_statsmodels(pairs):
    first, second = np.array(pairs, bool).T
    table = [[(first & second).sum(), (first & ~second).sum()]]
    table.append([(~first & second).sum(), (~first & ~second).sum()])
    found = mcnemar(first, second)
    assert found.p == pytest.approx(contingency_tables.mcnemar(table, exact=True).pvalue)
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert mcnemar(second, first).value == -found.value


@hypothesis.given(
    st.integers(2, 4).flatmap(
        lambda k: st.lists(st.tuples(*[st.booleans()] * k), min_size=1, max_size=5)
    )
)
def test_cochrans_q_is_statsmodels_and_its_p_that_of_every_arrangement(rows):
    answers = np.array(rows, bool)
    found, exact = cochran(answers)
    mixed = answers.any(axis=1) & ~answers.all(axis=1)
    if not mixed.any():
        assert found.value is None and "same answer" in found.reason
        return
    assert exact
    q = contingency_tables.cochrans_q
    assert found.value == pytest.approx(q(answers.astype(int)).statistic)
    arranged = [sorted(set(itertools.permutations(row))) for row in answers.tolist()]
    every = [np.square(np.sum(table, axis=0)).sum() for table in itertools.product(*arranged)]
    observed = np.square(answers.sum(axis=0)).sum()
    assert found.p == pytest.approx(np.mean(np.array(every) >= observed))
    if answers.shape[1] == 2:
        assert found.p == pytest.approx(mcnemar(*answers.T).p)


def test_cochrans_q_of_many_models_falls_back_on_chi_square():
    answers = np.random.default_rng(5).random((60, 12)) < 0.5
    found, exact = cochran(answers)
    assert not exact
    assert found.p == pytest.approx(contingency_tables.cochrans_q(answers.astype(int)).pvalue)


def test_the_published_models_differ_together():
    """8, 3 and 2 of 8 work: no two models differ after correction for three pairs, all three do."""
    works = {"Llama3": 8, "Qwen2": 3, "Mistral": 2}
    rows = [
        cell(model, str(i), 0.4 if i < count else 0.1)
        for model, count in works.items()
        for i in range(8)
    ]
    found = scorecard_finding(rows, LIMITS)
    assert found.verdict == "ruled out" and found.answer.startswith("No: Llama3 8/8, Qwen2 3/8")
    alike = scorecard_finding([*rows[:8], *[cell("b", str(i), 0.4) for i in range(7)]], LIMITS)
    assert alike.answer.startswith("Yes: ")
    close = [cell("a", str(i), 0.4) for i in range(8)]
    close += [cell("b", str(i), 0.4 if i else 0.1) for i in range(8)]
    found = scorecard_finding(close, LIMITS)
    assert found.verdict == "undetermined" and found.answer.startswith("Not shown: a 8/8, b 7/8")


def test_layers_count_failures_and_optimism():
    def sweep(trait, rs, held):
        best = max(rs, key=rs.get)
        interval = (held - 0.05, held + 0.05)
        return LayerSweep("m", trait, rs, best, 0.01, Estimate(held, *interval, None, 50))

    sweeps = [sweep("x", {1: 0.1, 2: 0.25}, 0.2), sweep("y", {1: 0.4, 2: 0.3}, 0.3)]
    found = layer_finding(sweeps, LIMITS)
    assert found.verdict == "ruled out" and "1 of 2 cells do not work" in found.answer
    wide = dataclasses.replace(sweeps[0], held_out=Estimate(0.2, 0.1, 0.31, None, 50))
    assert layer_finding([wide, sweeps[1]], LIMITS).verdict == "undetermined"
    own = values(found)
    assert own["mean of best r - held-out r"].value == pytest.approx((0.05 + 0.1) / 2)
    assert own["m, x: best of 2 layers"].value == 0.25
    one = [dataclasses.replace(sweeps[0], rs={1: 0.1}, best=1)]
    assert "Not computable" in layer_finding(one, LIMITS).answer


def test_compression_is_pingouins_partial_correlation():
    rows = grid(1, behaviour_sd=lambda rng, m, r: 1 + r + rng.normal(0, 0.4))
    own = values(compression_finding(rows))
    frame = pd.DataFrame(
        {
            "r": [c.r for c in rows],
            "sd": [c.behaviour_sd for c in rows],
            "model": [c.model for c in rows],
        }
    )
    best = frame.groupby("model").r.mean().idxmax()
    frame["best"] = (frame.model == best).astype(float)
    for x, y, given, name in (
        ("r", "best", "sd", f"r v being {best}, given behaviour sd"),
        ("r", "sd", "best", f"r v behaviour sd, given being {best}"),
    ):
        expected = pingouin.partial_corr(frame, x, y, given).iloc[0]
        assert own[name].value == pytest.approx(expected["r"])
        assert own[name].p == pytest.approx(expected["p_val"])


def test_planted_compression_is_supported_and_none_without_scores():
    rows = grid(2, behaviour_sd=lambda rng, m, r: 1 + 2 * r + rng.normal(0, 0.05))
    assert compression_finding(rows).verdict == "supported"
    assert "Not computable" in compression_finding(grid(2)).answer


def test_ranks_are_a_paired_t_test():
    rows = grid(3, rho=lambda rng, m, r: r + rng.normal(-0.02, 0.02))
    found = rank_finding(rows)
    expected = stats.ttest_rel([c.rho for c in rows], [c.r for c in rows])
    interval = expected.confidence_interval()
    shown = values(found)["rho - r, paired over cells"]
    assert (shown.p, shown.low, shown.high) == pytest.approx((expected.pvalue, *interval))
    assert found.verdict == "ruled out"
    rows = grid(3, rho=lambda rng, m, r: r + rng.normal(0.2, 0.02))
    assert rank_finding(rows).verdict == "supported"


def test_paired_difference_undefined_and_constant():
    one = np.ones(1)
    assert paired_difference(one, one).reason.startswith("a paired comparison needs")
    same = paired_difference(np.arange(4.0) + 1, np.arange(4.0))
    assert same.value == 1.0 and same.p is None and "same" in same.reason


def test_prompt_sets_are_paired_over_cells_with_both():
    rng = np.random.default_rng(4)
    first, second = rng.normal(0.2, 0.1, 12), rng.normal(0.35, 0.1, 12)
    found = [PromptSetR("m", f"t{i}", "default", float(x)) for i, x in enumerate(first)]
    found += [PromptSetR("m", f"t{i}", "own", float(x)) for i, x in enumerate(second)]
    found.append(PromptSetR("m", "extra", "own", 0.9))
    found.append(PromptSetR("m", "none", "own", None))
    finding = prompt_set_finding(found, "default", LIMITS)
    expected = stats.ttest_rel(second, first)
    shown = values(finding)["r with own - r with default"]
    assert (shown.n, shown.p) == (12, pytest.approx(expected.pvalue))
    assert finding.verdict == "supported"
    assert "one prompt set" in prompt_set_finding(found[:12], "default", LIMITS).answer


def transfer_cases(seed, better, n=400):
    """Two models that read one behaviour; the other reads it better if asked."""
    rng = np.random.default_rng(seed)
    cases = []
    for trait in range(4):
        behaviour = rng.normal(size=n)
        noise = rng.normal(size=(2, n))
        good, poor = behaviour + noise[0], behaviour + (4 if better else 1) * noise[1]
        cases.append(TransferCase(f"t{trait}", "A", "B", Cases.independent(good, behaviour), poor))
        cases.append(TransferCase(f"t{trait}", "B", "A", Cases.independent(poor, behaviour), good))
    return cases


def test_transfer_is_found_where_it_is_planted_and_only_there():
    found = transfers(transfer_cases(5, better=True))
    finding = transfer_finding(found)
    assert finding.verdict == "supported"
    # A -> B and B -> A are one comparison: neither way is counted for itself.
    assert "In 4 of 4 comparisons one model's vector reads" in finding.answer
    apart = dataclasses.replace(found[1], difference=Estimate(-0.3, -0.4, -0.2, 0.001, 400))
    assert "is higher in 4 of 8 transfers, significantly in 4" in (
        transfer_finding([found[0], apart, *found[2:]]).answer
    )
    for f in found:
        assert (f.difference.value > 0) == (f.activation_model == "A")
        assert f.adjusted_p < 0.05 and f.adjusted_p >= f.difference.p
    equal = transfers(transfer_cases(6, better=False))
    assert transfer_finding(equal).verdict == "undetermined"
    case = transfer_cases(5, better=True)[0]
    assert found[0].cross_r.value == pytest.approx(
        stats.pearsonr(case.cases.x, case.cases.y).statistic
    )
    assert found[0].between == pytest.approx(stats.pearsonr(case.cases.x, case.own).statistic)


def test_a_constant_projection_makes_a_transfer_undefined_not_zero():
    case = dataclasses.replace(transfer_cases(5, True, 20)[0], own=np.zeros(20))
    (found,) = transfers([case])
    assert found.difference.value is None and found.difference.reason
    assert found.adjusted_p is None


def test_least_between_is_where_the_test_turns():
    least = least_between(0.24, 0.278, 500)
    assert compare_dependent(0.278, 0.24, least, 500).p < 0.05
    assert compare_dependent(0.278, 0.24, least - 0.001, 500).p >= 0.05
    assert least_between(0.2, 0.2, 500) is None


def test_simpsons_paradox_is_not_taken_for_an_effect():
    """Models differ in cosine and in r; within a model cosine does nothing."""
    rng = np.random.default_rng(7)
    rows = [
        cell(
            m,
            f"t{i}",
            float(0.15 + 0.2 * k + rng.normal(0, 0.05)),
            high_cosine=float(0.6 + 0.1 * k + rng.normal(0, 0.02)),
            low_cosine=float(0.6 + 0.1 * k + rng.normal(0, 0.02)),
        )
        for k, m in enumerate("abc")
        for i in range(8)
    ]
    found = cosine_finding(rows, LIMITS)
    own = values(found)
    assert own["high cosine v r, all cells"].p < 0.001
    assert own["high cosine, working - failing, Student"].p < 0.01
    assert found.verdict == "undetermined"
    rows = grid(8, high_cosine=lambda rng, m, r: 0.5 + 0.5 * r + rng.normal(0, 0.02))
    assert cosine_finding(rows, LIMITS).verdict == "supported"


def scaled_cells(scales, spreads, traits=6):
    """Two models whose traits differ alike, but for a little."""
    rng = np.random.default_rng(17)
    return [
        cell(
            model,
            f"t{i}",
            high_within_variance=scale * scale * spread * noise,
            low_within_variance=scale * scale * spread * noise,
            norm=10 * scale,
            spread=spread * noise,
        )
        for model, scale, spread in zip("ab", scales, spreads, strict=True)
        for i, noise in enumerate(rng.lognormal(0, 0.1, traits))
    ]


def test_units_compare_what_runs_measured():
    rows = scaled_cells((1.0, 7.0), (0.1, 0.11))
    found = units_finding(rows, {"a": 8, "b": 8})
    own = values(found)
    assert found.verdict == "ruled out" and found.answer.startswith(
        "Mostly scale: raw within-class"
    )
    by_model = {
        model: np.array([row.high_within_variance for row in rows if row.model == model])
        for model in "ab"
    }
    ratio = own["largest / smallest within-class variance"].value
    assert ratio == pytest.approx(by_model["b"].mean() / by_model["a"].mean())
    by_trait = own["largest / smallest within-class variance, trait by trait"]
    assert by_trait.value == pytest.approx(stats.gmean(by_model["b"] / by_model["a"]))
    assert by_trait.low < 49 * 1.1 < by_trait.high
    assert own["b: norm"].value == pytest.approx(70)
    assert (
        "(b / a)" in found.answer and f"[{by_trait.low:.1f}, {by_trait.high:.1f}]" in found.answer
    )


def test_a_spread_that_differs_is_told_whichever_way_raw_variance_goes():
    """A model with small activations and prompts that disagree."""
    found = units_finding(scaled_cells((1.0, 7.0), (0.5, 0.05)), {"a": 8, "b": 8})
    assert found.verdict == "supported"
    assert found.answer.startswith("Yes: scale-free spread differs") and "(a / b)" in found.answer
    # One trait at a layer of far larger activations carries a mean, and decides nothing.
    rows = scaled_cells((1.0, 1.0), (0.1, 0.1))
    rows[0] = dataclasses.replace(rows[0], high_within_variance=900.0, low_within_variance=900.0)
    one = units_finding(rows, {"a": 8, "b": 8})
    assert one.verdict == "undetermined" and one.answer.startswith("Unclear: raw")
    # Three traits have no interval, so nothing is decided.
    few = units_finding(scaled_cells((1.0, 7.0), (0.1, 0.1), 3), {"a": 8, "b": 8})
    assert few.verdict == "undetermined" and "trait by trait" not in few.answer


def test_prompts_that_are_all_the_same_have_no_ratio():
    rows = scaled_cells((1.0, 1.0), (0.1, 0.1))
    still = [
        dataclasses.replace(row, high_within_variance=0.0, low_within_variance=0.0)
        if row.model == "a"
        else row
        for row in rows
    ]
    found = units_finding(still, {"a": 8, "b": 8})
    assert found.verdict == "undetermined" and "the smaller mean is zero" in found.answer


def test_feasibility_counts_by_hand():
    scores = {("who", "t"): np.array([0, 2, 2.5, 6, 9.0]), ("who", "u"): np.arange(100) / 9.9}
    counts = feasibility_counts(scores, 6, 2)
    assert (counts["who", "t"].high, counts["who", "t"].low) == (2, 2)
    assert feasibility_finding(counts, 6, 2).verdict == "undetermined"
    assert feasibility_finding({("who", "u"): counts["who", "u"]}, 6, 2).verdict == "supported"
    assert feasibility_finding({("who", "t"): counts["who", "t"]}, 6, 2).verdict == "ruled out"


def test_agreement_is_over_shared_scenarios():
    rng = np.random.default_rng(9)
    a = rng.normal(size=200)
    b = a + rng.normal(0, 5, size=200)
    first = {f"s{i}": float(x) for i, x in enumerate(a)}
    second = {f"s{i}": float(x) for i, x in enumerate(b) if i != 3}
    (found,) = agreements(
        {"t": {"p": first, "q": second | {"only": 1.0}}}, {name: name for name in first}
    )
    keep = np.arange(200) != 3
    assert found.r.value == pytest.approx(stats.pearsonr(a[keep], b[keep]).statistic)
    assert found.r.n == 199 and found.ceiling == found.r.value
    assert agreement_finding([found], 0.5).verdict == "supported"
    assert agreement_finding([found], 0.01).verdict in ("ruled out", "undetermined")


def test_an_empty_study_says_what_is_missing():
    empty = StudyEvidence((), {}, (), (), "default", (), {}, (0.0, 10.0), {}, {})
    found = study_findings(empty, LIMITS)
    assert [(f.name, f.question) for f in found] == [(t.name, t.question) for t in TESTS]
    assert len(found) == 10
    assert all(f.verdict == "undetermined" for f in found)
    assert sum("Not computable" in f.answer for f in found) == 10
