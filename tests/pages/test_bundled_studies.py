"""Every page on every bundled study: no exception, and the numbers of the store."""

from __future__ import annotations

import dataclasses
import json

import pytest

from backend.studies.importer import read_study
from backend.studies.sample import sample_path
from pages.shared.lab_link import LAB
from pages.shared.navigate import _MOVE, Move
from tests.support.pages import PAGES, as_read, opened, words
from tests.support.phantom_store import publish_small_preset
from tests.support.runs import publish_run
from tests.support.views import card, diagnoses, lines


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_the_phantom_and_says_that_it_is_one(shown, page):
    shown(publish_small_preset)
    app = opened(page)
    if page == PAGES[0]:  # AppTest keeps what app.py draws on every page for the first alone
        assert "simulated study: no model read these texts" in words(app)
        assert "Simulated: no model read these texts" in as_read(app.selectbox(key="study").help)
        assert not app.selectbox(key="trait").help  # it would say what is planted


def _publish_short_sample(settings, model):
    """The sample without its conversations, which are too long for a tiny model."""
    study = read_study(sample_path(), "sample")
    responses = tuple(dataclasses.replace(r, messages=()) for r in study.responses)
    publish_run(settings, dataclasses.replace(study, responses=responses), model, "run-1")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_the_sample(shown, tiny_llama, page):
    shown(_publish_short_sample, tiny_llama)
    app = opened(page)
    assert "simulated: no model" not in words(app)


@pytest.mark.long
def test_the_phantoms_scorecard_diagnosis_and_verdicts_are_the_querys(store):
    _, run_ids = publish_small_preset(store)
    app = opened("pages/scorecard.py")
    counts = card(store, run_ids).counts
    for run_id, model in zip(run_ids, ("llama3", "qwen2", "mistral"), strict=True):
        said = f"{model}-simulated {counts[run_id]['working']}/8"
        assert said in app.subheader[0].value
    (grid,) = [json.loads(g.proto.json) for g in app.get("bidi_component")][-1:]
    found = lines(store, run_ids)
    for row, trait in zip(grid["rows"], found[run_ids[0]], strict=True):
        assert [cell["cause"] for cell in row["cells"]] == [found[r][trait] for r in run_ids]
    for trait, line in found[run_ids[2]].items():
        (expected,) = diagnoses(store, run_ids[2], trait)
        assert line == expected.line


def test_a_link_with_choices_makes_them_before_any_widget(store):
    _, run_ids = publish_small_preset(store)
    choices = {"run": run_ids[1], "trait": "uncritical_validation", "layer": "18"}
    move = Move("pages/diagnosis.py", choices, origin="pages/scorecard.py")
    app = opened("pages/scorecard.py", **{_MOVE: move})
    assert app.title[0].value == "Why does this trait fail?" and _MOVE not in app.session_state
    assert "qwen2-simulated › uncritical validation › layer 18" in words(app)


def test_choices_for_one_page_are_taken_back_on_the_next(store):
    publish_small_preset(store)
    move = Move(LAB, {}, {}, "pages/scorecard.py", {"layer": "18"})
    app = opened("pages/scorecard.py", **{_MOVE: move}, layer="best")
    assert app.session_state["layer"] == "18" and "layer 18" in words(app)
    app.switch_page("pages/diagnosis.py").run()
    assert app.session_state["layer"] == "best"


def test_every_step_of_the_tour_says_what_the_reference_says(store):
    publish_small_preset(store)
    for number in range(1, 7):
        shown = words(opened("pages/scorecard.py", tour=number))
        assert f"**Tour {number}/6 · " in shown
    assert "llama3 8/8, qwen2 3/8, mistral 2/8" in words(opened("pages/scorecard.py", tour=1))
    scale = "scale-free spread 1.8-fold (mistral / llama3)."
    assert scale in words(opened("pages/scorecard.py", tour=3))


@pytest.mark.long
def test_planted_causes_stand_beside_what_is_found(store):
    _, run_ids = publish_small_preset(store)
    app = opened("pages/study_tests.py", tests="planted")
    assert "The planted causes are found in " in words(app)
    assert len(app.dataframe[0].value) == 8 * len(run_ids)
