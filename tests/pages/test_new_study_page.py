"""The New study page: forecast, start, draft, judge; what is refused; texts as text."""

from __future__ import annotations

import dataclasses

import pytest
import streamlit as st

from backend.jobs.queue import JobQueue
from backend.views.new_study.words import NO_ENDPOINT
from backend.writing.drafts import keep_draft, list_drafts
from backend.writing.new_study import Wanted, template
from tests.support.pages import opened, words
from tests.support.runs import publish_run
from tests.support.studies import reworded, small_study

PAGE = "pages/new_study.py"
WANTED = Wanted("warm", "warmth", "is warm.", pairs=3)
URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def tasks(store):
    queue = JobQueue(store)
    yield queue.tasks
    queue.close()


def filled(app):
    """The form for a new study, with an endpoint."""
    app.text_input(key="write_trait").set_value("warmth")
    app.text_input(key="write_name").set_value("warm")
    app.text_input(key="write_means").set_value("is warm.")
    app.number_input(key="write_pairs").set_value(5)
    app.number_input(key="write_questions").set_value(8)
    app.text_input(key="writer url").set_value(URL)
    app.text_input(key="writer model").set_value("big")
    return app.run()


def press(app, label):
    return next(button for button in app.button if button.label == label).click().run()


def test_a_sentence_is_forecast_and_queued(store, tasks):
    app = opened(PAGE)
    assert "to see what it will take" in words(app)
    app = filled(app)
    # 1 list, 1 rubric, 2 x 5 prompts and 8 x 4 responses.
    assert "44 requests" in words(app) and "cost not known" in words(app)
    longest = 13 * 40 + 200 + 42 * 200
    assert f"at most {longest:,} out" in words(app)
    app.number_input(key="write price in").set_value(1.0)
    app.number_input(key="write price out").set_value(100.0)
    assert "cost at most about 0.9" in words(app.run())
    app = press(app, "Write the study")
    assert not app.exception and not app.error
    (task,) = tasks.all("write")
    assert task.values["wanted"]["meaning"] == "is warm."
    assert task.values["writer"] == {"model": "big", "endpoint": URL, "at_once": 8}
    assert "No worker is running" in words(app)
    press(app, "Cancel")
    assert tasks.task(task.task_id).state == "cancelled"
    assert "answers so far are kept" in words(app.run())


def test_a_draft_is_shown_as_text_judged_and_removed(store, tasks):
    draft = template(WANTED)
    marked = dataclasses.replace(draft.study.prompts[0], text="<b>bold</b> ![](http://x/y.png)")
    study = dataclasses.replace(draft.study, prompts=(marked, *draft.study.prompts[1:]))
    answers = dataclasses.replace(study, responses=small_study(scenarios=2).responses)
    bare = tuple(dataclasses.replace(r, scores={}, repeats={}) for r in answers.responses)
    keep_draft(store, dataclasses.replace(draft, study=dataclasses.replace(study, responses=bare)))
    app = opened(PAGE, new_view="judge")
    assert app.selectbox(key="judged").value == "draft:warm"
    prompts, responses = (frame.value for frame in app.dataframe)
    assert marked.text in list(prompts["text"]) and len(responses) == len(bare)
    assert marked.text not in words(app)
    app.text_area(key="rubric of draft:warm").set_value("# warmth\nIs it warm?")
    app.text_input(key="judge url").set_value(URL)
    app.text_input(key="judge model").set_value("big")
    assert f"{2 * len(bare)} requests" in words(app.run())
    app = press(app, "Judge")
    (task,) = tasks.all("judge")
    assert task.values["rubric"] == "# warmth\nIs it warm?" and task.values["draft"] == "warm"
    # What cannot be meant is said where the button is, and nothing is queued.
    app.text_area(key="rubric of draft:warm").set_value("no heading").run()
    app = press(app, "Judge")
    assert "has no heading" in words(app) and len(tasks.all("judge")) == 1
    press(app, "Remove the draft")
    assert not list_drafts(store)


def test_where_no_endpoint_may_be_named(store, tasks, monkeypatch):
    monkeypatch.setenv("STEERSCOPE_ENDPOINTS", "")
    st.cache_resource.clear()
    app = opened(PAGE)
    assert NO_ENDPOINT in words(app)
    monkeypatch.setenv("STEERSCOPE_ENDPOINTS", "https://models.example/v1/")
    st.cache_resource.clear()
    app = opened(PAGE)
    assert app.selectbox(key="writer url").options == ["https://models.example/v1"]
    st.cache_resource.clear()


def test_who_may_only_look_starts_nothing(store, monkeypatch, tasks):
    monkeypatch.setenv("STEERSCOPE_READ_ONLY", "1")
    st.cache_resource.clear()
    app = press(filled(opened(PAGE)), "Write the study")
    assert "read-only" in words(app) and not tasks.all()
    st.cache_resource.clear()


def test_the_diagnosis_offers_prompts_in_other_words(store, tasks, tiny_llama):
    described = {"warmth": "is warm.", "haste": "is hasty."}
    study = dataclasses.replace(reworded(), traits=described)
    ref = publish_run(store, study, tiny_llama, "run-1")
    app = opened(
        "pages/diagnosis.py",
        trait="warmth",
        layer="2",
        diagnosis_view="undetermined",
        add_prompts=True,
    )
    app.text_input(key="prompt writer url").set_value(URL)
    app.text_input(key="prompt writer model").set_value("big")
    # A list and 20 pairs, for each of two traits.
    assert "82 requests" in words(app.run())
    app = press(app, "Write and extract them")
    assert not app.error
    (task,) = tasks.all("add-prompts")
    assert (task.values["study"], task.values["like"]) == (ref.key, "run-1")
