"""Read the conversations behind r: a point opens one, previous and next go by residual."""

from __future__ import annotations

import streamlit as st

from backend.core.vectors.pipeline import Pipeline
from backend.views.evidence import words
from backend.views.evidence.compute import Evidence, EvidenceCase, Order, conversation, evidence
from backend.views.evidence.figures import evidence_scatter
from backend.views.evidence.tables import conversation_html
from pages.shared import data
from pages.shared.address import select, toggle
from pages.shared.chart_click import Click, on_click
from pages.shared.figures import show
from pages.shared.token_link import token_link

_CASE, _ORDER, _CHART = "case", "case_order", "evidence"
_PLAIN = Pipeline()
_ORDERS: dict[Order, str] = {
    "wrong": words.ORDERS["wrong"],
    "above": words.ORDERS["above"],
    "below": words.ORDERS["below"],
    "study": words.ORDERS["study"],
}


def evidence_on_request(run_id: str, trait: str, prompt_set: str, layer: int) -> None:
    """The cases of the mean difference, behind a switch: nothing is read until it is on."""
    if toggle("Read the conversations behind r", "read"):
        read_evidence(run_id, trait, prompt_set, layer)


@st.fragment
def read_evidence(
    run_id: str, trait: str, prompt_set: str, layer: int, pipeline: Pipeline = _PLAIN
) -> None:
    """The cases of one trait as points, and the open one's conversation.

    Args:
        run_id: a published run.
        trait: one of its traits.
        prompt_set: which prompts the vector is built from.
        layer: one of its layers.
        pipeline: how the vector is built.
    """
    with data.faults_shown():
        found = data.results().of_run(evidence, run_id, trait, prompt_set, layer, pipeline)
        if found.reason is not None:
            st.info(f"There are no conversations to show: {found.reason}.")
            return
        st.caption(f"**{words.title(found)}**  \n{words.HOW}")
        left, right = st.columns([1, 1], gap="medium")
        with right:
            order = select("Order", list(_ORDERS), _ORDER, _ORDERS)
            cases = found.ordered(order)
            place = _opened(cases)
            case = cases[place]
            _steps(cases, place)
            st.markdown(f"**{words.place_text(case, place, len(cases))}**")
            st.text(f"scenario {case.scenario}, responder {case.responder}")
            turns = data.results().of_run(conversation, run_id, case)
            st.html(conversation_html(turns))
        with left:
            _points(found, cases, place)
            token_link(case.responses[0], layer, "evidence_tokens")


def _points(found: Evidence, cases: tuple[EvidenceCase, ...], place: int) -> None:
    show(evidence_scatter(found, cases, place), _CHART, "Projection and score of every case")

    def opened(click: Click) -> None:
        if click.id is not None:
            _open(cases[int(click.id)])

    on_click(_CHART, opened)


def _steps(cases: tuple[EvidenceCase, ...], place: int) -> None:
    """Previous and next in the order."""
    with st.container(horizontal=True, gap="small"):
        for label, icon, to in (
            ("Previous", ":material/chevron_left:", place - 1),
            ("Next", ":material/chevron_right:", place + 1),
        ):
            there = 0 <= to < len(cases)
            st.button(
                label,
                key=f"evidence_{label}",
                icon=icon,
                disabled=not there,
                on_click=_open,
                args=(cases[to if there else place],),
            )


def _open(case: EvidenceCase) -> None:
    st.query_params[_CASE] = _name(case)


def _opened(cases: tuple[EvidenceCase, ...]) -> int:
    """Number of the open case in the order: the address's, else the first."""
    names = [_name(case) for case in cases]
    wanted = st.query_params.get(_CASE)
    return names.index(wanted) if wanted in names else 0


def _name(case: EvidenceCase) -> str:
    return f"{case.scenario}|{case.responder}"
