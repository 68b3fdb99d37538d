"""What the first screen shows, and to whom; and what a link that cannot be followed says."""

from __future__ import annotations

import dataclasses

import pytest

from backend.store.run import delete_run
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from tests.support.pages import linked, opened, words
from tests.support.phantom_store import publish_small_phantom, publish_small_preset
from tests.support.runs import publish_run
from tests.support.studies import small_study

PURPOSE = "**Steerscope** shows why a steering vector works"


def test_the_bare_address_shows_the_purpose_and_three_ways_in_until_closed(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened("pages/scorecard.py")
    assert PURPOSE in words(app)
    labels = [button.label for button in app.button]
    assert {"See the published failure", "Open my study", "Repair a vector"} <= set(labels)
    app.button(key="welcome_close").click().run()
    assert PURPOSE not in words(app)


def test_who_follows_a_link_is_not_welcomed(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    assert PURPOSE not in words(linked(trait="haste"))


def test_it_opens_on_a_study_whose_models_differ_though_another_is_real(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    publish_small_phantom(store)
    # All cells of that phantom work on both models, so the real study comes first.
    assert opened("pages/scorecard.py").selectbox(key="study").value.startswith("small@")
    publish_small_preset(store)
    app = opened("pages/scorecard.py")
    assert app.selectbox(key="study").value.startswith("published-geometry@")
    assert "simulated study: no model read these texts" in words(app)
    chosen = linked(study=next(store.studies.glob("small@*")).stem)
    assert chosen.selectbox(key="study").value.startswith("small@")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ({"study": "gone@1", "run": "lost"}, "study `gone@1`, run `lost`"),
        ({"trait": "no such", "layer": "99"}, "trait `no such`, layer `99`"),
        ({"run": "`*bold*`"}, "run `'*bold*'`"),
    ],
)
def test_a_link_to_what_is_not_here_says_so(store, tiny_llama, address, said):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = linked(**address)
    assert said in words(app) and "not in this store" in words(app)


def test_a_link_to_what_is_here_says_nothing(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    assert "not in this store" not in words(linked(run="run-1", trait="haste", layer="2"))


def test_a_study_without_runs_keeps_no_run_in_the_address(store, tiny_llama):
    """As after a prompt set has been added: its run is not there yet, and then it is."""
    publish_run(store, small_study(), tiny_llama, "before")
    revised = dataclasses.replace(small_study(), title="Revised")
    ref = publish_study(store, revised, content_hash(revised))
    app = opened("pages/scorecard.py", study=ref.key, run="before", layer="2")
    assert "not in this store" not in words(app)
    app = linked(study=ref.key, run="before", layer="best")
    said = next(warning.value for warning in app.warning if "not in this store" in warning.value)
    assert "run `before`" in said and "layer" not in said
    assert not {"run", "layer"} & {*app.query_params}


def test_a_link_to_a_run_without_its_study_opens_the_run(store, tiny_llama):
    publish_small_preset(store)
    other = dataclasses.replace(small_study(), name="other")
    publish_run(store, other, tiny_llama, "mine")
    shown = words(linked(run="mine"))
    assert "This link names" not in shown
    assert linked(run="mine").session_state["run"] == "mine"


def test_the_tour_says_when_its_cell_is_not_there(store):
    _, run_ids = publish_small_preset(store)
    delete_run(store, next(run_id for run_id in run_ids if "mistral" in run_id))
    shown = words(opened("pages/scorecard.py", tour=6))
    assert "The run of mistral-simulated is still being made, so another is shown" in shown
