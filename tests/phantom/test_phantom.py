"""The phantom plants what it says, where it says, and nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from backend.cli.main import main
from backend.errors import PhantomError
from backend.phantom.causes import CAUSES, CAUSES_BY_NAME, NONE
from backend.phantom.geometry import best_layer, simulate_layer
from backend.phantom.latents import draw_latents, judge, words
from backend.phantom.plan import FEW, PhantomPlan, plan_of
from backend.runs.phantom_run import publish_phantom
from backend.store.catalog import run_summary
from backend.store.run_record import SIMULATED
from tests.support.views import card

SIZES = {"models": 1, "traits": 8, "layers": 12, "scenarios": 300, "prompts": 10, "width": 256}
MIDDLE = 6


def drawn(plan: PhantomPlan, layer: int = MIDDLE, model: int = 0):
    """Prompts [traits, 2, n, d], responses [S, 2, d] and scores of one model and layer."""
    rng = np.random.default_rng(plan.seed)
    latents = draw_latents(plan, rng)
    scores = judge(plan, latents, rng)
    found = simulate_layer(plan, latents, model, layer)
    prompts = found.prompts.astype(np.float64).reshape(plan.traits, 2, plan.prompts, plan.width)
    responses = found.responses.astype(np.float64).reshape(plan.scenarios, 2, plan.width)
    return prompts, responses, scores, latents


def rs(plan: PhantomPlan, layer: int = MIDDLE, model: int = 0):
    """r of every trait by the definition, [traits]."""
    prompts, responses, scores, _ = drawn(plan, layer, model)
    found = []
    for trait in range(plan.traits):
        v = prompts[trait, 0].mean(0) - prompts[trait, 1].mean(0)
        drift = np.diff(responses @ v / np.linalg.norm(v), axis=1)[:, 0]
        found.append(stats.pearsonr(drift, np.diff(scores[..., trait], axis=1)[:, 0]).statistic)
    return np.array(found)


def test_healthy_cells_look_like_the_studys_working_ones():
    plan = plan_of("p", 1, [NONE], **SIZES)
    prompts, *_ = drawn(plan)
    assert (rs(plan) > 0.3).all() and (rs(plan) < 0.75).all()
    unit = prompts / np.linalg.norm(prompts, axis=-1, keepdims=True)
    cosines = np.einsum("tpid,tpjd->tpij", unit, unit)[..., *np.triu_indices(10, 1)].mean(-1)
    assert (cosines > 0.85).all() and (cosines < 0.95).all()


@pytest.mark.parametrize("cause", [c.name for c in CAUSES if c.harms and c.place != "study"])
def test_a_cause_harms_its_cells_and_no_others(cause):
    plan = plan_of("p", 2, [cause], **SIZES)
    found = rs(plan)
    assert all(plan.planted(0, t) == (cause,) for t in range(4))
    assert all(plan.planted(0, t) == (NONE,) for t in range(4, 8))
    assert found[:4].mean() < 0.35 and found[4:].mean() > 0.5
    assert found[:4].max() < found[4:].min()


@pytest.mark.parametrize("cause", [c.name for c in CAUSES if c.place not in ("study", "model")])
def test_strength_zero_plants_nothing(cause):
    nothing = rs(plan_of("p", 3, [NONE], **SIZES))
    planted = rs(plan_of("p", 3, [cause], strength=0.0, **SIZES))
    np.testing.assert_allclose(planted[4:], nothing[4:], atol=1e-12)
    if cause != "other_layer":  # whose best layer moves, and the profile with it
        np.testing.assert_allclose(planted, nothing, atol=1e-12)


def test_a_unit_scale_changes_units_only():
    plain = plan_of("p", 4, [NONE], **SIZES)
    scaled = plan_of("p", 4, ["unit_scale"], **SIZES)
    assert scaled.scales == (25.0,) and scaled.planted(0, 7) == ("unit_scale",)
    a, b = drawn(plain), drawn(scaled)
    np.testing.assert_allclose(b[0], 25 * a[0], rtol=1e-5)
    np.testing.assert_allclose(rs(scaled), rs(plain), atol=1e-6)


def test_signal_is_in_the_other_layer_and_only_there():
    plan = plan_of("p", 5, ["other_layer"], **SIZES)
    best = best_layer(plan, 0, 0)
    assert best != MIDDLE and best_layer(plan, 0, 5) == MIDDLE
    assert rs(plan, best)[:4].mean() > 0.4
    others = [layer for layer in range(1, 13) if layer != best]
    assert np.abs([rs(plan, layer)[:4] for layer in others]).mean() < 0.1


def test_scores_show_their_cause():
    for cause, check in (
        ("floor", lambda s: (s == 0).mean() > 0.8),
        ("compressed", lambda s: s.std() < 0.5 and abs(s.mean() - 5) < 0.1),
        ("unreliable_judge", lambda s: 1.5 < s.std() < 3),
        (NONE, lambda s: 2 < s.std() < 2.5 and set(np.unique(s)) <= set(range(11))),
    ):
        plan = plan_of("p", 6, [cause], **SIZES)
        _, _, scores, latents = drawn(plan)
        assert check(scores[..., 0]), cause
        reliability = (
            stats.pearsonr(scores[..., 0].ravel(), latents.behaviour[..., 0].ravel()).statistic ** 2
        )
        assert (reliability > 0.7) == (cause == NONE), (cause, reliability)
        assert scores[..., 7].std() > 2


def test_concept_length_and_linearity():
    prompts, responses, _, latents = drawn(plan_of("p", 7, ["unlike_concept"], **SIZES))
    v = prompts[0, 0].mean(0) - prompts[0, 1].mean(0)
    projection = (responses @ v).ravel()
    assert stats.pearsonr(projection, latents.concept[..., 0].ravel()).statistic > 0.6
    assert abs(stats.pearsonr(projection, latents.behaviour[..., 0].ravel()).statistic) < 0.15
    prompts, responses, _, latents = drawn(plan_of("p", 8, ["length_confound"], **SIZES))
    v = prompts[0, 0].mean(0) - prompts[0, 1].mean(0)
    assert stats.pearsonr((responses @ v).ravel(), words(latents).ravel()).statistic > 0.5
    prompts, responses, _, latents = drawn(plan_of("p", 9, ["not_linear"], **SIZES))
    v = prompts[0, 0].mean(0) - prompts[0, 1].mean(0)
    projection, behaviour = (responses @ v).ravel(), latents.behaviour[..., 0].ravel()
    assert abs(stats.pearsonr(projection, behaviour).statistic) < 0.15
    centred = np.abs(projection - projection.mean())
    assert stats.pearsonr(centred, np.abs(behaviour)).statistic > 0.2


def test_mixed_causes_share_cells_and_few_scenarios_take_all():
    plan = plan_of("p", 10, ["direction_outliers", "floor"], **SIZES)
    assert plan.planted(0, 0) == ("direction_outliers", "floor")
    few = plan_of("p", 10, ["few_scenarios"], models=1)
    assert few.scenarios == FEW and few.planted(0, 7) == ("few_scenarios",)


def test_a_seed_is_repeatable_and_another_is_another():
    a = drawn(plan_of("p", 11, [NONE], **SIZES))
    b = drawn(plan_of("p", 11, [NONE], **SIZES))
    c = drawn(plan_of("p", 12, [NONE], **SIZES))
    np.testing.assert_array_equal(a[1], b[1])
    assert np.abs(a[1] - c[1]).max() > 0.1


def test_a_published_phantom_is_labelled_and_its_scorecard_is_the_definition(settings):
    sizes = {"models": 2, "traits": 2, "layers": 2, "scenarios": 40, "prompts": 5, "width": 64}
    plan = plan_of("demo", 13, ["direction_outliers"], **sizes)
    ref, run_ids = publish_phantom(settings, plan, lambda _: None)
    assert publish_phantom(settings, plan, lambda _: None) == (ref, run_ids)
    summary = run_summary(settings, run_ids[1])
    assert summary.record.model_source == SIMULATED
    assert summary.study_provenance.startswith("Simulated") and "simulated" in summary.study_title
    for layer in (1, 2):
        shown_card = card(settings, run_ids, layer=layer)
        for model, run_id in enumerate(run_ids):
            expected = rs(plan, layer, model)
            shown = [shown_card.cells[run_id, t].correlation.value for t in summary.traits]
            assert shown == pytest.approx(expected, abs=1e-5)


def test_the_command_and_its_faults(settings, monkeypatch, capsys):
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    sizes = "--models 1 --traits 1 --layers 1 --scenarios 20 --prompts 3 --width 64".split()
    assert main(["phantom", "--cause", "floor", "--seed", "1", "--name", "x", *sizes]) == 0
    assert len(list(settings.runs.iterdir())) == 1
    assert capsys.readouterr().out.startswith("x@")
    assert main(["phantom", "--cause", "gremlins", "--seed", "1", "--name", "y"]) == 1
    assert "knows no cause gremlins" in capsys.readouterr().err
    with pytest.raises(PhantomError, match="width = 8"):
        plan_of("p", 1, [NONE], width=8)
    with pytest.raises(PhantomError, match="strength"):
        plan_of("p", 1, [NONE], strength=-1.0)


def test_the_registry_is_complete():
    assert len(CAUSES_BY_NAME) == len(CAUSES) == 13
    for cause in CAUSES:
        assert cause.title and cause.meaning.endswith(".")
    harmless = [c.name for c in CAUSES if not c.harms]
    assert harmless == [NONE, "unit_scale"]
    assert dataclasses.is_dataclass(CAUSES[0])
