"""The New study page: have another model answer the chats of a study."""

from __future__ import annotations

import dataclasses

import streamlit as st

from backend.errors import SteerscopeError
from backend.views.new_study.forecast import responding_forecast
from backend.writing.new_study import MOST_SAMPLES
from backend.writing.requests import RespondRequest
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.asking_tasks import start_task
from pages.shared.model_fields import chosen_model, model_fields, price_fields, show_forecast
from pages.shared.plain import as_text
from pages.shared.sidebar import Selection

_START, _BY = "respond", "answerer"
_NAME, _SAMPLES = "respond_name", "respond_samples"
_TEMPERATURE, _TOKENS = "respond_temperature", "respond_tokens"


def respond_form(chosen: Selection) -> None:
    """Everything that new responses depend on, the forecast, and the button that queues them.

    Args:
        chosen: the sidebar's choices, of which the study is taken.
    """
    study = chosen.study
    if study is None:
        st.info("Import a study first: a model answers the chats of one.")
        return
    st.markdown(
        f"A model answers every chat of **{as_text(study.title)}** (`{study.key}`) once more. The "
        "draft has the same prompts, scenarios and turns, the new responses, and no scores."
    )
    st.text_input("Name of the new study", key=_NAME, help="Small letters, digits, dots, dashes.")
    left, middle, right = st.columns(3)
    left.number_input("Responses to each chat", 1, MOST_SAMPLES, 1, key=_SAMPLES)
    middle.number_input("Temperature", 0.0, 2.0, 1.0, 0.1, key=_TEMPERATURE)
    right.number_input("Longest answer, tokens", 1, 8192, 200, key=_TOKENS)
    model_fields(_BY)
    price_fields(_START)
    with st.container(border=True), data.faults_shown():
        request = _request(study.key)
        if request is None:
            st.caption("Name the new study and a model to see what it will take.")
        else:
            show_forecast(_START, responding_forecast(data.settings(), request))
    st.button(
        "Answer the chats",
        type="primary",
        icon=":material/forum:",
        on_click=act,
        args=(_START, _start, study.key),
    )
    fault_shown(_START)


def _request(study: str) -> RespondRequest | None:
    said, writer = st.session_state, chosen_model(_BY)
    name = said[_NAME].strip()
    if not name or writer is None:
        return None
    return RespondRequest(
        study=study,
        name=name,
        writer=writer,
        samples=int(said[_SAMPLES]),
        temperature=float(said[_TEMPERATURE]),
        answer_tokens=int(said[_TOKENS]),
    )


def _start(study: str) -> None:
    request = _request(study)
    if request is None:
        raise SteerscopeError(
            "The chats cannot be answered yet.",
            expected="a name for the new study, and a model.",
            remedy="fill in these fields.",
        )
    start_task("respond", dataclasses.asdict(request))
