"""Does the vector do what it reads?"""

from __future__ import annotations

import streamlit as st

from backend.errors import SteerscopeError
from backend.runs.doses import another_vector
from backend.runs.requests import parse_layers
from backend.steering.dose_request import DosePlan, DoseRequest
from backend.steering.interventions import WHERE
from backend.steering.units import UNITS
from backend.steering.vectors import VectorSource
from backend.store.run_values import RunSummary
from backend.views.dose import words
from backend.views.dose.compute import DoseResult, dose_results
from backend.views.dose.figures import dose_figure, layers_figure, slopes_figure
from backend.views.dose.tables import answer_rows, change_rows, measure_rows
from backend.views.map.compute import layer_of_map
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.address import segmented, select
from pages.shared.asked_task import following
from pages.shared.figures import show
from pages.shared.plain import as_text
from pages.shared.sidebar import Selection, run_name, selection
from pages.shared.states import require_run

_START = "start dose"
_VIEWS = {"strength": "By strength", "items": "Item by item", "answers": "Answers"}
_LAYERS = "layers"
_FORM = "dose_form"


def _shown(results: tuple[DoseResult, ...]) -> None:
    """One dose-response, and those of other layers."""
    by_name = {one.record.name: one for one in results}
    names = {name: words.title(one) for name, one in by_name.items()}
    result = by_name[select("Dose-response", list(by_name), "dose", names)]
    steered = result.record.steered
    if data.results().with_saved(another_vector, (steered.run_id,), steered):
        st.warning(words.OTHER_VECTOR, icon=":material/history:")
    st.markdown(f"**{words.answer(result)}** {words.wrong_way(result.behaviour.steerability)}")
    st.markdown(words.coherence(result))
    st.caption(as_text(words.how(result)))
    views = dict(_VIEWS)
    alike = words.newest_by_layer(results, result)
    if len(alike) > 1:
        views[_LAYERS] = "Layer by layer"
    view = segmented("Show", list(views), "dose_view", views)
    if view == _LAYERS:
        st.caption(words.LAYERS)
        show(layers_figure(alike), "dose_layers", "Slope of the behaviour by layer")
        return
    if view == "answers":
        st.caption(words.ANSWERS)
        st.dataframe(answer_rows(result), hide_index=True, width="stretch")
        return
    titles = {one.measure.name: one.measure.title for one in result.measures}
    name = segmented("Measure", list(titles), "dose_measure", titles)
    found = next(one for one in result.measures if one.measure.name == name)
    if view == "items":
        st.caption(f"{found.measure.about} {words.SLOPES}")
        show(slopes_figure(result, found), "dose_items", "Slope of each item")
        return
    st.caption(words.caption(found))
    show(dose_figure(result, found), "dose_curve", f"{found.measure.title} by strength")
    with st.expander("The same as tables", icon=":material/table:"):
        st.dataframe(change_rows(found), hide_index=True, width="stretch")
        st.dataframe(measure_rows(result), hide_index=True, width="stretch")


def _form(chosen: Selection, run: RunSummary, *, opened: bool) -> None:
    """What is to be measured next, and the button that queues it."""
    plan = DosePlan(VectorSource())
    layer = chosen.layer
    if layer is None:
        layer = data.results().of_run(layer_of_map, run.run_id, chosen.trait, chosen.prompt_set)
    with st.expander(
        "Measure a dose-response", icon=":material/science:", expanded=opened, key=_FORM
    ):
        left, middle, right = st.columns(3)
        left.text_input("Layers", str(layer), key="dose_layers_wanted", help="Such as 8-12.")
        middle.text_input(
            "Strengths",
            ", ".join(f"{strength:g}" for strength in plan.strengths),
            key="dose_strengths",
            help="0 is always measured.",
        )
        right.selectbox(
            "Unit of strength", [*UNITS], format_func=lambda unit: UNITS[unit], key="dose_unit"
        )
        left.selectbox(
            "Steered tokens", [*WHERE], format_func=lambda where: WHERE[where], key="dose_where"
        )
        middle.number_input("Questions", 2, 200, plan.questions, key="dose_questions")
        right.number_input(
            "Random directions",
            0,
            20,
            plan.directions,
            key="dose_directions",
            help="Of the same length; 4 or more give a band.",
        )
        left.number_input("Tokens of an answer", 1, 500, plan.tokens, key="dose_tokens")
        middle.number_input("Temperature", 0.0, 2.0, plan.temperature, 0.1, key="dose_temperature")
        right.number_input("Seed", 0, 1_000_000, plan.seed, key="dose_seed")
        st.caption(words.forecast(int(st.session_state["dose_questions"])))
        st.button(
            "Measure",
            type="primary",
            icon=":material/play_arrow:",
            on_click=act,
            args=(_START, _start, run.run_id, chosen.trait, chosen.prompt_set),
        )
        fault_shown(_START)


def _start(run_id: str, trait: str, prompt_set: str) -> None:
    said = st.session_state
    try:
        strengths = tuple(float(part) for part in said["dose_strengths"].replace(",", " ").split())
    except ValueError as fault:
        raise SteerscopeError(
            "The strengths are no list of numbers.",
            expected="numbers such as -2, -1, 1, 2.",
            remedy="correct the field.",
        ) from fault
    plan = DosePlan(
        source=VectorSource(run_id=run_id, trait=trait, prompt_set=prompt_set),
        strengths=strengths,
        unit=said["dose_unit"],
        where=said["dose_where"],
        questions=int(said["dose_questions"]),
        directions=int(said["dose_directions"]),
        tokens=int(said["dose_tokens"]),
        temperature=float(said["dose_temperature"]),
        seed=int(said["dose_seed"]),
    )
    request = DoseRequest(plan, parse_layers(said["dose_layers_wanted"]))
    data.queue().tasks.start("dose", request.to_json())
    st.toast("Queued", icon=":material/schedule:")


def _at_work() -> None:
    """Dose-responses that are queued or running."""
    # A store that never had a job gets no queue by looking.
    if not data.settings().has_queue():
        return
    active = data.queue().tasks.all("dose", active=True)
    if active:
        following(active[-1].task_id, "dose")
    if len(active) > 1:
        st.caption(f"{len(active) - 1} more are queued behind it.")


chosen = selection()
st.title("Does the vector do what it reads?")
run = require_run(chosen)
with data.faults_shown():
    st.caption(f"{as_text(chosen.trait.replace('_', ' '))} on {as_text(run_name(run))}.")
    if not run.has_model:
        st.info(words.NO_MODEL, icon=":material/info:")
        st.stop()
    results = dose_results(data.settings(), run.run_id, chosen.trait)
    _at_work()
    if results:
        _shown(results)
    else:
        st.info(words.NONE, icon=":material/science:")
    _form(chosen, run, opened=not results)
