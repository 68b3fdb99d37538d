"""Transfer and Methods: the pages say what the queries find, and what is missing."""

from __future__ import annotations

import pytest

from backend.core.vectors.pipeline import Pipeline
from backend.runs.saved_vectors import save_vector
from backend.store.catalog import run_summary
from backend.views.methods.comparison import method_choice, method_comparison
from backend.views.methods.words import choice_answer, overall_answer
from backend.views.transfer.compute import transfer_view
from backend.views.transfer.words import answer
from tests.support.pages import opened, words
from tests.support.phantom_store import publish_small_phantom
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study

TRANSFER, METHODS = "pages/transfer.py", "pages/methods.py"


def test_without_two_runs_the_published_table_is_shown(store, tiny_llama):
    for text in (words(opened(TRANSFER)), None):
        if text is None:
            publish_run(store, small_study(), tiny_llama, "run-1")
            text = words(opened(TRANSFER))
        assert "A comparison needs runs of two models" in text
        assert "The study mentions five failing traits" in text


@pytest.mark.parametrize("page", [TRANSFER, METHODS])
def test_a_broken_store_names_the_files(store, page):
    (store.runs / "bad.duckdb").write_text("junk")
    assert "bad.duckdb" in words(opened(page))


def test_transfer_counts_its_family_and_says_who_is_judged(store):
    _, run_ids = publish_small_phantom(store)
    traits = run_summary(store, run_ids[0]).traits
    app = opened(TRANSFER)
    text = words(app)
    view = results(store).with_saved(transfer_view, run_ids, traits, "default")
    # Judged on the same responses, A → B and B → A are one comparison.
    assert view.judged_alike and view.tests() == len(view.transfers) // 2
    assert view.tests(traits[0]) == view.tests() // len(traits)
    assert f"over all {view.tests()} comparisons" in text
    assert answer(view, traits[0]) in text and "written by `simulated`" in text
    assert "with the highest r of its own" in text
    assert "an agreement needs two responders" in words(opened(TRANSFER, transfer_view="ceilings"))
    for shown in ("trait", "pair"):
        assert len(opened(TRANSFER, transfer_view=shown).get("plotly_chart")) == 1
    app = opened(TRANSFER, transfer_view="numbers")
    table = app.dataframe[0].value
    assert len(table) == len(view.transfers)
    assert list(table["matched"]) == [60] * len(view.transfers)
    at_a_layer = opened(TRANSFER, layer="2", matched="scenario")
    assert "with the highest r of its own" not in words(at_a_layer)
    assert "reads its own response to a scenario" in words(at_a_layer)
    assert "The study mentions five failing traits" in words(opened(TRANSFER, transfer="published"))
    assert "at least two runs" in words(opened(TRANSFER, transfer_runs=[run_ids[0]]))


def test_saved_vectors_are_shown_as_selected(store):
    _, run_ids = publish_small_phantom(store)
    trait = run_summary(store, run_ids[0]).traits[0]
    save_vector(store, "mine", run_ids[0], trait, "default", 1, Pipeline())
    assert "named in the Filter lab" in words(opened(TRANSFER))
    text = words(opened(METHODS, run=run_ids[0]))
    assert "is a vector saved in the Filter lab" in text


def test_methods_show_what_the_queries_find(store):
    _, run_ids = publish_small_phantom(store)
    trait = run_summary(store, run_ids[0]).traits[1]
    assert "Not computed in this run: Logistic probe" in words(opened(METHODS, run=run_ids[0]))
    app = opened(METHODS, run=run_ids[0], trait=trait, methods_view="trait")
    comparison = results(store).with_saved(method_comparison, run_ids[:1], "default")
    by_method = app.dataframe[0].value.set_index("method")
    lda = comparison.grid.results["lda", trait]
    assert by_method.loc["Shrunk LDA"]["layer"] == str(lda.layer)
    assert by_method.loc["Shrunk LDA"]["r (Fisher)"].startswith(f"{lda.correlation.value:+.2f}")
    assert overall_answer(comparison) in words(app)
    choice = results(store).of_run(method_choice, run_ids[0], trait, "default")
    app = opened(METHODS, run=run_ids[0], trait=trait, methods_view="choice")
    assert f"{choice.held_out.value:+.2f}" in app.dataframe[0].value["r"][1]
    assert choice_answer(choice) in words(app)
    for view, charts in (("overall", 1), ("prompts", 2), ("cosines", 1)):
        assert len(opened(METHODS, methods_view=view).get("plotly_chart")) in (charts, 0)
    at_a_layer = opened(METHODS, run=run_ids[0], layer="2", methods_view="trait")
    assert set(at_a_layer.dataframe[0].value["layer"]) == {"2", "–"}


@pytest.mark.parametrize("kind", ["level", "none"])
def test_methods_open_on_every_kind_of_study(store, tiny_llama, kind):
    study = small_study(turns=False, scenarios=0 if kind == "none" else 12)
    publish_run(store, study, tiny_llama, "run-1")
    app = opened(METHODS)
    assert "Which vector method wins?" in words(app)
    assert f"r over {kind}s" in words(app) or kind == "none"
