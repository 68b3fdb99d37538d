"""The tour: the published story in six steps, in a bar above whichever page shows the step."""

from __future__ import annotations

import streamlit as st

from backend.phantom.published.phantom import NAME as DEMO
from backend.store.run_values import RunSummary
from backend.views.study_tests.published import published_findings
from backend.views.tour import MODEL, MODELS, TRAIT, Repair, TourStep, repair_of, tour_steps
from pages.shared import data
from pages.shared.address import went_back, write
from pages.shared.lab_link import lab_parameters
from pages.shared.navigate import open_page

_KEY = "tour"


def bar() -> None:
    """The present step with its buttons; nothing while no tour is taken."""
    # Every rerun of every page comes by here, and nearly always no tour is taken.
    if not running():
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
        said, buttons = st.columns([4.4, 1], vertical_alignment="center")
        said.markdown(f"**Tour {at}/{len(steps)} · {step.title}.** {step.line}{_waiting(step)}")
        with buttons, st.container(horizontal=True, gap="small", horizontal_alignment="right"):
            _buttons(steps, at)


def _waiting(step: TourStep) -> str:
    """What the step is about and the store does not hold yet; empty where all is there."""
    if not step.demo:
        return ""
    if _demo_study() is None:
        return " :small[The simulated study is still being made; see the Runs page.]"
    models = [run.label for run in _demo_runs()]
    wanted = step.choices.get("run")
    if wanted is not None and wanted not in models:
        return (
            f" :small[The run of {wanted} is still being made, so another is shown; see the Runs "
            "page.]"
        )
    if wanted is None and len(models) < len(MODELS):
        return f" :small[{len(models)} of the {len(MODELS)} models are there so far.]"
    return ""


def _buttons(steps: tuple[TourStep, ...], at: int) -> None:
    """Buttons that keep their places from step to step, so that one can be pressed again."""
    st.button(
        "",
        key="tour_back",
        icon=":material/arrow_back:",
        help="Step back",
        disabled=at == 1,
        on_click=_go,
        args=(steps[max(0, at - 2)], at - 1),
    )
    if at == len(steps):
        st.button("Done", key="tour_done", type="primary", on_click=_end)
        return
    st.button("Next", key="tour_next", type="primary", on_click=_go, args=(steps[at], at + 1))
    st.button("", key="tour_end", icon=":material/close:", help="End the tour", on_click=_end)


def running() -> bool:
    """Whether a tour is taken, or a link asks for one; Back to before its start ends it."""
    if went_back() and _KEY not in st.query_params:
        st.session_state[_KEY] = None
    return st.session_state.get(_KEY) is not None or (
        _KEY not in st.session_state and _KEY in st.query_params
    )


def start() -> None:
    """Begin the tour; for a callback."""
    _go(_steps()[0], 1)


def invitation() -> None:
    """A button in the sidebar that begins the tour."""
    if not running():
        st.button("Tour: six steps", icon=":material/explore:", type="tertiary", on_click=start)


def _steps() -> tuple[TourStep, ...]:
    return tour_steps(published_findings(data.settings().thresholds), _repair())


def _repair() -> Repair | None:
    """What the tour's cell needs; None while its run is not there."""
    runs = [run for run in _demo_runs() if run.label == MODEL]
    if not runs:
        return None
    results = data.results()
    run = runs[-1]
    return results.of_run(repair_of, run.run_id, run.prompt_sets[0], TRAIT, results.thresholds)


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


def _go(step: TourStep, number: int) -> None:
    st.session_state[_KEY] = number
    choices = dict(step.choices)
    study = _demo_study()
    if step.demo and study is not None:
        choices["study"] = study
        model = choices.pop("run", None)
        run_ids = [run.run_id for run in _demo_runs() if run.label == model]
        if run_ids:
            choices["run"] = run_ids[-1]
    elif step.demo:
        choices = {}
    open_page(step.page, choices, None if step.pipeline is None else lab_parameters(step.pipeline))


def _demo_study() -> str | None:
    """Key of the bundled phantom, if it is in the store."""
    keys = [study.key for study in data.study_list().studies if study.key.startswith(f"{DEMO}@")]
    return keys[-1] if keys else None


def _demo_runs() -> list[RunSummary]:
    study = _demo_study()
    return [run for run in data.run_list().runs if run.study_key == study]
