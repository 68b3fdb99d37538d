"""The Layers and Scores pages on every kind of store, and what their switches change."""

from __future__ import annotations

import pytest

from backend.views.layers.compute import layer_choices
from backend.views.layers.words import choice_sentence
from backend.views.scores.compute import score_columns
from backend.views.scores.words import column_answer
from tests.support.pages import opened, words
from tests.support.phantom_store import publish_small_phantom
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study, two_responders

LAYERS, SCORES = "pages/layers.py", "pages/scores.py"


@pytest.mark.parametrize("page", [LAYERS, SCORES])
def test_an_empty_store_says_what_to_do(store, page):
    assert "make run" in words(opened(page))


@pytest.mark.parametrize("page", [LAYERS, SCORES])
@pytest.mark.parametrize("kind", ["level", "none"])
def test_studies_without_drift_open(store, tiny_llama, page, kind):
    study = small_study(turns=False, scenarios=12 if kind == "level" else 0)
    publish_run(store, study, tiny_llama, "run-1", (1,))
    said = words(opened(page))
    if page == LAYERS:
        expected = {"level": "the only one extracted", "none": "There is no best layer"}
    else:
        expected = {"level": "have no turn", "none": "no scored responses"}
    assert expected[kind] in said


def test_layers_says_what_the_query_says(store):
    _, (run_id, _) = publish_small_phantom(store)
    app = opened(LAYERS, run=run_id, trait="trait_2")
    choices = results(store).of_run(layer_choices, run_id, "default", store.thresholds)
    assert choice_sentence(choices[1]) in words(app)
    assert len(app.get("plotly_chart")) == 1 and not app.dataframe
    table = opened(LAYERS, run=run_id, layers_view="traits").dataframe[0].value
    assert list(table["p adjusted"]) == [f"{c.adjusted_p:.4f}" for c in choices]


@pytest.mark.parametrize(("view", "charts"), [("traits", 1), ("models", 1), ("prompts", 2)])
def test_layers_draws_only_what_is_shown(store, view, charts):
    publish_small_phantom(store)
    app = opened(LAYERS, layers_view=view)
    assert len(app.get("plotly_chart")) == charts
    assert app.query_params["layers_view"] == view


def test_a_button_puts_the_best_layer_into_the_sidebar(store):
    _, (run_id, _) = publish_small_phantom(store)
    best = results(store).of_run(layer_choices, run_id, "default", store.thresholds)[0].layer
    app = opened(LAYERS, run=run_id, trait="trait_1")
    (button,) = [b for b in app.button if b.label == f"Use layer {best} on all pages"]
    button.click().run()
    assert not app.exception
    assert app.session_state["layer"] == str(best)


@pytest.mark.parametrize("compare", ["runs", "traits"])
def test_comparisons_and_the_bootstrap_are_in_the_address(store, compare):
    publish_small_phantom(store)
    app = opened(LAYERS, compare=compare, interval="bootstrap")
    assert app.query_params["compare"] == compare
    assert app.query_params["interval"] == "bootstrap"
    assert len(app.get("plotly_chart")) == 1


def test_scores_shows_every_trait_and_moves_its_thresholds(store):
    _, (run_id, _) = publish_small_phantom(store)
    columns = results(store).of_run(score_columns, run_id)
    app = opened(SCORES, run=run_id, trait="trait_1")
    assert column_answer(columns[0]) in words(app)
    assert len(app.get("plotly_chart")) == 2
    table = opened(SCORES, run=run_id, scores_view="traits").dataframe[0].value
    assert list(table["in use"]) == [str(c.distinct) for c in columns]
    app = opened(SCORES, run=run_id, scores_view="poles", high_at_least=9.0, low_at_most=0.5)
    assert app.query_params["high_at_least"] == "9"
    assert "(≥ 9 and ≤ 0.5)" in words(app)
    overlapping = opened(
        SCORES, run=run_id, scores_view="poles", high_at_least=2.0, low_at_most=2.0
    )
    assert "move the two sliders apart" in words(overlapping)


@pytest.mark.parametrize(
    ("view", "charts", "tables"),
    [("judge", 1, 0), ("length", 2, 1), ("ranks", 1, 2), ("compression", 0, 1), ("poles", 1, 0)],
)
def test_scores_computes_only_what_is_shown(store, view, charts, tables):
    publish_small_phantom(store)
    app = opened(SCORES, scores_view=view)
    assert len(app.get("plotly_chart")) == charts and len(app.dataframe) == tables
    assert app.query_params["scores_view"] == view


def test_scores_of_one_responder(store, tiny_llama):
    publish_run(store, two_responders(), tiny_llama, "two", (1,))
    app = opened(SCORES, responder="someone", scores_view="traits")
    assert set(app.dataframe[0].value["cases"]) == {"20"}
    every = opened(SCORES, scores_view="traits")
    assert set(every.dataframe[0].value["cases"]) == {"40"}
