"""The Prompts page: a prompt is opened, dropped, edited and saved, and the link carries it."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from backend.jobs.queue import JobQueue
from backend.store.note import note_list
from backend.store.run import open_run
from backend.store.study import find_study, load_study
from backend.views.prompts.basket import Basket
from backend.views.prompts.without import drop_preview
from backend.views.prompts.words import preview_text
from tests.support.pages import linked, words
from tests.support.phantom_store import publish_small_phantom
from tests.support.runs import publish_run
from tests.support.studies import small_study

PAGE = "pages/prompts.py"


@pytest.fixture
def run(store, tiny_llama):
    return publish_run(store, small_study(scenarios=20), tiny_llama, "run-1")


def opened(**address: str) -> AppTest:
    """Haste at layer 2, with more in the address."""
    return linked(PAGE, **({"layer": "2", "trait": "haste"} | address))


def pressed(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception
    return app


def texts(app: AppTest) -> str:
    return words(app) + " ".join(element.value for element in [*app.text, *app.success])


def test_a_prompt_is_read_dropped_compared_and_saved(store, run):
    study = small_study(scenarios=20)
    app = opened(prompt="12")
    assert study.prompts[12].text in texts(app) and "r without it" in words(app)
    assert "Changes to the prompts" not in words(app)
    pressed(app, "Drop")
    with open_run(store, "run-1") as file:
        preview = drop_preview(file, "haste", "default", 2, [12])
    assert "Changes to the prompts: 1 dropped" in words(app)
    assert preview_text(preview) in words(app)
    link = json.loads(app.query_params["basket"])
    assert link == {"study": run.key, "dropped": [12]}
    pressed(app, "Save as set")
    (job,) = JobQueue(store).jobs()
    revised = load_study(store, find_study(store, job.request.study))
    assert revised.prompts == (*study.prompts[:12], *study.prompts[13:])
    assert f"Saved as **{job.request.study}**" in texts(app)
    assert app.session_state["study"] == job.request.study


def test_an_edited_prompt_becomes_a_new_set(store, run):
    basket = Basket(frozenset({11}), ((12, "another text"),))
    app = opened(basket=basket.to_link(run.key), prompt="12")
    assert "1 dropped, 1 edited" in words(app) and "another text" in texts(app)
    pressed(app, "Save as set")
    (job,) = JobQueue(store).jobs()
    revised = load_study(store, find_study(store, job.request.study))
    added = [p.text for p in revised.prompts if p.prompt_set == "default-edited"]
    study = small_study(scenarios=20)
    assert "another text" in added and len(added) == len(study.prompts) - 1
    assert study.prompts[11].text not in added
    assert app.session_state["prompts"] == "default-edited"


def test_what_is_typed_goes_to_the_basket_and_back(store, run):
    app = opened(prompt="12")
    area = next(area for area in app.text_area if area.label == "New text")
    area.set_value("typed anew")
    pressed(app, "Put in basket")
    assert "1 edited" in words(app) and "Edited prompts count only after extraction" in words(app)
    pressed(app, "Undo")
    assert "Changes to the prompts" not in words(app) and "basket" not in app.query_params


def test_a_link_of_another_study_or_a_broken_one(store, run):
    other = Basket(frozenset({3})).to_link("small@000000000000")
    assert "Changes to the prompts" not in words(opened(basket=other))
    assert "list of dropped and edited prompts cannot be read" in words(opened(basket="{"))


def test_the_basket_waits_on_the_filter_lab_too(store, run):
    app = opened(prompt="12")
    pressed(app, "Drop")
    app.query_params["lab_more"] = "prompts"
    app.switch_page("pages/filter_lab.py").run()
    assert not app.exception
    assert "Changes to the prompts: 1 dropped" in words(app)


def test_a_simulated_set_is_compared_and_not_saved(store):
    publish_small_phantom(store)
    app = opened(trait="trait_1", prompt="1")
    pressed(app, "Drop")
    assert "Changes to the prompts: 1 dropped" in words(app)
    assert next(b for b in app.button if b.label == "Save as set").disabled
    assert "A simulated study has no model" in words(app)


def test_search_finds_by_words_number_and_pole(store, run):
    app = opened()
    assert len(app.dataframe[0].value) == 10
    for wanted, found in (("low", 5), ("#12", 1), ("HIGH 3", 1), ("no such word", 0)):
        app.text_input(key="prompts_search").set_value(wanted).run()
        assert not app.exception
        assert len(app.dataframe[0].value) == found


@pytest.mark.parametrize("shown", ["cosines", "lengths", "metrics", "tokens"])
def test_every_part_opens(store, run, shown):
    opened(prompts_view=shown, prompt="12")


def test_a_note_is_written_shown_and_deleted(store, run):
    app = opened(prompt="12")
    next(area for area in app.text_area if area.label == "Note").set_value("**odd** <b>one</b>")
    next(field for field in app.text_input if field.label == "Your name").set_value("Ada")
    pressed(app, "Save note")
    (note,) = note_list(store).notes
    assert (note.about.kind, note.about.prompt_id, note.author) == ("prompt", 12, "Ada")
    assert "**odd** <b>one</b>" in texts(app) and "prompt #12 of haste · Ada" in texts(app)
    pressed(app, "Delete")
    assert note_list(store).notes == ()


def test_a_damaged_note_is_told(store, run):
    store.make_folders()
    (store.notes / "20260131-120000-00000000.json").write_text("{")
    assert "it is no JSON" in words(opened())
