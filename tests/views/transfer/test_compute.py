"""Transfers of real runs equal what scipy makes of the runs' own tables."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from backend.core.vectors.pipeline import Pipeline
from backend.runs.saved_vectors import save_vector
from backend.store.catalog import run_list, run_summary
from backend.views.transfer.compute import related_runs, scored_pairs, transfer_view
from backend.views.transfer.published import published_agreements, published_transfers
from backend.views.transfer.words import answer
from tests.support.phantom_store import publish_small_phantom
from tests.support.raw import reading_run
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study

TRAITS = ("warmth", "haste")


def answered_by_both():
    """A study that both tiny models are named as responders of."""
    study = small_study(name="both", scenarios=14)
    rng = np.random.default_rng(5)
    doubled = tuple(
        dataclasses.replace(
            r,
            responder=who,
            text=f"{r.text} {who}",
            scores={
                t: float(np.clip(s + shift * rng.normal(), 0, 10)) for t, s in r.scores.items()
            },
        )
        for who, shift in (("llama", 0.0), ("qwen2", 1.5))
        for r in study.responses
    )
    return dataclasses.replace(study, responses=doubled)


@pytest.fixture
def runs(settings, tiny_folders):
    study = answered_by_both()
    publish_run(settings, study, tiny_folders["llama"], "one")
    publish_run(settings, study, tiny_folders["qwen2"], "two")
    return ("one", "two")


def compared(settings, run_ids, *choices):
    return results(settings).with_saved(transfer_view, run_ids, *choices)


def related(settings, run_id):
    found = results(settings)
    return related_runs(
        run_id, run_list(settings).runs, lambda other: found.of_run(scored_pairs, other)
    )


def drifts(settings, run_id, trait, layer, responder):
    """Scenario -> projection drift, from activations and vectors themselves."""
    with reading_run(settings, run_id) as connection:
        vector = np.array(
            connection.execute(
                "SELECT vector FROM vectors WHERE method = 'mean_difference' AND trait = ?"
                " AND layer = ?",
                [trait, layer],
            ).fetchall()[0][0]
        )
        rows = connection.execute(
            "SELECT scenario, turn, activation FROM response_activations JOIN responses"
            " USING (response_id) WHERE layer = ? AND responder = ?",
            [layer, responder],
        ).fetchall()
        scores = connection.execute(
            "SELECT scenario, value FROM behaviours WHERE trait = ? AND responder = ?",
            [trait, responder],
        ).fetchall()
    at = {(s, turn): np.array(a, np.float64) @ vector for s, turn, a in rows}
    return {s: at[s, "tN"] - at[s, "t1"] for s, _ in scores}, dict(scores)


def test_r_of_every_pair_is_that_of_the_stored_activations(settings, runs):
    names = [run_summary(settings, run_id).label for run_id in runs]
    assert names == ["llama", "qwen2"]
    for by in ("text", "scenario"):
        view = compared(settings, runs, TRAITS, "default", 2, by)
        assert view.judged_on == {"llama": ("llama",), "qwen2": ("qwen2",)}
        assert len(view.transfers) == view.tests() == 4
        for found in view.transfers:
            a, b = found.activation_model, found.behaviour_model
            run_a, run_b = runs[names.index(a)], runs[names.index(b)]
            other, _ = drifts(settings, run_a, found.trait, 2, b if by == "text" else a)
            own, behaviour = drifts(settings, run_b, found.trait, 2, b)
            x, self_x, y = (
                np.array([part[s] for s in sorted(behaviour)]) for part in (other, own, behaviour)
            )
            assert found.cross_r.n == 14
            assert found.cross_r.value == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-6)
            assert found.self_r.value == pytest.approx(
                stats.pearsonr(self_x, y).statistic, abs=1e-6
            )
            assert found.between == pytest.approx(stats.pearsonr(x, self_x).statistic, abs=1e-6)
            assert view.own[found.trait, b].value == pytest.approx(found.self_r.value)
        ps = [f.difference.p for f in view.transfers]
        expected = stats.false_discovery_control(ps)
        assert [f.adjusted_p for f in view.transfers] == pytest.approx(list(expected))


def test_agreement_is_over_the_scenarios_of_both_responders(settings, runs):
    view = compared(settings, runs, TRAITS, "default")
    _, first = drifts(settings, "one", "haste", 1, "llama")
    _, second = drifts(settings, "one", "haste", 1, "qwen2")
    expected = stats.pearsonr(*([part[s] for s in sorted(first)] for part in (first, second)))
    found = next(a for a in view.agreements if a.trait == "haste")
    assert (found.first, found.second) == ("llama", "qwen2")
    assert found.r.value == pytest.approx(expected.statistic)
    low, high = expected.confidence_interval()
    assert (found.r.low, found.r.high) == pytest.approx((low, high))
    assert found.ceiling == pytest.approx(found.r.value)


def test_each_model_is_at_its_own_best_layer_or_all_at_one(settings, runs):
    best = compared(settings, runs, TRAITS, "default")
    with reading_run(settings, "two") as connection:
        rows = dict(
            connection.execute(
                "SELECT trait, layer FROM best_layers WHERE method = 'mean_difference'"
            ).fetchall()
        )
    assert {t: best.layers[t, "qwen2"] for t in TRAITS} == rows
    absent = compared(settings, runs, (*TRAITS, "other"), "default", 7)
    assert {f.cross_r.value for f in absent.transfers} == {None}
    reasons = {f.trait: f.cross_r.reason for f in absent.transfers}
    assert "layer 7 was not extracted" in reasons["haste"]
    assert "has no trait other" in reasons["other"]
    assert absent.tests() == 0


def test_runs_of_two_studies_share_what_is_word_for_word_the_same(settings, runs, tiny_folders):
    study = small_study(name="alone", scenarios=14)
    kept = tuple(r for r in answered_by_both().responses if r.responder == "llama")
    changed = tuple(
        dataclasses.replace(r, text=f"{r.text} still") if r.scenario == "s03" else r for r in kept
    )
    publish_run(settings, dataclasses.replace(study, responses=changed), tiny_folders["qwen2"], "3")
    assert related(settings, "one") == ("3",)
    view = compared(settings, ("one", "3"), TRAITS, "default", 1)
    onto_llama = [f for f in view.transfers if f.behaviour_model == "llama"]
    assert [f.cross_r.n for f in onto_llama] == [13, 13]


def test_one_responder_gives_no_ceiling_and_mirrored_differences(settings):
    _, run_ids = publish_small_phantom(settings)
    traits = run_summary(settings, run_ids[0]).traits
    view = compared(settings, run_ids, traits, "default")
    assert view.agreements == () and view.responders == ("simulated",)
    there, back = view.transfers[0], view.transfers[1]
    assert there.difference.value == pytest.approx(-back.difference.value)
    assert there.difference.p == pytest.approx(back.difference.p)
    assert related(settings, run_ids[0]) == ()


def test_a_saved_vector_is_a_further_source_corrected_apart(settings, runs):
    plain = compared(settings, runs, TRAITS, "default", 1)
    save_vector(settings, "mine", "one", "haste", "default", 1, Pipeline())
    view = compared(settings, runs, TRAITS, "default", 1)
    assert view.transfers == plain.transfers
    assert [(f.activation_model, f.behaviour_model) for f in view.saved] == [
        ("mine (saved, llama)", "llama"),
        ("mine (saved, llama)", "qwen2"),
    ]
    onto_other = next(
        f for f in plain.transfers if (f.trait, f.activation_model) == ("haste", "llama")
    )
    assert view.saved[1].cross_r.value == pytest.approx(onto_other.cross_r.value)
    # The same vector as its own: nothing to test.
    assert view.saved[0].difference.p is None and view.saved[0].difference.reason
    assert view.layers["haste", "mine (saved, llama)"] == 1


def test_the_published_table_is_as_printed_with_what_it_allows():
    pairs = {p.trait: p for p in published_transfers()}
    assert len(pairs) == 4
    pair = pairs["empathetic_responsiveness"]
    assert (pair.cross_r.value, pair.self_r.value) == (0.278, 0.240)
    assert pair.ceiling.value == 0.532
    z, half = np.arctanh(0.278), stats.norm.ppf(0.975) / np.sqrt(497)
    assert (pair.cross_r.low, pair.cross_r.high) == pytest.approx(
        (np.tanh(z - half), np.tanh(z + half))
    )
    assert "at least 0.90" in pair.needed
    assert "0 or more" in pairs["non_judgmental_acceptance"].needed
    assert pairs["uncritical_validation"].ceiling.value is None
    agreed = {(a.trait, a.first, a.second): a.r.value for a in published_agreements()}
    assert agreed["emotional_over_involvement", "llama3", "qwen2"] == 0.274


def test_a_layer_that_one_model_lacks_is_named(settings, tiny_folders):
    publish_run(settings, small_study(), tiny_folders["llama"], "one", layers=(1, 2))
    publish_run(settings, small_study(), tiny_folders["qwen2"], "two", layers=(1,))
    view = compared(settings, ("one", "two"), ("warmth",), "default", 2)
    assert "at this layer there is no vector of qwen2. Choose a layer" in answer(view, "warmth")
