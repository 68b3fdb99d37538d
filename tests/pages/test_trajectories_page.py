"""The Turns page: what it draws, what its links open, and studies with nothing to follow."""

from __future__ import annotations

import pytest

from backend.views.trajectories import words
from backend.views.trajectories.compute import drift_r, trajectories, turn_r
from tests.support.pages import linked
from tests.support.pages import words as said
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import long_study, small_study

PAGE = "pages/trajectories.py"
CELL = ("run-1", "haste", "default", 2)


def publish(settings, model, kind):
    study = long_study() if kind == "long" else small_study(turns=kind == "two")
    publish_run(settings, study, model, "run-1", (1, 2))


def opened(**address):
    return linked(PAGE, trait="haste", layer="2", **address)


def test_the_mean_is_shown_first(shown, tiny_llama):
    settings = shown(publish, tiny_llama, "long")
    app = opened()
    found = results(settings).of_run(trajectories, *CELL)
    assert words.moved(found) in said(app) and "14 conversations of 5 turns." in said(app)
    assert len(app.get("plotly_chart")) == 1 and not app.multiselect
    assert app.query_params["turns_view"] == "paths"
    (means,) = (table.value for table in app.dataframe)
    assert list(means["turn"]) == ["t1", "t2", "t3", "t4", "t5"]


def test_a_link_opens_the_same_conversations(shown, tiny_llama):
    settings = shown(publish, tiny_llama, "long")
    app = opened(turn_lines="chosen")
    found = results(settings).of_run(trajectories, *CELL)
    (box,) = app.multiselect
    assert set(box.value) == set(found.notable)
    assert len(app.dataframe[0].value) == 5 * len(found.notable)
    box.set_value(["0", "20"]).run()
    assert not app.exception and app.query_params["conversations"] == "0,20"
    again = linked(PAGE, **{key: app.query_params[key] for key in app.query_params})
    assert again.multiselect[0].value == ["0", "20"]
    assert again.query_params == app.query_params
    change = opened(turn_lines="chosen", turn_values="change", conversations="no,20")
    assert change.multiselect[0].value == ["20"]


def test_r_over_all_turns(shown, tiny_llama):
    settings = shown(publish, tiny_llama, "long")
    app = opened(turns_view="r")
    found = results(settings).of_run(turn_r, *CELL)
    assert words.over_turns_answer(found) in said(app)
    assert list(app.dataframe[0].value["n"]) == ["70", "14", "70", "70"]


def test_two_turns_are_chosen_and_linked(shown, tiny_llama):
    settings = shown(publish, tiny_llama, "long")
    app = opened(turns_view="drift", from_turn="t2", to_turn="t4")
    found = results(settings).of_run(drift_r, *CELL, "t2", "t4")
    assert words.drift_answer(found) in said(app)
    assert words.drift_answer(found).startswith("From t2 to t4: r of the drift is ")
    assert len(app.get("plotly_chart")) == 1
    plain = opened(turns_view="drift")
    assert "This is the r of the other pages." in said(plain)
    assert plain.query_params["from_turn"] == "first" and plain.query_params["to_turn"] == "last"


@pytest.mark.parametrize("kind", ["two", "none"])
def test_a_study_of_two_turns_or_none_says_so(shown, tiny_llama, kind):
    shown(publish, tiny_llama, kind)
    app = opened()
    expected = {"two": words.TWO_TURNS, "none": words.NO_TURNS}
    assert expected[kind] in said(app)
    assert len(app.get("plotly_chart")) == (1 if kind == "two" else 0)
    if kind == "two":
        opened(turns_view="drift")
