"""Every rule on planted cells, on healthy ones, and where the data cannot tell."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np
import pytest
from scipy import stats

from backend.core.estimate import CROSS_FITTED, Estimate
from backend.core.metrics.stability import OPPOSED
from backend.core.statistics.bootstrap import bootstrap_r
from backend.core.statistics.correlation import pearson, spearman
from backend.core.statistics.dependent import ALIKE
from backend.core.statistics.reliability import judge_reliability
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.phantom.causes import CAUSES, NONE
from backend.store.run_values import ScoredCases
from backend.views.diagnosis.diagnose import diagnose
from backend.views.diagnosis.registry import RULES
from backend.views.diagnosis.rules import outliers
from backend.views.diagnosis.words import no_fix
from tests.support.phantoms import planted_cells, split_half_of


@pytest.fixture(scope="module")
def healthy():
    return planted_cells([NONE], 41)[0].evidence


def with_cases(evidence, **changes):
    """The evidence with something else known of its cases."""
    return dataclasses.replace(evidence, cases=dataclasses.replace(evidence.cases, **changes))


def each_drift(evidence, change):
    """All drifts of a cell, changed."""
    return {
        method: {layer: change(drift) for layer, drift in by_layer.items()}
        for method, by_layer in evidence.drifts_by_layer.items()
    }


@pytest.mark.parametrize(
    "cause", [c.name for c in CAUSES if c.harms and c.place not in ("study", "model")]
)
def test_the_planted_cause_comes_first_and_its_neighbour_is_not_accused(cause):
    planted, neighbour = (diagnose(cell.evidence) for cell in planted_cells([cause], 42))
    assert planted.supported[0].cause == cause, planted.headline
    assert planted.headline.endswith(".") and planted.supported[0].title.lower() in planted.headline
    assert neighbour.supported == () and neighbour.headline.startswith("Works")
    assert neighbour.works and not planted.works
    assert len(planted.judgements) == len(RULES) - 2  # steering is not measured
    fix = planted.supported[0].fix
    if fix is not None and cause != "length_confound":
        assert fix.gain.low > 0


def test_few_scenarios_are_named_where_r_leaves_the_status_open():
    for cell in planted_cells(["few_scenarios"], 43):
        r = diagnose(cell.evidence).r
        supported = [j.cause for j in diagnose(cell.evidence).supported]
        assert ("few_scenarios" in supported) == (r.low < 0.2 and r.high > 0.3)


def clustered(healthy, groups, each, within):
    """The evidence with weakly related cases of which ``each`` share a group: those of one
    group differ by ``within`` times the spread between groups."""
    rng = np.random.default_rng(11)
    size = groups * each
    group = np.repeat(np.arange(groups), each)
    common, own = rng.normal(size=(2, groups)), within * rng.normal(size=(2, size))
    drift, noise = common[:, group] + own
    behaviour = 0.25 * drift + noise
    known = ScoredCases(
        scenarios=tuple(f"s{i:03d}" for i in range(size)),
        responders=("m",) * size,
        groups=tuple(f"g{i:03d}" for i in group),
        first_response=None,
        last_response=np.arange(size),
        first=None,
        last=behaviour,
        behaviour=behaviour,
        length=np.arange(size) % 17.0,
    )
    return dataclasses.replace(
        healthy, cases=known, drifts_by_layer={MEAN_DIFFERENCE: {healthy.layer: drift}}
    )


def test_dependent_cases_count_for_what_they_are_worth(healthy):
    alike = clustered(healthy, 20, 5, 0.2)
    judged = judged_by(alike, "few_scenarios")
    drift, behaviour = alike.drifts[MEAN_DIFFERENCE], alike.cases.behaviour
    # The jackknife over groups, one by one, and as many cases as have this error of Fisher's z.
    left = [
        np.arctanh(stats.pearsonr(np.delete(drift, own), np.delete(behaviour, own)).statistic)
        for own in np.arange(100).reshape(20, 5)
    ]
    worth = 3 + 1 / (19 / 20 * np.sum(np.square(left - np.mean(left))))
    assert 10 < worth < 40 and judged.weight == pytest.approx(85 / worth)
    said = f"100 cases in 20 groups are worth {worth:.0f} independent ones; "
    assert judged.verdict == "supported" and judged.summary.startswith(said)
    unlike = judged_by(clustered(healthy, 20, 100, 10.0), "few_scenarios")
    assert unlike.verdict == "ruled out" and unlike.weight < 1


def test_the_same_cases_taken_as_independent_are_counted(healthy):
    dependent = clustered(healthy, 20, 5, 0.2)
    judged = judged_by(with_cases(dependent, groups=()), "few_scenarios")
    assert judged.weight == 0.85 and judged.summary.startswith("100 cases, enough to detect")
    assert judged.verdict == "ruled out"


def test_too_few_groups_are_too_few_whatever_the_number_of_cases(healthy):
    judged = judged_by(clustered(healthy, 3, 50, 0.2), "few_scenarios")
    assert judged.verdict == "supported" and judged.weight == pytest.approx(85 / 3)
    assert judged.summary.startswith("150 cases in 3 groups, whose worth is unknown; ")
    one = judged_by(clustered(healthy, 1, 30, 0.2), "few_scenarios")
    assert one.summary.startswith("30 cases in 1 group, whose worth is unknown; ")
    assert judged_by(of_levels(healthy, np.ones(1)), "few_scenarios").summary.startswith("1 case; ")


def test_another_scale_changes_no_judgement(healthy):
    scaled = dataclasses.replace(
        healthy,
        gram=625 * healthy.gram,
        drifts_by_layer=each_drift(healthy, lambda drift: 25 * drift),
    )
    for a, b in zip(diagnose(healthy).judgements, diagnose(scaled).judgements, strict=True):
        assert (a.cause, a.verdict) == (b.cause, b.verdict)
        assert a.weight == pytest.approx(b.weight)


def test_order_of_cases_and_prompts_changes_no_verdict(healthy):
    rng = np.random.default_rng(3)
    cases, prompts = rng.permutation(healthy.n), rng.permutation(len(healthy.high))
    known = healthy.cases
    shuffled = dataclasses.replace(
        with_cases(
            healthy,
            scenarios=tuple(known.scenarios[i] for i in cases),
            first=known.first[cases],
            last=known.last[cases],
            behaviour=known.behaviour[cases],
            length=known.length[cases],
        ),
        gram=healthy.gram[np.ix_(prompts, prompts)],
        high=healthy.high[prompts],
        texts=tuple(healthy.texts[i] for i in prompts),
        drifts_by_layer=each_drift(healthy, lambda drift: drift[cases]),
    )
    before = {j.cause: j.verdict for j in diagnose(healthy).judgements}
    assert {j.cause: j.verdict for j in diagnose(shuffled).judgements} == before


def test_a_marker_without_a_measured_gain_is_undetermined():
    """At a strength where outliers are seen but do no harm, nothing is accused."""
    (cell, _) = planted_cells(["direction_outliers"], 44, strength=0.25)
    judged = {j.cause: j for j in diagnose(cell.evidence).judgements}
    assert judged["direction_outliers"].weight > 1
    gain = judged["direction_outliers"].fix.gain
    assert judged["direction_outliers"].verdict == ("supported" if gain.low > 0 else "undetermined")


def test_mixed_causes_are_both_among_the_first_three():
    for pair, seed in (
        (("massive_coordinate", "length_confound"), 45),
        (("direction_outliers", "floor"), 46),
    ):
        (cell, _) = planted_cells(pair, seed)
        open_ones = [
            j.cause for j in diagnose(cell.evidence).judgements if j.verdict != "ruled out"
        ]
        assert set(pair) <= set(open_ones[:3]), open_ones


def test_outlier_markers_by_hand():
    (cell, _) = planted_cells(["magnitude_outliers"], 47)
    ratios, gaps = outliers.markers(cell.evidence)
    gram, high = cell.evidence.gram, cell.evidence.high
    norms = np.sqrt(np.diag(gram))
    for pole in (high, ~high):
        relative = norms[pole] / np.median(norms[pole])
        np.testing.assert_allclose(ratios[pole], np.maximum(relative, 1 / relative))
        block = (gram / np.outer(norms, norms))[np.ix_(pole, pole)]
        typical = [np.median(np.delete(row, i)) for i, row in enumerate(block)]
        np.testing.assert_allclose(gaps[pole], np.median(typical) - typical)


def judged_by(evidence, cause="unreliable_judge"):
    return next(j for j in diagnose(evidence).judgements if j.cause == cause)


def unread(evidence, **changes):
    """The evidence without any vector that reads the scores, and without repeated scores."""
    never = judge_reliability(np.zeros((0, 0)), np.zeros(0, np.intp), every=False)
    bare = dataclasses.replace(evidence, drifts_by_layer={}, reliability=never)
    return with_cases(bare, **changes)


def test_a_high_correlation_between_turns_rules_a_bad_judge_out_whatever_its_sign(healthy):
    """Planned drifts make scores of t1 and tN correlate negatively: that is structure."""
    flipped = unread(healthy, last=10 - healthy.cases.last)
    judged = judged_by(flipped)
    assert judged.verdict == "ruled out"
    expected = stats.pearsonr(flipped.cases.first, flipped.cases.last).statistic
    assert judged.rows[0].estimate.value == pytest.approx(expected) and expected < -0.2
    assert judged.summary.endswith("Errors alone would not correlate, whatever the sign.")


@pytest.mark.parametrize(("r", "verdict"), [(0.25, "undetermined"), (0.0, "supported")])
def test_a_signal_that_a_vector_reads_is_not_called_absent(healthy, r, verdict):
    """Whatever the probe finds: one direction that reads it is a linear signal."""
    z = stats.zscore(healthy.cases.behaviour)
    noise = np.random.default_rng(3).normal(size=(2, healthy.n))
    noise -= noise.mean(axis=1, keepdims=True)
    noise -= np.outer(noise @ z, z) / (z @ z)
    noise /= noise.std(axis=1, keepdims=True)
    drifts = {
        MEAN_DIFFERENCE: r * z + np.sqrt(1 - r**2) * noise[0],
        "ridge_drift": -0.1 * z + noise[1],
    }
    by_method = {name: {healthy.layer: drift} for name, drift in drifts.items()}
    found = dataclasses.replace(healthy, drifts_by_layer=by_method)
    best = found.held_out_r(tuple(by_method))
    assert (0 < best.low < found.thresholds.close < best.high) == (r > 0)
    assert found.held_out_r(("ridge_drift",)).high < found.thresholds.close
    assert judged_by(found, "not_linear").verdict == verdict


def test_a_low_correlation_between_turns_supports_nothing(healthy):
    """A behaviour that changes from turn to turn looks the same as a judge that errs."""
    rng = np.random.default_rng(5)
    changed = unread(healthy, last=rng.permutation(healthy.cases.last))
    judged = judged_by(changed)
    assert judged.verdict == "undetermined" and judged.weight > 1
    assert judged.summary.endswith("Score some responses twice to tell.")
    assert judged_by(changed, "not_linear").verdict != "supported"
    level = judged_by(unread(healthy, first=None))
    assert level.verdict == "undetermined" and "one score" in level.summary


def test_without_an_interval_nothing_is_ruled_out_by_r_alone(healthy):
    """Three groups give an r and no interval: what is said must not contradict itself."""
    few = with_cases(healthy, groups=tuple(f"g{i % 3}" for i in range(healthy.n)))
    reason = "an interval needs at least 4 groups of dependent cases, not 3"
    length = judged_by(few, "length_confound")
    assert judged_by(healthy, "length_confound").verdict == "ruled out"
    assert length.verdict == "undetermined" and length.rows[0].estimate.low is None
    assert length.summary.endswith(f", without an interval: {reason}.")
    judge = judged_by(dataclasses.replace(unread(few), drifts_by_layer={}))
    r = judge.rows[0].estimate.value
    said = f"Scores of one scenario correlate {r:+.2f} between turns, without an interval: {reason}"
    assert judge.verdict == "undetermined" and judge.summary.startswith(said)
    assert "tN" not in judge.rows[0].name
    assert diagnose(few).headline.startswith("Works by its r alone. ")
    assert diagnose(healthy).headline.startswith("Works. ")


def test_without_a_probe_its_stored_reason_is_given(healthy):
    by_method = {
        name: drifts for name, drifts in healthy.drifts_by_layer.items() if name != "ridge_drift"
    }
    bare = dataclasses.replace(healthy, drifts_by_layer=by_method)
    said = judged_by(bare, "not_linear").summary
    assert said == "No probe: no vector here by Ridge probe on drift."
    known = dataclasses.replace(bare, reasons={"ridge_drift": "6 scored cases; ridge needs 20"})
    assert judged_by(known, "not_linear").summary == "No probe: 6 scored cases; ridge needs 20."
    assert known.r("ridge_drift").reason == "6 scored cases; ridge needs 20"


def test_repeated_scores_tell_a_bad_judge_from_a_good_one(healthy):
    (planted, _) = planted_cells(["unreliable_judge"], 49)
    for evidence, verdict in ((planted.evidence, "supported"), (healthy, "ruled out")):
        judged = judged_by(evidence)
        found = evidence.reliability
        assert judged.verdict == verdict
        assert judged.rows[0].estimate == found.used == found.single
        assert judged.rows[1].estimate.value == pytest.approx(max(0, found.single.value) ** 0.5)
    # What a second scoring would have found: 5 + 2 behaviour, error of 1 and rounding.
    assert healthy.reliability.used.value == pytest.approx(4 / (4 + 2 * (1 + 1 / 12)), abs=0.1)


def test_a_layer_that_r_chose_is_chosen_again_on_other_cases(healthy):
    """Where nothing helps, no remedy is seen to help, also against the highest of many r."""
    rng = np.random.default_rng(8)
    noise = each_drift(healthy, lambda drift: rng.normal(size=len(drift)))
    free = dataclasses.replace(healthy, drifts_by_layer=noise, layer_given=False)
    trial = free.trial(("unit_rows", "standardised"))
    assert trial.gain.low < 0 < trial.gain.high and trial.gain.interval_method == CROSS_FITTED
    rs = [
        pearson(healthy.paired(noise[MEAN_DIFFERENCE][at])).value for at in noise[MEAN_DIFFERENCE]
    ]
    assert free.held_out_r((MEAN_DIFFERENCE,)).value < max(rs)
    judged = judged_by(free, "other_layer")
    assert judged.verdict == "ruled out" and judged.fix is None


def test_the_best_of_several_remedies_is_recommended(healthy):
    behaviour = healthy.cases.behaviour
    rng = np.random.default_rng(6)
    noise = behaviour.std() * rng.normal(size=(6, healthy.n))
    by_method = {
        MEAN_DIFFERENCE: 0.1 * behaviour + noise[0],
        "massive_removed": 0.6 * behaviour + noise[1],
        "response_pcs_removed_1": 1.2 * behaviour + noise[2],
        "unit_rows": 0.1 * behaviour + noise[3],
    }
    evidence = dataclasses.replace(
        healthy,
        dominance=Estimate.exact(0.9, len(healthy.high)),
        drifts_by_layer={name: {healthy.layer: drift} for name, drift in by_method.items()},
    )
    judged = judged_by(evidence, "massive_coordinate")
    assert judged.verdict == "supported" and judged.fix.method == "response_pcs_removed_1"
    own = {name: stats.pearsonr(d, behaviour).statistic for name, d in by_method.items()}
    expected = own["response_pcs_removed_1"] - own[MEAN_DIFFERENCE]
    assert judged.fix.gain.value == pytest.approx(expected, abs=0.03)
    assert judged.fix.gain.low > 0


def test_without_halves_no_share_of_them_is_given(healthy):
    """Scores that are all equal, or vary in one case only, leave r of a half undefined."""
    one = np.zeros(healthy.n)
    one[7] = 3.0
    for behaviour in (np.zeros(healthy.n), one):
        for given in (False, True):
            still = dataclasses.replace(
                with_cases(healthy, first=None, last=behaviour, behaviour=behaviour),
                layer_given=given,
            )
            note = judged_by(still, "massive_coordinate").rows[1].note
            assert note == "the best of 2 remedies; no choice was made on halves"
    few = with_cases(healthy, groups=tuple(f"g{i % 3}" for i in range(healthy.n)))
    assert judged_by(few, "massive_coordinate").rows[1].note == note
    chosen = judged_by(healthy, "massive_coordinate").rows[1].note
    assert chosen.endswith("% of the halves")
    other = judged_by(still, "other_layer").rows[0]
    assert (other.estimate.value, other.note) == (None, "no choice was made on halves")


def test_a_vector_that_points_the_other_way_is_named_and_its_destruction_is_no_remedy(healthy):
    """All drifts of a working cell with the other sign, and remedies that leave nothing of it."""
    turned = dataclasses.replace(
        healthy,
        dominance=Estimate.exact(0.9, len(healthy.high)),
        drifts_by_layer=each_drift(healthy, np.negative),
    )
    rng = np.random.default_rng(14)
    noise = {
        method: {layer: rng.normal(size=healthy.n) for layer in by_layer}
        for method, by_layer in turned.drifts_by_layer.items()
    }
    by_method = noise | {MEAN_DIFFERENCE: turned.drifts_by_layer[MEAN_DIFFERENCE]}
    expected = stats.pearsonr(turned.drifts[MEAN_DIFFERENCE], healthy.cases.behaviour)
    assert expected.confidence_interval().high < 0
    for given in (True, False):
        found = diagnose(dataclasses.replace(turned, drifts_by_layer=by_method, layer_given=given))
        assert found.headline.startswith(
            "Fails. r is reliably negative, so the vector points the other way: check the labels "
            "of the poles and the direction of the scores. These data support no cause."
        )
        assert found.line == "Points the other way"
        assert found.supported == () and found.helpful == ()
        massive = next(j for j in found.judgements if j.cause == "massive_coordinate")
        assert (massive.verdict, massive.fix.gain.value) == ("undetermined", None)
        assert massive.fix.gain.reason.startswith("r is reliably negative")
        # What is read backwards is there to be read.
        linear = next(j for j in found.judgements if j.cause == "not_linear")
        assert linear.verdict == "ruled out"


def test_a_remedy_that_turns_a_negative_r_into_a_positive_one_is_a_gain(healthy):
    behaviour = healthy.cases.behaviour
    noise = behaviour.std() * np.random.default_rng(15).normal(size=(2, healthy.n))
    by_method = {
        MEAN_DIFFERENCE: -behaviour + noise[0],
        "massive_removed": behaviour + noise[1],
        "ridge_drift": behaviour + noise[1],
    }
    evidence = dataclasses.replace(
        healthy,
        dominance=Estimate.exact(0.9, len(healthy.high)),
        drifts_by_layer={name: {healthy.layer: drift} for name, drift in by_method.items()},
    )
    judged = judged_by(evidence, "massive_coordinate")
    own = [
        stats.pearsonr(by_method[name], behaviour).statistic
        for name in ("massive_removed", MEAN_DIFFERENCE)
    ]
    assert judged.verdict == "supported" and judged.fix.gain.value == pytest.approx(
        own[0] - own[1], abs=0.03
    )
    # A probe may read what the prompts' vector reads backwards.
    plain = dataclasses.replace(evidence, dominance=healthy.dominance)
    assert judged_by(plain, "unlike_concept").verdict == "undetermined"
    assert diagnose(evidence).headline.startswith("Fails. r is reliably negative")


def test_an_r_of_one_far_case_is_said_to_rest_on_few(healthy):
    rng = np.random.default_rng(17)
    scores, drift = np.abs(rng.normal(size=(2, 200)))

    def told(scores, drift):
        evidence = of_levels(healthy, 20 + 10 * scores, drift, (0.0, 100.0))
        cases = evidence.paired(drift)
        assert "rests on few" not in diagnose(evidence).headline  # as of an older run
        known = dataclasses.replace(evidence, bootstrap=bootstrap_r(cases), rank=spearman(cases))
        return diagnose(known).headline

    assert "rests on few" not in told(scores, drift)
    assert "rests on few" not in told(scores, scores + rng.normal(size=200))
    scores[0], drift[0] = 8.0, 60.0
    r, rho = (test(drift, scores) for test in (stats.pearsonr, stats.spearmanr))
    boot = stats.bootstrap(
        (drift, scores),
        lambda x, y: stats.pearsonr(x, y).statistic,
        paired=True,
        vectorized=False,
        n_resamples=2000,
        rng=18,
    )
    assert r.statistic > 0.3 and r.confidence_interval().low > 0
    assert boot.confidence_interval.low < 0 and abs(rho.statistic) < 0.1
    headline = told(scores, drift)
    assert headline.startswith("Works by its r alone. r rests on few cases: its bootstrap interval")
    assert f"] holds zero, and Spearman's rho is {rho.statistic:+.2f}. " in headline


@pytest.mark.parametrize(("r", "named"), [(-0.15, False), (-0.4, True)])
def test_a_small_negative_r_is_not_said_to_point_anywhere(healthy, r, named):
    """Interval below zero in both, yet the one would fail with either sign."""
    rng = np.random.default_rng(16)
    behaviour, noise = rng.normal(size=(2, 400))
    behaviour -= behaviour.mean()
    noise -= noise.mean() + behaviour * (noise @ behaviour) / (behaviour @ behaviour)
    drift = r * behaviour / behaviour.std() + np.sqrt(1 - r**2) * noise / noise.std()
    found = diagnose(of_levels(healthy, 5 + behaviour, drift))
    assert found.r.value == pytest.approx(r) and found.r.high < 0
    assert ("points the other way" in found.headline) is named


def test_scores_next_to_nothing_are_at_the_floor(healthy):
    """Means of token probabilities never give the lowest score itself."""
    rng = np.random.default_rng(7)
    tiny = np.where(rng.random((2, healthy.n)) < 0.42, 0.0, 1.4e-5 * rng.random((2, healthy.n)))
    found = dataclasses.replace(
        unread(healthy, first=tiny[0], last=tiny[1], behaviour=tiny[1] - tiny[0]),
        score_range=(0.0, 100.0),
    )
    assert judged_by(found, "floor").verdict == "supported"
    assert judged_by(found, "not_linear").verdict != "supported"


def of_levels(evidence, scores, drift=None, score_range=(0.0, 10.0)):
    """The evidence with one score of each of other cases, as many as there are scores."""
    n = len(scores)
    known = ScoredCases(
        scenarios=tuple(f"s{i:03d}" for i in range(n)),
        responders=("m",) * n,
        groups=tuple(f"s{i:03d}" for i in range(n)),
        first_response=None,
        last_response=np.arange(n),
        first=None,
        last=scores,
        behaviour=scores,
        length=np.arange(n) % 17.0,
    )
    drift = np.random.default_rng(12).normal(size=n) if drift is None else drift
    return dataclasses.replace(
        unread(evidence),
        cases=known,
        score_range=score_range,
        drifts_by_layer={MEAN_DIFFERENCE: {evidence.layer: drift}},
    )


def test_lengths_that_vary_are_not_said_to_be_alike(healthy):
    still = of_levels(healthy, np.arange(60) % 10.0, drift=np.zeros(60))
    judged = judged_by(still, "length_confound")
    assert judged.verdict == "undetermined"
    assert judged.summary == (
        "r of projection and length is undefined: the projections do not vary."
    )
    alike = dataclasses.replace(still.cases, length=np.full(60, 9.0))
    judged = judged_by(dataclasses.replace(still, cases=alike), "length_confound")
    assert (judged.verdict, judged.summary) == ("ruled out", "Responses do not vary in length.")


@pytest.mark.parametrize("low", [40, 38, 42, 44])
def test_of_two_levels_the_coarse_scale_is_the_limit_and_no_end(healthy, low):
    scores = np.repeat([0.0, 1.0], [low, 80 - low])
    found = of_levels(healthy, scores, score_range=(0.0, 1.0))
    floor, coarse = judged_by(found, "floor"), judged_by(found, "compressed")
    assert (floor.verdict, coarse.verdict) == ("ruled out", "supported")
    assert floor.rows[0].note == "healthy cells stay below 75%: one of two levels holds half"
    # One step is 1, and the variance that of a coin.
    share = 1 / 12 / scores.var()
    assert coarse.rows[0].estimate.value == pytest.approx(share) and share > 0.3


def test_a_rare_level_is_a_floor_and_a_usual_one_a_ceiling(healthy):
    for scores, end, advice in (
        ([0.0, 1.0], "lowest", "A behaviour that hardly occurs: seek out responses that show it"),
        ([1.0, 0.0], "highest", "A behaviour that nearly always occurs: seek out responses that"),
    ):
        found = of_levels(healthy, np.repeat(scores, [95, 5]), score_range=(0.0, 1.0))
        judged = judged_by(found, "floor")
        assert judged.verdict == "supported"
        assert (
            judged.summary == f"95% of the scores are at or within 1% of the {end} allowed score."
        )
        assert judged.confusions.startswith(advice)
        assert judged_by(found, "compressed").verdict == "undetermined"


@pytest.mark.parametrize("scores", [[7.0], [3.0, 7.0], [0.0, 0.0, 1.0], list(range(9))])
def test_too_few_scored_cases_do_not_say_how_the_range_is_used(healthy, scores):
    found = of_levels(healthy, np.array(scores, float))
    why = f"it needs at least 10 scored cases, not {len(scores)}"
    for cause in ("compressed", "floor"):
        judged = judged_by(found, cause)
        assert (judged.verdict, judged.weight) == ("undetermined", 0.0)
        assert judged.summary == f"Not judged: {why}."
        assert (judged.rows[0].estimate.value, judged.rows[0].estimate.reason) == (None, why)
    ten = of_levels(healthy, np.repeat([4.0, 5.0], 5))
    assert judged_by(ten, "compressed").verdict == "supported"


def test_a_judge_stuck_between_the_ends_is_named_whatever_r_is(healthy):
    rng = np.random.default_rng(13)
    wobble = rng.normal(size=200)
    for drift, said in (
        (wobble + 0.4 * rng.normal(size=200), "Works by its r alone. Limited by: "),
        (rng.normal(size=200), "Fails by its r alone. Supported cause: "),
    ):
        stuck = of_levels(healthy, 50 + 1e-6 * wobble, drift, (0.0, 100.0))
        found = diagnose(stuck)
        assert found.headline.startswith(f"{said}scores stuck at one value")
        judged = judged_by(stuck, "floor")
        assert (judged.title, judged.verdict) == ("Scores stuck at one value", "supported")
        assert judged.summary == "100% of the scores are within 1% of the range of 50."
        spread = diagnose(of_levels(healthy, 50 + 10 * wobble, drift, (0.0, 100.0)))
        assert "by its r alone" not in spread.headline and "stuck" not in spread.headline
    at_floor = of_levels(healthy, np.abs(wobble) * 1e-6, np.abs(wobble), (0.0, 100.0))
    headline = diagnose(at_floor).headline
    assert headline.startswith("Works by its r alone. Limited by: scores at the floor or ceiling")


def test_levels_and_missing_vectors_are_undetermined_or_ruled_out_not_errors(healthy):
    zero = Estimate.undefined(len(healthy.high), "the two poles have the same mean")
    bare = with_cases(dataclasses.replace(healthy, drifts_by_layer={}, dominance=zero), first=None)
    found = diagnose(bare)
    assert found.r.value is None and found.supported == ()
    empty = dataclasses.replace(bare, cases=ScoredCases.none())
    assert "undefined" in diagnose(empty).headline or diagnose(empty).supported


def test_every_rule_says_what_it_measures_why_and_what_looks_alike():
    assert len({rule.cause for rule in RULES}) == len(RULES)
    planted = {cause.name for cause in CAUSES if cause.harms}
    # Phantoms are drawn as pooled activations, so they have no tokens or words to plant.
    unplanted = {"first_token", "pole_lengths", "few_words_differ", "unstable_vector"}
    # Nor a model to steer.
    unplanted |= {"monitors_not_steers", "steers_not_monitors"}
    assert {rule.cause for rule in RULES} == planted | unplanted
    for rule in RULES:
        text = inspect.getdoc(rule.judge)
        assert "Measured:" in text and "Why:" in text and "Confusions:" in text, rule.cause


def test_poles_of_different_length_are_named_and_not_accused(healthy):
    tokens = np.where(healthy.high, 30.0, 12.0) + np.arange(len(healthy.high)) % 5
    longer = dataclasses.replace(
        healthy, first_tokens=dataclasses.replace(healthy.first_tokens, tokens=tokens)
    )
    judged = judged_by(longer, "pole_lengths")
    assert judged.verdict == "undetermined" and judged.summary.startswith("High prompts have 32")
    order, tokens_more = (row.estimate for row in judged.rows)
    test = stats.mannwhitneyu(tokens[healthy.high], tokens[~healthy.high])
    assert (order.value, order.p) == pytest.approx((1.0, test.pvalue))
    assert tokens_more.value == pytest.approx(18.0) and tokens_more.low > 0
    assert judged_by(healthy, "pole_lengths").verdict == "ruled out"
    assert diagnose(longer).supported == ()


def test_poles_that_differ_in_one_word_are_named(healthy):
    stem = "Would you rather tell the truth or keep the peace today? Answer: ("
    texts = tuple(f"{i} {stem} {'A' if high else 'B'} )" for i, high in enumerate(healthy.high))
    judged = judged_by(dataclasses.replace(healthy, texts=texts), "few_words_differ")
    # The number of the item and the letter.
    assert judged.summary.endswith("differs in 2 of 16 words.") and judged.verdict == "ruled out"
    paired = tuple(
        f"{stem} {'A' if high else 'B'} ) please answer with one letter" for high in healthy.high
    )
    judged = judged_by(dataclasses.replace(healthy, texts=paired), "few_words_differ")
    assert judged.verdict == "undetermined" and judged.summary.endswith("differs in 1 of 20 words.")


def test_a_vector_of_chance_is_told_with_the_prompts_it_would_take(healthy):
    """The number of prompts is true: with so many, split-half stability is what was promised."""
    rng = np.random.default_rng(11)
    trait = np.eye(64)[0]

    def stability(prompts, seeds=range(12)):
        found = []
        for _ in seeds:
            high = np.arange(2 * prompts) < prompts
            rows = 0.9 * np.where(high, 1, -1)[:, None] * trait + rng.normal(size=(len(high), 64))
            found.append(split_half_of(rows @ rows.T, high, 64).value)
        return float(np.mean([value or 0.0 for value in found]))

    few = dataclasses.replace(healthy, split_half=Estimate.exact(0.2, 20), high=np.arange(20) < 10)
    found = judged_by(few, "unstable_vector")
    assert (found.verdict, found.marked, found.fix) == ("undetermined", True, None)
    assert "cosine of 0.20" in found.summary
    assert "about 160 prompts a pole instead of 10" in found.summary  # 10 * 0.8 * 0.8 / (0.2 * 0.2)
    assert no_fix(found) == found.remedy != ""
    own = stability(10)
    needed = 0.8 * (1 - own) / (own * 0.2) * 10
    assert stability(round(needed)) == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(
    ("split_half", "verdict", "marked"),
    [
        (Estimate.exact(0.9, 20), "ruled out", False),
        (Estimate.undefined(20, f"{OPPOSED} (mean cosine -0.1)"), "undetermined", True),
        (
            Estimate.undefined(2, "halves need at least 2 prompts in each pole"),
            "undetermined",
            False,
        ),
        (Estimate.exact(0.001, 20), "undetermined", True),
    ],
)
def test_a_stable_vector_is_no_cause_and_an_undefined_one_says_why(
    healthy, split_half, verdict, marked
):
    found = judged_by(dataclasses.replace(healthy, split_half=split_half), "unstable_vector")
    assert (found.verdict, found.marked) == (verdict, marked)
    assert split_half.reason is None or split_half.reason in found.summary


def test_layers_that_a_massive_coordinate_spoils_are_named_at_the_best_one(healthy):
    found = judged_by(
        dataclasses.replace(healthy, massive_elsewhere=(2, 3, 7)), "massive_coordinate"
    )
    assert found.verdict == "ruled out"
    assert "In layers 2-3, 7 one coordinate holds 30% or more" in found.summary
    assert "In layer" not in judged_by(healthy, "massive_coordinate").summary


def test_the_base_of_every_gain_is_the_mean_difference(healthy):
    gain = healthy.trial(("unit_rows",)).gain
    by_hand = [
        stats.pearsonr(healthy.drifts[m], healthy.cases.behaviour).statistic
        for m in ("unit_rows", MEAN_DIFFERENCE)
    ]
    assert gain.value == pytest.approx(by_hand[0] - by_hand[1])
    same = healthy.trial((MEAN_DIFFERENCE,)).gain
    assert (same.value, same.low, same.high, same.p) == (0.0, 0.0, 0.0, None)
    assert same.reason == ALIKE


def test_a_zero_activation_has_no_direction_and_is_no_fault(healthy):
    gram = healthy.gram.copy()
    gram[0] = gram[:, 0] = 0
    found = diagnose(dataclasses.replace(healthy, gram=gram)).judgements
    for cause in ("direction_outliers", "magnitude_outliers"):
        judged = next(j for j in found if j.cause == cause)
        assert (judged.verdict, judged.weight, judged.rows) == ("undetermined", 0.0, ())
        assert "activation is zero" in judged.summary


def test_a_vector_that_is_zero_accuses_nothing_that_r_would_show(healthy):
    flat = dataclasses.replace(
        healthy, drifts_by_layer=each_drift(healthy, np.zeros_like), layer_given=False
    )
    few = judged_by(flat, "few_scenarios")
    assert few.verdict == "undetermined" and few.summary.endswith("the projections do not vary.")
    assert judged_by(flat, "other_layer").verdict == "undetermined"


def test_with_too_few_cases_for_halves_it_is_said_that_held_out_r_is_undefined(healthy):
    eight = with_cases(clustered(healthy, 8, 1, 0.2), groups=())
    drift = eight.drifts[MEAN_DIFFERENCE]
    layers = {MEAN_DIFFERENCE: {eight.layer: drift, eight.layer + 1: drift**3}}
    few = dataclasses.replace(eight, layer_given=False, drifts_by_layer=layers)
    judged = judged_by(few, "few_scenarios")
    assert judged.verdict == "supported"
    assert judged.summary == (
        "8 cases; r held out is undefined: halves need at least 10 scenarios, not 8."
    )
    (row,) = judged.rows
    assert "held out" in row.name and row.estimate.value is None


def test_a_vector_without_dominance_says_why(healthy):
    for reason, said in (
        ("the two poles have the same mean, so the vector is zero", "The vector is zero."),
        ("not computed in this run: derive again", "Not computed in this run: derive again."),
    ):
        missing = Estimate.undefined(len(healthy.high), reason)
        found = diagnose(dataclasses.replace(healthy, dominance=missing)).judgements
        judged = next(j for j in found if j.cause == "massive_coordinate")
        assert (judged.verdict, judged.summary) == ("undetermined", said)
        assert judged.rows[0].estimate.value is None
