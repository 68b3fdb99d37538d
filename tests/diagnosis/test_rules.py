"""Every rule on planted cells, on healthy ones, and where the data cannot tell."""

from __future__ import annotations

import dataclasses
import inspect
import json

import numpy as np
import pytest
from scipy import stats

from backend.cli.main import main
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.errors import StoreError
from backend.phantom.causes import CAUSES, NONE
from backend.phantom.plan import plan_of
from backend.runs.phantom_run import publish_phantom
from backend.views.diagnosis.compute import diagnose_run
from backend.views.diagnosis.diagnose import RULES, diagnose
from backend.views.diagnosis.rules import outliers, unreliable_judge
from tests.support.phantoms import phantom_cells
from tests.support.runs import publish_run
from tests.support.studies import small_study

SIZES = {"models": 1, "traits": 2, "layers": 12, "prompts": 10, "width": 256}


def cells(causes, seed, strength=1.0, **sizes):
    plan = plan_of("test", seed, causes, strength, **(SIZES | sizes))
    return list(phantom_cells(plan, 6))


@pytest.fixture(scope="module")
def healthy():
    return cells([NONE], 41)[0].evidence


@pytest.mark.parametrize(
    "cause", [c.name for c in CAUSES if c.harms and c.place not in ("study", "model")]
)
def test_the_planted_cause_comes_first_and_its_neighbour_is_not_accused(cause):
    planted, neighbour = (diagnose(cell.evidence) for cell in cells([cause], 42))
    assert planted.supported[0].cause == cause, planted.headline
    assert planted.headline.endswith(".") and planted.supported[0].title.lower() in planted.headline
    assert neighbour.supported == () and neighbour.headline.startswith("Works")
    assert len(planted.judgements) == len(RULES)
    fix = planted.supported[0].fix
    if fix is not None and cause != "length_confound":
        assert fix.gain.low > 0


def test_few_scenarios_are_named_where_r_leaves_the_status_open():
    for cell in cells(["few_scenarios"], 43):
        r = diagnose(cell.evidence).r
        supported = [j.cause for j in diagnose(cell.evidence).supported]
        assert ("few_scenarios" in supported) == (r.low < 0.2 and r.high > 0.3)


def test_another_scale_changes_no_judgement(healthy):
    drifts = {name: 25 * d for name, d in healthy.drifts.items()}
    layer_drifts = {layer: 25 * d for layer, d in healthy.layer_drifts.items()}
    scaled = dataclasses.replace(
        healthy, gram=625 * healthy.gram, drifts=drifts, layer_drifts=layer_drifts
    )
    for a, b in zip(diagnose(healthy).judgements, diagnose(scaled).judgements, strict=True):
        assert (a.cause, a.verdict) == (b.cause, b.verdict)
        assert a.weight == pytest.approx(b.weight)


def test_order_of_cases_and_prompts_changes_no_verdict(healthy):
    rng = np.random.default_rng(3)
    cases, prompts = rng.permutation(healthy.n), rng.permutation(len(healthy.high))
    shuffled = dataclasses.replace(
        healthy,
        gram=healthy.gram[np.ix_(prompts, prompts)],
        high=healthy.high[prompts],
        drifts={name: d[cases] for name, d in healthy.drifts.items()},
        layer_drifts={layer: d[cases] for layer, d in healthy.layer_drifts.items()},
        behaviour=healthy.behaviour[cases],
        first_scores=healthy.first_scores[cases],
        last_scores=healthy.last_scores[cases],
        length_drift=healthy.length_drift[cases],
    )
    before = {j.cause: j.verdict for j in diagnose(healthy).judgements}
    assert {j.cause: j.verdict for j in diagnose(shuffled).judgements} == before


def test_a_marker_without_a_measured_gain_is_undetermined():
    """At a strength where outliers are seen but do no harm, nothing is accused."""
    (cell, _) = cells(["direction_outliers"], 44, strength=0.25)
    judged = {j.cause: j for j in diagnose(cell.evidence).judgements}
    assert judged["direction_outliers"].weight > 1
    gain = judged["direction_outliers"].fix.gain
    assert judged["direction_outliers"].verdict == ("supported" if gain.low > 0 else "undetermined")


def test_mixed_causes_are_both_among_the_first_three():
    for pair, seed in (
        (("massive_coordinate", "length_confound"), 45),
        (("direction_outliers", "floor"), 46),
    ):
        (cell, _) = cells(pair, seed)
        open_ones = [
            j.cause for j in diagnose(cell.evidence).judgements if j.verdict != "ruled out"
        ]
        assert set(pair) <= set(open_ones[:3]), open_ones


