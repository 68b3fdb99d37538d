"""The conversations behind r, on the pages that offer them."""

from __future__ import annotations

import html

from streamlit.testing.v1 import AppTest

from tests.support.pages import linked, words
from tests.support.runs import publish_run
from tests.support.studies import small_study


def opened(page: str, **address: str) -> AppTest:
    return linked(page, **({"layer": "2", "trait": "haste"} | address))


def talk(app: AppTest) -> str:
    bodies = [element.proto.body for element in app.get("html")]
    return html.unescape(" ".join(body for body in bodies if 'class="talk"' in body))


def test_diagnosis_reads_them_on_request(store, tiny_llama):
    study = small_study()
    publish_run(store, study, tiny_llama, "run-1")
    assert talk(opened("pages/diagnosis.py")) == ""
    app = opened("pages/diagnosis.py", read="on", case="s03|author")
    own = [response for response in study.responses if response.scenario == "s03"]
    assert len(own) == 2 and all(response.text in talk(app) for response in own)


def test_the_lab_steps_through_them_by_residual(store, tiny_llama):
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened("pages/filter_lab.py", lab_more="evidence")
    assert "1 of 12: score" in words(app)
    first = talk(app)
    assert next(button for button in app.button if button.label == "Previous").disabled
    next(button for button in app.button if button.label == "Next").click().run()
    assert not app.exception
    assert "2 of 12: score" in words(app) and talk(app) != first
    assert app.query_params["case"].endswith("|author")


def test_the_open_conversation_is_seen_token_by_token(store, tiny_llama, monkeypatch):
    asked = []
    monkeypatch.setattr("pages.shared.token_link.open_page", lambda *move: asked.append(move))
    publish_run(store, small_study(), tiny_llama, "run-1")
    app = opened("pages/diagnosis.py", read="on", case="s03|author")
    next(button for button in app.button if button.label == "See its tokens").click().run()
    assert not app.exception
    ((page, choices, parameters),) = asked
    assert page == "pages/tokens.py" and choices == {}
    there = opened(page, **parameters)
    assert there.selectbox(key="tokens_conversation").value == "6"
    assert there.query_params["tokens_turn"] == "all" and "layer 2" in words(there)
    # A link may name a conversation by another of its responses.
    other = opened(page, tokens_conversation="7")
    assert other.selectbox(key="tokens_conversation").value == "6"


def test_a_study_without_scores_says_so(store, tiny_llama):
    publish_run(store, small_study(scenarios=0), tiny_llama, "run-1")
    app = opened("pages/filter_lab.py", lab_more="evidence")
    assert "no conversations to show: this trait has no scored responses" in words(app)
