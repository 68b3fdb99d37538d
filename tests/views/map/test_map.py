"""The map of a trait is of the activations that the run holds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.decomposition import PCA

from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.errors import StoreError
from backend.store.run import open_run
from backend.views.map import compute, words
from backend.views.map.compute import BASES, layer_of_map, trait_map
from backend.views.map.figures import map_figure
from backend.views.map.tables import point_rows
from tests.support.runs import publish_run
from tests.support.studies import small_study


@pytest.fixture
def run(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    with open_run(settings, "run-1") as opened:
        yield opened


def own(run, layer):
    ids = [p.prompt_id for p in run.prompts("warmth")]
    return run.prompt_activations(layer)[ids], np.concatenate(list(run.response_chunks(layer)))


@pytest.mark.parametrize("basis", [basis for basis in BASES if basis != "along"])
def test_points_lie_where_sklearn_puts_them(run, basis):
    found = trait_map(run, "warmth", "default", 2, basis)
    prompts, responses = own(run, 2)
    fitted = {
        "prompts": prompts,
        "responses": responses,
        "both": np.concatenate([prompts, responses]),
    }
    oracle = PCA(2, svd_solver="full").fit(fitted[basis])
    for points, rows in ((found.prompts, prompts), (found.responses, responses)):
        ours = np.array([(p.x, p.y) for p in points])
        theirs = oracle.transform(rows)
        signs = np.sign((theirs * ours).sum(axis=0))
        np.testing.assert_allclose(ours, theirs * signs, atol=1e-7 * np.abs(theirs).max())
    assert found.shares == pytest.approx(oracle.explained_variance_ratio_)


def test_the_arrow_is_the_stored_vector(run):
    found = trait_map(run, "warmth", "default", 2, "prompts")
    (stored,) = run.vectors("default", [("warmth", MEAN_DIFFERENCE, 2)])
    prompts, _ = own(run, 2)
    axes = PCA(2, svd_solver="full").fit(prompts).components_
    inside = axes @ stored.values
    arrow = np.subtract(found.high_mean, found.low_mean)
    assert np.abs(arrow) == pytest.approx(np.abs(inside), rel=1e-5)
    square = stored.values @ stored.values
    assert found.v_inside == pytest.approx(inside @ inside / square, rel=1e-5)
    assert (arrow >= 0).all()


def test_along_v_the_first_axis_is_the_stored_projection(run):
    found = trait_map(run, "warmth", "default", 2, "along")
    (stored,) = run.vectors("default", [("warmth", MEAN_DIFFERENCE, 2)])
    prompts, responses = own(run, 2)
    unit = stored.values / np.linalg.norm(stored.values)
    along = (responses - prompts.mean(axis=0)) @ unit
    np.testing.assert_allclose([p.x for p in found.responses], along, atol=1e-5 * np.ptp(along))
    assert found.high_mean[1] == pytest.approx(found.low_mean[1], abs=1e-9 * abs(along).max())
    assert "v carries" in words.answer(found)


def test_texts_poles_and_scores_are_the_studys(run):
    found = trait_map(run, "warmth", "default", 1, "prompts")
    study = run.study()
    for point in found.prompts:
        prompt = study.prompts[point.prompt_id]
        assert (point.text, point.pole) == (prompt.text, prompt.pole)
    for point, response in zip(found.responses, study.responses, strict=True):
        assert point.text == response.text[: compute.CHARACTERS]
        assert (point.scenario, point.turn) == (response.scenario, response.turn)
        assert point.score == response.scores["warmth"]
    rows = point_rows(found)
    assert len(rows) == len(found.prompts) + len(found.responses)


def test_many_texts_are_drawn_by_lot_and_said(run, monkeypatch):
    monkeypatch.setattr(compute, "MOST_RESPONSES", 5)
    monkeypatch.setattr(compute, "MOST_PROMPTS", 4)
    every = trait_map(run, "warmth", "default", 2, "responses")
    assert (len(every.prompts), len(every.responses)) == (4, 5)
    assert "4 of 10 prompts and 5 of" in words.left_out(every)
    # v is of all prompts, however few are drawn.
    prompts, responses = own(run, 2)
    high = np.array([p.pole == "high" for p in run.prompts("warmth")])
    v = prompts[high].mean(axis=0) - prompts[~high].mean(axis=0)
    shown = {p.text for p in every.responses}
    texts = [r.text for r in run.study().responses]
    drawn = responses[[i for i, t in enumerate(texts) if t in shown]]
    axes = PCA(2, svd_solver="full").fit(drawn).components_
    arrow = np.subtract(every.high_mean, every.low_mean)
    assert np.abs(arrow) == pytest.approx(np.abs(axes @ v), rel=1e-6)


def test_the_chart_draws_every_text_and_escapes_it(run):
    found = trait_map(run, "warmth", "default", 2, "prompts")
    evil = dataclasses.replace(found.prompts[0], text="<img src=x onerror=alert(1)>", cut=True)
    figure = map_figure(dataclasses.replace(found, prompts=(evil, *found.prompts[1:])))
    drawn = [t for t in figure.data if t.mode == "markers"]
    assert sum(len(t.x) for t in drawn) == len(found.prompts) + len(found.responses)
    hovers = " ".join(text for trace in drawn for text in trace.customdata)
    assert "<img" not in hovers and "&lt;img" in hovers and "…" in hovers
    names = {t.name for t in figure.data}
    assert {"high prompt", "low prompt", "v, from the low to the high mean"} <= names
    assert {t.marker.symbol for t in drawn} >= {"triangle-up", "triangle-down", "circle", "diamond"}


def test_a_study_without_responses_has_a_map_of_its_prompts(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0, turns=False), tiny_llama, "run-2")
    with open_run(settings, "run-2") as run:
        found = trait_map(run, "warmth", "default", 2, "prompts")
        assert found.responses == () and len(found.prompts) == 10
        empty = trait_map(run, "warmth", "default", 2, "responses")
        assert empty.reason == "a plane needs three points, and there are 0"
        assert words.answer(empty).startswith("There is no plane: ")
        assert layer_of_map(run, "warmth", "default") == run.summary().middle_layer


def test_what_has_no_vector_is_refused(run):
    for wrong in (("none", "default", 2), ("warmth", "none", 2), ("warmth", "default", 9)):
        with pytest.raises(StoreError, match="There is no vector of"):
            trait_map(run, *wrong, "prompts")


def test_the_first_layer_is_the_best(run):
    best = {b.trait: b.layer for b in run.best_layers(MEAN_DIFFERENCE, "default")}
    assert layer_of_map(run, "warmth", "default") == best["warmth"]
