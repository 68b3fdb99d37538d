"""The best layer and its worth against r computed anew from stored activations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from backend.errors import StoreError
from backend.views.layers.compute import choice_of, layer_choices
from tests.support.drifts import drifts_of
from tests.support.phantom_store import publish_small_phantom
from tests.support.raw import reading_run
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study


def choices_of(settings, run_id):
    """The best layers of a run's default prompts."""
    return results(settings).of_run(layer_choices, run_id, "default", settings.thresholds)


def test_the_best_layer_its_p_and_its_null_are_those_of_the_activations(settings):
    _, (run_id, _) = publish_small_phantom(settings)
    choices = choices_of(settings, run_id)
    assert [c.trait for c in choices] == ["trait_1", "trait_2", "trait_3"]
    rng = np.random.default_rng(5)
    for choice in choices:
        drifts, behaviour = drifts_of(settings, run_id, choice.trait)
        rs = {layer: stats.pearsonr(d, behaviour) for layer, d in drifts.items()}
        best = max(rs, key=lambda layer: rs[layer].statistic)
        assert choice.layer == best and choice.layers == tuple(drifts)
        assert choice.correlation.value == pytest.approx(rs[best].statistic, abs=1e-6)
        interval = rs[best].confidence_interval()
        assert (choice.correlation.low, choice.correlation.high) == pytest.approx(
            tuple(interval), abs=1e-6
        )
        assert choice.rank.value == pytest.approx(
            stats.spearmanr(drifts[best], behaviour).statistic, abs=1e-6
        )
        null = []
        for _ in range(2000):
            shuffled = rng.permutation(behaviour)
            null.append(max(np.corrcoef(d, shuffled)[0, 1] for d in drifts.values()))
        assert choice.null_95 == pytest.approx(np.quantile(null, 0.95), abs=0.04)
        assert choice.p == pytest.approx(
            np.mean(np.array(null) >= choice.correlation.value), abs=0.04
        )
        held = choice.held_out
        assert held.low < held.value < held.high and held.n == len(behaviour)
    expected = multipletests([c.p for c in choices], method="fdr_bh")[1]
    assert [c.adjusted_p for c in choices] == pytest.approx(list(expected))


def test_the_ends_of_the_layers_are_told_apart_from_the_models(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "inner", (1, 2))
    publish_run(settings, small_study(), tiny_llama, "whole", (0, 1, 2, 3))
    publish_run(settings, small_study(), tiny_llama, "one", (1,))
    for choice in choices_of(settings, "inner"):
        assert choice.beyond == {1: "earlier", 2: "later"}[choice.layer]
    for run_id in ("whole", "one"):
        assert all(c.beyond is None for c in choices_of(settings, run_id))
    assert [c.layer for c in choices_of(settings, "one")] == [1, 1]


def test_without_responses_there_is_no_best_layer_and_a_reason(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "bare")
    for choice in choices_of(settings, "bare"):
        assert (choice.layer, choice.p, choice.adjusted_p) == (None, None, None)
        assert choice.status == "undefined" and choice.held_out.value is None
        assert "at least 3" in choice.correlation.reason


def test_an_undefined_held_out_r_gives_the_reason_of_r_else_of_the_choice(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=5), tiny_llama, "few")
    with reading_run(settings, "few") as connection:
        rows = dict(connection.execute("SELECT trait, reason FROM best_layers").fetchall())
    for choice in choices_of(settings, "few"):
        assert choice.correlation.value is not None and choice.correlation.reason is None
        assert choice.held_out.value is None and choice.held_out.reason == rows[choice.trait]
        assert "at least 10 scenarios" in choice.held_out.reason
        assert choice.held_out.n == 5
    publish_run(settings, small_study(scenarios=2), tiny_llama, "fewer")
    for choice in choices_of(settings, "fewer"):
        assert choice.held_out.reason == choice.correlation.reason
        assert "at least 3 scored scenarios" in choice.held_out.reason


def test_a_trait_without_prompts_of_the_set_is_named(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run", (1,))
    choices = choices_of(settings, "run")
    assert choice_of(choices, "haste") == choices[1]
    with pytest.raises(StoreError, match="'other' has no prompts"):
        choice_of(choices, "other")
