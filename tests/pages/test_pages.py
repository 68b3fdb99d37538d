"""Every page opens on a full, an empty and a broken store without an exception."""

from __future__ import annotations

import dataclasses
import re

import pytest

from backend.jobs.queue import JobQueue
from backend.store.study import find_study, load_study
from backend.views.study_tests.compute import findings_of_study
from tests.support.pages import ROOT, opened, words
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.views import card, diagnoses

PAGES = tuple(re.findall(r'st.Page\(\s*"(pages/\w+\.py)"', (ROOT / "app.py").read_text("utf-8")))


def test_all_pages_are_there():
    assert len(PAGES) == 12 and all((ROOT / page).exists() for page in PAGES)
    scripts = {f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py")}
    assert scripts - {"pages/__init__.py"} == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_store_says_what_to_do(store, page):
    app = opened(page)
    # These two need no store: they show the published reference.
    if page not in ("pages/study_tests.py", "pages/transfer.py"):
        assert "make run" in words(app)
    assert "No study yet" in words(opened(PAGES[0]))


@pytest.mark.parametrize("page", PAGES)
def test_a_broken_store_names_the_files(store, page):
    (store.runs / "bad.duckdb").write_text("junk")
    (store.studies / "bad@0.duckdb").write_text("junk")
    app = opened(page)
    assert "bad.duckdb" in words(app) and "bad@0.duckdb" in words(app)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("kind", ["drift", "level", "none"])
def test_every_page_opens_on_every_kind_of_study(store, tiny_llama, page, kind):
    study = small_study(turns=kind == "drift", scenarios=0 if kind == "none" else 12)
    publish_run(store, study, tiny_llama, "run-1")
    app = opened(page)
    assert "Random words, for tests." in words(opened(PAGES[0]))
    if page == PAGES[0]:
        assert {"drift": "the drift of", "level": "**level**", "none": "no scored responses"}[
            kind
        ] in words(app)


def test_the_scorecards_counts_are_the_querys(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened(PAGES[0])
    counts = card(store, ["run-1"]).counts["run-1"]
    table = app.dataframe[0].value
    for column in table.columns[1:]:
        status = column.split()[1]
        assert table[column][0] == counts[status]
    assert "Choose a layer in the sidebar" in words(app)
    assert "Choose a layer in the sidebar" not in words(opened(PAGES[0], layer="2"))


def test_prompts_follow_the_sidebar(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened("pages/prompts.py", trait="haste", layer="2")
    assert "**haste**" in words(app) and "layer 2" in words(app)


def test_the_tokens_of_a_prompt_are_shown_on_request(store, tiny_llama):
    study = small_study()
    publish_run(store, study, tiny_llama, "run-1")
    app = opened("pages/prompts.py", trait="warmth", layer="2")
    before = len(app.dataframe)
    next(button for button in app.button if button.label == "Show its tokens").click().run()
    assert not app.exception
    assert len(app.dataframe) == before + 1
    table = next(d.value for d in app.dataframe if "token" in d.value.columns)
    assert not table["pooled"][0] and table["pooled"][1:].all()


def test_a_run_is_extracted_again_without_the_chosen_prompts(store, tiny_llama):
    study = small_study()
    publish_run(store, study, tiny_llama, "run-1")
    app = opened("pages/prompts.py", trait="warmth", layer="2", prompts_dropped=[1])
    label = "Extract again without these"
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    (job,) = JobQueue(store).jobs()
    assert (job.request.model, job.request.layers) == (str(tiny_llama), (1, 2))
    revised = load_study(store, find_study(store, job.request.study))
    assert revised.prompts == (study.prompts[0], *study.prompts[2:])


def test_the_form_queues_what_it_says(store, tiny_llama):
    ref = publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened("pages/runs.py")
    app.text_input[0].set_value("1-2")
    start = next(button for button in app.button if button.label == "Start extraction")
    start.click().run()
    assert not app.exception
    job = JobQueue(store).jobs()[0]
    assert (job.request.study, job.request.layers) == (ref.key, (1, 2))
    assert job.request.model == "smollm2-135m-instruct"


def test_a_wrong_layer_range_is_a_sentence(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened("pages/runs.py")
    app.text_input[0].set_value("nonsense")
    next(button for button in app.button if button.label == "Start extraction").click().run()
    assert not app.exception
    assert "is not a list of layers" in words(app)
    assert JobQueue(store).jobs() == ()


def test_two_prompt_sets_can_be_chosen(store, tiny_llama):
    study = small_study()
    other = tuple(
        dataclasses.replace(p, prompt_set="other", text=f"{p.text} again") for p in study.prompts
    )
    study = dataclasses.replace(study, prompts=study.prompts + other)
    publish_run(store, study, tiny_llama, "run-1")
    app = opened("pages/prompts.py", prompts="other")
    assert set(app.dataframe[1].value["#"]) == set(range(20, 30))


def test_diagnosis_shows_what_the_query_says(store, tiny_llama):
    publish_run(store, small_study(scenarios=30), tiny_llama, "run-1")
    app = opened("pages/diagnosis.py", trait="haste", layer="2")
    (expected,) = diagnoses(store, "run-1", "haste", 2)
    assert app.subheader[0].value == expected.headline
    assert [e.label for e in app.expander] == [
        f"{j.title}: **{j.verdict}**" for j in expected.judgements
    ]
    assert f"{expected.r.value:+.2f}" in words(app) and "layer 2" in words(app)


def test_study_tests_show_the_published_reference(store):
    app = opened("pages/study_tests.py", test_scorecard=True)
    assert len(app.expander) == 11
    assert "**No. llama3 8/8, qwen2 3/8, mistral 2/8 traits work" in app.expander[0].label
    assert "uncertain" in app.expander[0].label
    assert "A check of the printed tables" in words(app)
    assert len(app.dataframe) == 1
    table = app.dataframe[0].value
    assert list(table["published"])[:9] == ["8", "0", "0", "3", "2", "3", "2", "4", "2"]
    assert [v.split()[0] for v in table["value, 95% interval, p"]][:9] == list(table["published"])[
        :9
    ]


def test_study_tests_open_on_the_chosen_study(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened("pages/study_tests.py")
    found = results(store)
    expected = found.of_runs(findings_of_study, ["run-1"], "default", found.thresholds)
    assert len(app.expander) == len(expected) == 10
    for number, (row, f) in enumerate(zip(app.expander, expected, strict=True), start=1):
        assert row.label.startswith(f"{number}. {f.question} ")
        assert row.label.endswith(f"**{f.answer}**")
    assert not app.dataframe
