"""Every page opens on a full, an empty and a broken store without an exception."""

from __future__ import annotations

import dataclasses

import pytest

from backend.jobs.queue import JobQueue
from backend.store.catalog import run_list
from backend.views.study_tests.compute import findings_of_study
from tests.support.pages import PAGES, ROOT, as_read, opened, words
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.views import card, diagnoses


def lay_nothing(_settings):
    """An empty store."""


def lay_junk(settings):
    """A store with files that are none of its own."""
    (settings.runs / "bad.duckdb").write_text("junk")
    (settings.studies / "bad@0.duckdb").write_text("junk")


def publish_kind(settings, model, kind):
    """A study with drifts, with levels or without scored responses."""
    study = small_study(turns=kind == "drift", scenarios=0 if kind == "none" else 12)
    publish_run(settings, study, model, "run-1")


def test_all_pages_are_there():
    assert len(PAGES) == 17 and all((ROOT / page).exists() for page in PAGES)
    scripts = {f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py")}
    assert scripts - {"pages/__init__.py"} == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_store_says_what_to_do(shown, page):
    shown(lay_nothing)
    app = opened(page)
    # These two need no store: they show the published reference.
    if page not in ("pages/study_tests.py", "pages/transfer.py"):
        assert "make run" in words(app)
    if page == PAGES[0]:  # AppTest keeps the sidebar of the first page alone
        assert "No study yet" in words(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_broken_store_names_the_files(shown, page):
    shown(lay_junk)
    app = opened(page)
    assert "bad.duckdb" in words(app) and "bad@0.duckdb" in words(app)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("kind", ["drift", "level", "none"])
def test_every_page_opens_on_every_kind_of_study(shown, tiny_llama, page, kind):
    shown(publish_kind, tiny_llama, kind)
    app = opened(page)
    if page == PAGES[0]:  # AppTest keeps the sidebar of the first page alone
        assert "Random words, for tests." in as_read(app.selectbox(key="study").help)
        assert {"drift": "score move too", "level": "**levels**", "none": "no scored responses"}[
            kind
        ] in words(app)


def test_the_scorecards_answer_and_numbers_are_the_querys(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened(PAGES[0])
    found = card(store, ["run-1"])
    label = run_list(store).runs[0].label
    assert (
        app.subheader[0].value == f"Working traits: {label} {found.counts['run-1']['working']}/2."
    )
    assert not app.dataframe
    table = opened(PAGES[0], scorecard_view="numbers").dataframe[0].value
    assert list(table["r over drifts"]) == [
        f"{cell.correlation.value:+.3f}" for cell in found.cells.values()
    ]
    assert "Choose a layer in the sidebar" in words(app)
    assert "Choose a layer in the sidebar" not in words(opened(PAGES[0], layer="2"))


def test_the_scorecard_says_that_the_sidebars_run_is_not_shown(store, tiny_llama):
    for run_id in ("run-1", "run-2"):
        publish_run(store, small_study(), tiny_llama, run_id)
    kept_out = "is not shown here"
    assert kept_out not in words(opened(PAGES[0], run="run-2"))
    assert kept_out in words(opened(PAGES[0], run="run-2", scorecard_runs=["run-1"]))
    assert kept_out not in words(opened(PAGES[0], run="run-1", scorecard_runs=["run-1"]))


def test_prompts_follow_the_sidebar(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened("pages/prompts.py", trait="haste", layer="2")
    assert "**haste**" in words(app) and "layer 2" in words(app)


def test_the_tokens_of_a_prompt_are_shown_on_request(store, tiny_llama):
    study = small_study()
    publish_run(store, study, tiny_llama, "run-1")
    app = opened("pages/prompts.py", trait="warmth", layer="2", prompts_view="tokens")
    before = len(app.dataframe)
    next(button for button in app.button if button.label == "Show its tokens").click().run()
    assert not app.exception
    assert len(app.dataframe) == before + 1
    table = next(d.value for d in app.dataframe if "token" in d.value.columns)
    assert not table["pooled"][0] and table["pooled"][1:].all()


def test_the_form_queues_what_it_says(store, tiny_llama):
    ref = publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened("pages/runs.py")
    app.text_input(key="form_layers").set_value("1-2")
    start = next(button for button in app.button if button.label == "Start extraction")
    start.click().run()
    assert not app.exception
    job = JobQueue(store).jobs()[0]
    assert (job.request.study, job.request.layers) == (ref.key, (1, 2))
    assert job.request.model == "smollm2-135m-instruct"


def test_a_wrong_layer_range_is_a_sentence(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened("pages/runs.py")
    app.text_input(key="form_layers").set_value("nonsense")
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
    assert set(app.dataframe[0].value["#"]) == set(range(20, 30))


def test_diagnosis_shows_what_the_query_says(store, tiny_llama):
    publish_run(store, small_study(scenarios=30), tiny_llama, "run-1")
    app = opened("pages/diagnosis.py", trait="haste", layer="2")
    (expected,) = diagnoses(store, "run-1", "haste", 2)
    assert f"{expected.r.value:+.2f}" in words(app) and "layer 2" in words(app)
    verdicts = [j.verdict for j in expected.judgements]
    for verdict in set(verdicts):
        app = opened("pages/diagnosis.py", trait="haste", layer="2", diagnosis_view=verdict)
        assert [e.label for e in app.expander if e.label != "Notes"] == [
            f"**{j.title}.** {j.summary}" for j in expected.judgements if j.verdict == verdict
        ]
        options = app.get("button_group")
        assert f"{verdicts.count(verdict)} {verdict}" in str(options)
    if expected.supported:
        assert f"**{expected.supported[0].title}**" in words(app)
    else:
        assert app.subheader[0].value == expected.headline


def test_study_tests_show_the_published_reference(store):
    app = opened("pages/study_tests.py", test_scorecard=True)
    assert len(app.expander) == 11
    assert "**No: llama3 8/8, qwen2 3/8, mistral 2/8 traits work" in app.expander[0].label
    assert "well supported" in app.expander[0].label
    assert "A check of the printed tables" in words(app)
    assert len(app.table) == 1
    table = app.table[0].value
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
    assert not app.table