def test_outlier_markers_by_hand():
    (cell, _) = cells(["magnitude_outliers"], 47)
    ratios, gaps = outliers.markers(cell.evidence)
    gram, high = cell.evidence.gram, cell.evidence.high
    norms = np.sqrt(np.diag(gram))
    for pole in (high, ~high):
        relative = norms[pole] / np.median(norms[pole])
        np.testing.assert_allclose(ratios[pole], np.maximum(relative, 1 / relative))
        block = (gram / np.outer(norms, norms))[np.ix_(pole, pole)]
        typical = [np.median(np.delete(row, i)) for i, row in enumerate(block)]
        np.testing.assert_allclose(gaps[pole], np.median(typical) - typical)


def test_a_negative_stability_is_not_taken_for_error(healthy):
    """Planned drifts make scores of t1 and tN correlate negatively: that is structure."""
    flipped = dataclasses.replace(healthy, last_scores=10 - healthy.last_scores, drifts={})
    judged = unreliable_judge.judge(flipped)
    assert judged.verdict == "ruled out"
    expected = stats.pearsonr(flipped.first_scores, flipped.last_scores).statistic
    assert judged.rows[0].estimate.value == pytest.approx(expected) and expected < -0.2


def test_levels_and_missing_vectors_are_undetermined_or_ruled_out_not_errors(healthy):
    bare = dataclasses.replace(
        healthy, drifts={}, layer_drifts={}, first_scores=None, dominance=None
    )
    found = diagnose(bare)
    assert found.r.value is None and found.supported == ()
    empty = dataclasses.replace(
        bare, behaviour=np.zeros(0), last_scores=np.zeros(0), length_drift=np.zeros(0)
    )
    assert "undefined" in diagnose(empty).headline or diagnose(empty).supported


def test_every_rule_says_what_it_measures_why_and_what_looks_alike():
    assert len({rule.cause for rule in RULES}) == len(RULES)
    planted = {cause.name for cause in CAUSES if cause.harms}
    # Phantoms are drawn as pooled activations, so they have no first token to plant.
    assert {rule.cause for rule in RULES} == planted | {"first_token"}
    for rule in RULES:
        text = inspect.getdoc(rule.judge)
        assert "Measured:" in text and "Why:" in text and "Confusions:" in text, rule.cause


def test_a_stored_run_is_diagnosed_as_its_arrays_are(settings):
    sizes = SIZES | {"layers": 2, "scenarios": 100, "width": 64}
    plan = plan_of("stored", 48, ["direction_outliers"], 1.0, **sizes)
    _, (run_id,) = publish_phantom(settings, plan, lambda _: None)
    # The arrays of a phantom are drawn for twice the scenarios, so the run is checked by itself.
    for diagnosis in diagnose_run(settings, run_id, layer=1):
        assert len(diagnosis.judgements) == len(RULES)
        assert diagnosis.layer == 1 and diagnosis.r.n == 100
    (found,) = diagnose_run(settings, run_id, trait="trait_1", layer=1)
    assert found.supported[0].cause == "direction_outliers"
    with pytest.raises(StoreError, match="no cell with trait nothing"):
        diagnose_run(settings, run_id, trait="nothing")


def test_the_command_prints_text_and_json(settings, tiny_llama, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    publish_run(settings, small_study(scenarios=30), tiny_llama, "run", (1, 2))
    assert main(["diagnose", "run", "--trait", "warmth"]) == 0
    assert "warmth, layer" in capsys.readouterr().out
    assert main(["diagnose", "run", "--json", "--layer", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [d["layer"] for d in found] == [2, 2]
    assert {j["verdict"] for j in found[0]["judgements"]} <= {
        "supported",
        "undetermined",
        "ruled out",
    }
    publish_run(settings, small_study(name="level", turns=False), tiny_llama, "level", (1,))
    assert main(["diagnose", "level"]) == 0
    publish_run(settings, small_study(name="bare", scenarios=0), tiny_llama, "bare", (1,))
    assert main(["diagnose", "bare"]) == 0
    assert "r is undefined" in capsys.readouterr().out
    assert main(["diagnose", "run", "--layer", "7"]) == 1
    assert "and layer 7" in capsys.readouterr().err


def test_the_base_of_every_gain_is_the_mean_difference(healthy):
    gain = healthy.gain(healthy.drifts["unit_rows"], healthy.drifts[MEAN_DIFFERENCE])
    by_hand = [
        stats.pearsonr(healthy.drifts[m], healthy.behaviour).statistic
        for m in ("unit_rows", MEAN_DIFFERENCE)
    ]
    assert gain.value == pytest.approx(by_hand[0] - by_hand[1])
    same = healthy.gain(healthy.drifts[MEAN_DIFFERENCE], healthy.drifts[MEAN_DIFFERENCE])
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
