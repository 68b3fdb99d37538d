"""The Report page offers what there is, says its size first, and makes nothing until asked."""

from __future__ import annotations

import pytest

from backend.exports.download import size_text
from backend.exports.report.page import expected_bytes
from backend.exports.tables import TableSource, list_tables, offered, total_bytes
from backend.exports.vectors import BEST, Choice, read_vectors
from backend.store.catalog import run_list
from backend.store.run import open_run
from backend.views.shared.view import View
from tests.support.pages import opened, words
from tests.support.phantom_store import publish_small_phantom
from tests.support.runs import publish_run
from tests.support.studies import small_study

PAGE = "pages/report.py"


@pytest.fixture
def run(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    return store


def labels(app):
    return [button.label for button in app.get("download_button")]


def test_an_empty_store_says_what_to_do(store):
    assert "make run" in words(opened(PAGE))


def test_a_report_of_the_view_or_of_the_study(run):
    runs = run_list(run).of_study("small")
    view = View(runs, runs, ("haste",), "default", 2)
    size = size_text(expected_bytes(view))
    app = opened(PAGE, trait="haste", layer="2")
    assert labels(app) == [f"Download the report, about {size}"]
    assert "haste on" in words(app)
    assert "All 2 traits on 1 runs" in words(opened(PAGE, scope="study"))


def test_sections_can_be_chosen_and_none_is_told(run):
    app = opened(PAGE, sections=["prompts"])
    assert app.session_state["sections"] == ["prompts"]
    assert "Choose at least one section" in words(opened(PAGE, sections=[]))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables_are_listed_with_their_rows_and_sizes(run, form):
    app = opened(PAGE, take="tables", table_format=form)
    tables = list_tables(run, TableSource("run", "run-1"))
    shown = app.dataframe[0].value
    assert list(shown["table"]) == [table.name for table in tables]
    assert list(shown["rows"]) == [table.rows for table in tables]
    taken, _ = offered(tables, form, activations=False)
    size = size_text(total_bytes(taken, form))
    assert labels(app)[0].startswith(f"Download {len(taken)} tables as a zip")
    assert size in labels(app)[0] and labels(app)[1].startswith("Download correlations, ")
    sizes = dict(zip(shown["table"], shown["size"], strict=True))
    assert (sizes["prompt_activations"] == "Parquet only") == (form == "csv")


def test_activations_are_added_when_asked_for(run):
    app = opened(PAGE, take="tables", table_format="parquet", activations=True)
    count = len(list_tables(run, TableSource("run", "run-1")))
    assert labels(app)[0].startswith(f"Download {count} tables")
    assert len(opened(PAGE, take="tables", tables_of="study").dataframe[0].value) == 7


def test_vectors_show_layer_length_and_r(run):
    app = opened(PAGE, take="vectors", trait="haste")
    with open_run(run, "run-1") as opened_run:
        choice = Choice(("haste",), ("mean_difference",), layers=BEST)
        (vector,) = read_vectors(opened_run, choice).vectors
    shown = app.dataframe[0].value
    assert list(shown["layer"]) == [vector.layer]
    r = vector.correlation
    assert list(shown["r"]) == [f"{r.value:+.3f}"] and list(shown["n"]) == [r.n]
    every = opened(PAGE, take="vectors", vector_traits="all", vector_layers="all")
    assert len(every.dataframe[0].value) == 4
    assert labels(every)[0].startswith("Download 4 vectors")


def test_gguf_offers_only_layers_that_llama_cpp_can_use(run):
    app = opened(PAGE, take="vectors", vector_format="gguf", vector_layers="all")
    assert list(app.dataframe[0].value["layer"]) == [2]
    assert "direction.(l − 1)" in words(app)


def test_a_simulated_run_has_no_gguf(store):
    publish_small_phantom(store)
    app = opened(PAGE, take="vectors", vector_format="gguf")
    assert "no model to steer" in words(app) and labels(app) == []


def test_charts_are_saved_in_the_format_the_sidebar_says(run):
    app = opened("pages/scorecard.py", images="png", scorecard_view="intervals")
    configs = [chart.proto.config for chart in app.get("plotly_chart")]
    assert configs and all('"format": "png"' in config for config in configs)
    app = opened("pages/scorecard.py", scorecard_view="intervals")
    plain = app.get("plotly_chart")[0].proto.config
    assert '"format": "svg"' in plain and "steerscope-intervals" in plain
