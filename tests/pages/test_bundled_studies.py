"""Every page on every bundled study: no exception, and the numbers of the store."""

from __future__ import annotations

import dataclasses

import pytest

from backend.studies.importer import read_study
from backend.studies.sample import sample_path
from pages.shared.navigate import _MOVE, Move
from tests.pages.test_pages import PAGES
from tests.support.pages import opened, words
from tests.support.phantom_store import publish_small_preset
from tests.support.runs import publish_run
from tests.support.views import card, diagnoses, lines


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_the_phantom_and_says_that_it_is_one(shown, page):
    shown(publish_small_preset)
    app = opened(page)
    if page == PAGES[0]:  # AppTest keeps what app.py draws on every page for the first alone
        assert "simulated study: no model read these texts" in words(app)
        assert "Simulated: no model read these texts" in words(app)  # in the sidebar


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


def test_the_phantoms_scorecard_diagnosis_and_verdicts_are_the_querys(store):
    _, run_ids = publish_small_preset(store)
    app = opened("pages/scorecard.py")
    counts = card(store, run_ids).counts
    table = app.dataframe[0].value
    for row, run_id in enumerate(run_ids):
        shown = {c.split()[1]: table[c][row] for c in table.columns[1:]}
        assert shown == counts[run_id]
    found = lines(store, run_ids)
    why = app.dataframe[-1].value
    for column, run_id in zip(why.columns[1:], run_ids, strict=True):
        traits = [trait.replace(" ", "_") for trait in why["trait"]]
        assert list(why[column]) == [found[run_id][trait] for trait in traits]
    app = opened("pages/diagnosis.py", run=run_ids[2], trait="crisis_recognition")
    (expected,) = diagnoses(store, run_ids[2], "crisis_recognition")
    assert app.subheader[0].value == expected.headline


def test_a_link_with_choices_makes_them_before_any_widget(store):
    _, run_ids = publish_small_preset(store)
    choices = {"run": run_ids[1], "trait": "uncritical_validation", "layer": "18"}
    move = Move("pages/diagnosis.py", choices, origin="pages/scorecard.py")
    app = opened("pages/scorecard.py", **{_MOVE: move})
    assert app.title[0].value == "Why does this trait fail?" and _MOVE not in app.session_state
    assert "uncritical validation on qwen2-simulated" in words(app) and "layer 18" in words(app)


def test_every_step_of_the_tour_says_what_the_reference_says(store):
    publish_small_preset(store)
    for number in range(1, 7):
        shown = words(opened("pages/scorecard.py", tour=number))
        assert f"**Tour {number} of 6: " in shown
    assert "llama3 8/8, qwen2 3/8, mistral 2/8" in words(opened("pages/scorecard.py", tour=1))
