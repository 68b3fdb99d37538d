"""The tour: the published story in six steps, above whichever page shows the step."""

from __future__ import annotations

import streamlit as st

from backend.phantom.published.phantom import NAME as DEMO
from backend.views.study_tests.published import published_findings
from backend.views.tour import Step, tour_steps
from pages.shared import data
from pages.shared.address import write
from pages.shared.navigate import open_page

_KEY = "tour"


def banner() -> None:
    """The present step with its buttons; nothing while no tour is taken."""
    # Every rerun of every page comes by here, and nearly always no tour is taken.
    if st.session_state.get(_KEY) is None and _KEY not in st.query_params:
        return
    steps = _steps()
    at = _present(len(steps))
    if at is None:
        return
    if _KEY not in st.session_state:  # a link: make the step's choices
        _go(steps[at - 1], at)
        st.rerun()
    write(_KEY, str(at))
    step = steps[at - 1]
    with st.container(border=True):
        st.markdown(f"**Tour {at} of {len(steps)}: {step.title}**")
        for line in step.lines:
            st.markdown(line)
        if step.demo and _demo_study() is None:
            st.caption("The simulated study of this step is still being made; see the Runs page.")
        with st.container(horizontal=True, gap="small"):
            moves = (
                ("Back", at - 1, ":material/arrow_back:"),
                ("Next", at + 1, ":material/arrow_forward:"),
            )
            for label, to, icon in moves:
                if 1 <= to <= len(steps):
                    st.button(
                        label, key=f"tour_{to}", icon=icon, on_click=_go, args=(steps[to - 1], to)
                    )
            st.button("End the tour", key="tour_end", icon=":material/close:", on_click=_end)


def invitation() -> None:
    """A button that begins the tour, on the first page."""
    steps = _steps()
    if _present(len(steps)) is None:
        st.button(
            f"Tour: the published story in {len(steps)} steps",
            icon=":material/explore:",
            on_click=_go,
            args=(steps[0], 1),
        )


def _steps() -> tuple[Step, ...]:
    return tour_steps(published_findings(data.settings().thresholds))


def _present(count: int) -> int | None:
    """Number of the present step, from the session or the address."""
    if _KEY in st.session_state:
        found: int | None = st.session_state[_KEY]
        return found
    written = st.query_params.get(_KEY, "")
    # Of the digits a superscript is one that int() does not read.
    return int(written) if written.isdecimal() and 1 <= int(written) <= count else None


def _end() -> None:
    st.session_state[_KEY] = None
    if _KEY in st.query_params:
        del st.query_params[_KEY]


def _go(step: Step, number: int) -> None:
    st.session_state[_KEY] = number
    choices = dict(step.choices)
    study = _demo_study()
    if step.demo and study is not None:
        choices["study"] = study
        model = choices.pop("run", None)
        run_ids = [
            run.run_id
            for run in data.run_list().runs
            if run.study_key == study and run.record.model_name == model
        ]
        if run_ids:
            choices["run"] = run_ids[-1]
    elif step.demo:
        choices = {}
    open_page(step.page, choices)


def _demo_study() -> str | None:
    """Key of the bundled phantom, if it is in the store."""
    keys = [study.key for study in data.study_list().studies if study.key.startswith(f"{DEMO}@")]
    return keys[-1] if keys else None
