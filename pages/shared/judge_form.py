"""The New study page: a draft or a study is shown, and its responses are scored by a judge."""

from __future__ import annotations

import streamlit as st

from backend.asking.forecast import AskingForecast
from backend.errors import SteerscopeError
from backend.judging.scales import SCALES
from backend.store.study import StudySummary
from backend.views.new_study.forecast import judging_forecast
from backend.views.new_study.tables import prompt_rows, response_rows
from backend.views.new_study.words import OWN_JUDGE
from backend.writing.drafts import draft_zip, list_drafts, read_draft, remove_draft
from backend.writing.new_study import rubric_of_traits
from backend.writing.requests import JudgeRequest
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.address import select
from pages.shared.asking_tasks import SOURCE, start_task
from pages.shared.model_fields import chosen_model, model_fields, price_fields, show_forecast
from pages.shared.plain import as_text
from pages.shared.sidebar import Selection

_START, _BY = "judge", "judge"
_SCALE, _REPEATS, _KEEP = "judge_scale", "judge_repeats", "judge_keep"
_COHERENCE, _LEAST, _TOKENS = "judge_coherence", "judge_least", "judge_tokens"
_DRAFT = "draft:"


def judge_form(chosen: Selection) -> None:
    """What is judged, how, its forecast, and the button that queues it.

    Args:
        chosen: the sidebar's choices; its study is offered first after the drafts.
    """
    studies = {study.key: study for study in data.study_list().studies}
    first = "" if chosen.study is None else chosen.study.key
    names = {
        f"{_DRAFT}{entry.name}": f"Draft {entry.name}" for entry in list_drafts(data.settings())
    }
    names |= {key: key for key in sorted(studies, key=lambda key: key != first)}
    if not names:
        st.info("There is nothing to judge yet. Write a study, or import one with responses.")
        return
    source = select("What is judged", list(names), SOURCE, names)
    rubric = _draft(source.removeprefix(_DRAFT)) if source.startswith(_DRAFT) else None
    if rubric is None and source in studies:
        rubric = _study(studies[source])
    if rubric is None:
        return  # the page says why
    _fields(source, rubric)
    _show_forecast(source)
    st.button(
        "Judge",
        type="primary",
        icon=":material/gavel:",
        on_click=act,
        args=(_START, _start, source),
    )
    fault_shown(_START)


def _study(study: StudySummary) -> str:
    """Says what of a study is judged; returns its rubric."""
    st.caption(
        f"{study.responses} responses. The scores come into a new revision of the study; this one "
        "stays."
    )
    return rubric_of_traits(study.traits)


def _draft(name: str) -> str | None:
    """Shows a draft; returns its rubric, or None where it cannot be read."""
    rubric = None
    with data.faults_shown():
        draft = read_draft(data.settings(), name)
        for note in draft.notes:
            st.caption(as_text(note))
        prompts, responses = prompt_rows(draft.study), response_rows(draft.study)
        with st.expander(f"Prompts ({len(prompts)})", expanded=True):
            st.dataframe(prompts, hide_index=True, width="stretch", height=260)
        with st.expander(f"Responses ({len(responses)})", expanded=True):
            st.dataframe(responses, hide_index=True, width="stretch", height=260)
        with st.container(horizontal=True, gap="small"):
            st.download_button(
                "Download the draft",
                draft_zip(draft),
                f"{name}.zip",
                "application/zip",
                icon=":material/download:",
            )
            st.button(
                "Remove the draft",
                icon=":material/delete:",
                on_click=act,
                args=(_START, remove_draft, data.settings(), name),
            )
        rubric = draft.rubric
    return rubric


def _fields(source: str, rubric: str) -> None:
    st.text_area(
        "Rubric",
        rubric,
        key=_rubric_key(source),
        height=180,
        help="Markdown with a heading for each trait. A change counts for this judging; the draft "
        "keeps its own.",
    )
    model_fields(_BY, local=False)
    st.caption(OWN_JUDGE)
    left, middle, right = st.columns(3)
    titles = {"0-10": "0 to 10, as it answers", "logprobs": "0 to 100, by token probabilities"}
    left.selectbox(
        "Scale", list(SCALES), format_func=lambda name: titles.get(name, name), key=_SCALE
    )
    middle.number_input("Scores of each response", 1, 100, 1, key=_REPEATS)
    right.number_input(
        "Longest answer, tokens",
        1,
        32_768,
        32,
        key=_TOKENS,
        help="Thousands for a judge that thinks first.",
    )
    coherent = left.checkbox("Ask coherence", True, key=_COHERENCE)
    middle.number_input(
        "Least coherence",
        min_value=0.0,
        max_value=SCALES[st.session_state[_SCALE]].high,
        value=None,
        placeholder="no limit",
        key=_LEAST,
        disabled=not coherent,
        help="Responses below it get no score.",
    )
    right.checkbox(
        "Keep the scores that are there",
        key=_KEEP,
        help="The judge's stand beside them as further scores.",
    )
    price_fields(_START)


def _request(source: str) -> JudgeRequest | None:
    said, judge = st.session_state, chosen_model(_BY)
    if judge is None:
        return None
    draft = source.removeprefix(_DRAFT) if source.startswith(_DRAFT) else ""
    return JudgeRequest(
        judge=judge,
        study="" if draft else source,
        draft=draft,
        rubric=said[_rubric_key(source)],
        scale=said[_SCALE],
        repeats=int(said[_REPEATS]),
        coherence=said[_COHERENCE],
        least_coherence=said[_LEAST] if said[_COHERENCE] else None,
        keep=said[_KEEP],
        answer_tokens=int(said[_TOKENS]),
    )


@st.cache_data(ttl=10.0, show_spinner=False)
def _forecast(request: JudgeRequest) -> AskingForecast:
    """What judging will take; told anew after seconds, as answers come."""
    return judging_forecast(data.settings(), request)


def _show_forecast(source: str) -> None:
    with st.container(border=True), data.faults_shown():
        request = _request(source)
        if request is None:
            st.caption("Name a judge to see what it will take.")
        else:
            show_forecast(_START, _forecast(request))


def _start(source: str) -> None:
    request = _request(source)
    if request is None:
        raise SteerscopeError(
            "No judge is named.",
            expected="an endpoint, and a model behind it.",
            remedy="fill in these fields.",
        )
    start_task("judge", request.json())


def _rubric_key(source: str) -> str:
    return f"rubric of {source}"
