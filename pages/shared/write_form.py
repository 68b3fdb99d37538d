"""The New study page: name a trait, choose who writes, see what it takes, and start."""

from __future__ import annotations

import dataclasses

import streamlit as st

from backend.errors import SteerscopeError
from backend.studies.prompts import LEAST_PER_POLE
from backend.views.new_study.forecast import writing_forecast
from backend.views.new_study.words import BY_DESIGN
from backend.writing.drafts import draft_zip
from backend.writing.new_study import MOST_PAIRS, MOST_QUESTIONS, MOST_SAMPLES, Wanted, template
from backend.writing.requests import WriteRequest
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.asking_tasks import start_task
from pages.shared.model_fields import chosen_model, model_fields, price_fields, show_forecast

_START, _BY, _OTHER = "write", "writer", "responder"
_TRAIT, _MEANS, _NAME = "write_trait", "write_means", "write_name"
_PAIRS, _QUESTIONS, _SAMPLES = "write_pairs", "write_questions", "write_samples"
_TEMPERATURE, _TOKENS, _APART = "write_temperature", "write_tokens", "write_apart"


def write_form() -> None:
    """Everything a new study depends on, its forecast, and the button that queues it."""
    left, right = st.columns(2)
    left.text_input("Trait", key=_TRAIT, placeholder="warmth", max_chars=60)
    right.text_input(
        "Name of the study",
        key=_NAME,
        placeholder="warmth-1",
        help="Small letters, digits, dots and dashes.",
    )
    st.text_input(
        "The trait in a sentence",
        key=_MEANS,
        placeholder="names and stays with what the person feels",
    )
    left, middle, right = st.columns(3)
    left.number_input("Pairs of prompts", LEAST_PER_POLE, MOST_PAIRS, 20, key=_PAIRS)
    middle.number_input("Questions to respond to", 2, MOST_QUESTIONS, 20, key=_QUESTIONS)
    right.number_input("Responses to each question", 1, MOST_SAMPLES, 4, key=_SAMPLES)
    left.number_input("Temperature", 0.0, 2.0, 1.0, 0.1, key=_TEMPERATURE)
    middle.number_input("Longest answer, tokens", 1, 8192, 200, key=_TOKENS)
    st.caption(BY_DESIGN)
    model_fields(_BY)
    if st.checkbox("Another model writes the responses", key=_APART):
        model_fields(_OTHER)
    price_fields(_START)
    _forecast()
    st.button(
        "Write the study",
        type="primary",
        icon=":material/edit_note:",
        on_click=act,
        args=(_START, _start),
    )
    fault_shown(_START)
    _by_hand()


def _wanted() -> Wanted | None:
    """The study that the fields describe; None while they are not filled in."""
    said = st.session_state
    trait, name = said[_TRAIT].strip(), said[_NAME].strip()
    meaning = " ".join(said[_MEANS].split())
    if not (trait and name and meaning):
        return None
    return Wanted(
        name=name,
        trait=trait,
        meaning=meaning,
        pairs=int(said[_PAIRS]),
        questions=int(said[_QUESTIONS]),
        samples=int(said[_SAMPLES]),
        temperature=float(said[_TEMPERATURE]),
        answer_tokens=int(said[_TOKENS]),
    )


def _request() -> WriteRequest | None:
    wanted, writer = _wanted(), chosen_model(_BY)
    responder = chosen_model(_OTHER) if st.session_state[_APART] else None
    if wanted is None or writer is None or (st.session_state[_APART] and responder is None):
        return None
    return WriteRequest(wanted, writer, responder)


def _start() -> None:
    request = _request()
    if request is None:
        raise SteerscopeError(
            "The study cannot be written yet.",
            expected="a trait, a sentence, a name, and a model.",
            remedy="fill in these fields.",
        )
    start_task("write", dataclasses.asdict(request))


def _forecast() -> None:
    with st.container(border=True), data.faults_shown():
        request = _request()
        if request is None:
            st.caption("Name a trait, a sentence, a study and a model to see what it will take.")
            return
        told = writing_forecast(data.settings(), request)
        for writer, forecast in told:
            show_forecast(_START, forecast, writer.name if len(told) > 1 else "")


def _by_hand() -> None:
    """The template as a zip."""
    with st.expander("Write it by hand instead", icon=":material/draft:"):
        st.markdown(
            "A template with as many pairs as above. Every text says what to write in its place. "
            "Import the zip on the Runs page when it is filled in. It has no responses yet: add "
            "responses.jsonl, then have them judged."
        )
        wanted = None
        with data.faults_shown():
            wanted = _wanted()
        if wanted is None:
            st.caption("Name a trait, a sentence and a study first.")
            return
        st.download_button(
            "Download the template",
            draft_zip(template(wanted)),
            f"{wanted.name}.zip",
            "application/zip",
            icon=":material/download:",
        )
