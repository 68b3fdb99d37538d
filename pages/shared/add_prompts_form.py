"""The Diagnosis page: have a model write the prompts in other words, and compare."""

from __future__ import annotations

import dataclasses

import streamlit as st

from backend.errors import SteerscopeError
from backend.store.run_values import RunSummary
from backend.studies.prompts import LEAST_PER_POLE
from backend.views.new_study.forecast import adding_forecast
from backend.writing.new_study import MOST_PAIRS
from backend.writing.requests import AddRequest
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.asking_tasks import start_task
from pages.shared.model_fields import chosen_model, model_fields, price_fields, show_forecast
from pages.shared.states import no_worker

_OPEN, _START, _BY = "add_prompts", "add prompts", "prompt writer"
_NAME, _PAIRS = "add_prompts_set", "add_prompts_pairs"


def add_prompts_form(run: RunSummary) -> None:
    """Fields for one more prompt set, its forecast, and the button that queues it; folded away
    until it is opened.

    Args:
        run: whose study gets the set, and like which it is extracted.
    """
    with st.expander(
        "Compare with prompts in other words",
        icon=":material/compare_arrows:",
        key=_OPEN,
        on_change="rerun",
    ):
        if st.session_state[_OPEN]:
            _form(run)


def _form(run: RunSummary) -> None:
    st.caption(
        "A model writes pairs of prompts of each trait from the study's descriptions. The revision "
        "that has them is extracted like this run; compare it with this run when it is ready."
    )
    left, right = st.columns(2)
    left.text_input("Name of the set", "written", key=_NAME, max_chars=60)
    right.number_input("Pairs of each trait", LEAST_PER_POLE, MOST_PAIRS, 20, key=_PAIRS)
    model_fields(_BY)
    price_fields(_START)
    with st.container(border=True), data.faults_shown():
        request = _request(run)
        if request is None:
            st.caption("Name a model to see what it will take.")
        else:
            show_forecast(_START, adding_forecast(data.settings(), request))
    st.button(
        "Write and extract them",
        type="primary",
        icon=":material/edit_note:",
        on_click=act,
        args=(_START, _start, run),
    )
    fault_shown(_START)
    if data.settings().read_only:
        no_worker()
    st.page_link("pages/new_study.py", label="Follow it on the New study page")


def _request(run: RunSummary) -> AddRequest | None:
    said, writer = st.session_state, chosen_model(_BY)
    name = said[_NAME].strip()
    if not name or writer is None:
        return None
    return AddRequest(run.study_key, name, writer, int(said[_PAIRS]), run.run_id)


def _start(run: RunSummary) -> None:
    request = _request(run)
    if request is None:
        raise SteerscopeError(
            "The prompts cannot be written yet.",
            expected="a name for the set, and a model.",
            remedy="fill in these fields.",
        )
    start_task("add-prompts", dataclasses.asdict(request))
