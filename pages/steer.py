"""Does the vector steer?"""

from __future__ import annotations

import streamlit as st

from backend.errors import SteerscopeError
from backend.exports.vectors import method_titles
from backend.steering.interventions import WHERE
from backend.steering.units import UNITS, Unit
from backend.store.run_values import RunSummary
from backend.views.steer import words
from backend.views.steer.compute import (
    STORED,
    SteerChat,
    Typed,
    new_chat,
    ready_chat,
    request_of,
    vector_layers,
    vector_of,
    vector_titles,
)
from backend.views.steer.figures import SHOWN
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.address import lasting, layer_slider, segmented, select, toggle, typed
from pages.shared.plain import as_text
from pages.shared.sidebar import Selection, selection
from pages.shared.states import no_worker, require_run
from pages.shared.steer_chat import CHAT, answering, await_answer, failure_shown, show_turns

_PLACE, _SAY, _SYSTEM = "steer", "steer_say", "steer_system"


def _send(fresh: SteerChat) -> None:
    """Ask for an answer to what was written; a chat of other choices is begun anew."""
    text = str(st.session_state[_SAY])
    chat = ready_chat(st.session_state.get(CHAT), fresh)
    if chat is None:
        return
    task = data.queue().tasks.start("steer", chat.request(text).to_json())
    st.session_state[CHAT] = chat.asked(task, text)
    await_answer(task)


def _vector(chosen: Selection, run: RunSummary) -> tuple[str, str, int | None]:
    """Which vector: its name (STORED for one of the run), method and layer."""
    titles = {STORED: f"of this run: {chosen.trait.replace('_', ' ')}"}
    titles |= vector_titles(data.settings())
    left, middle, right = st.columns([1.3, 1.2, 1.2])
    with left:
        name = select("Vector", list(titles), "steer_vector", titles)
    if name != STORED:
        layers = vector_layers(data.settings(), name)
        with middle:
            middle_layer = layers[len(layers) // 2]
            return name, "", layer_slider("Layer", layers, middle_layer, "steer_layer")
    with middle:
        methods = data.results().of_run(method_titles, run.run_id)
        method = select("Method", list(methods), "steer_method", methods)
    with right:
        begin = chosen.layer
        if begin is None:
            cell = (run.run_id, chosen.trait, chosen.prompt_set)
            found = vector_of(data.settings(), *cell, method=method, layer=None, name=STORED)
            begin = found[1].layer
        return name, method, layer_slider("Layer", run.record.layers, begin, "steer_layer")


def _fresh(chosen: Selection, run: RunSummary) -> SteerChat:
    """A chat with the choices made, in which nothing has been said."""
    name, method, layer = _vector(chosen, run)
    cell = (run.run_id, chosen.trait, chosen.prompt_set)
    source, vector = vector_of(data.settings(), *cell, method=method, layer=layer, name=name)
    st.caption(as_text(words.about(vector)))
    left, middle, right = st.columns([1.3, 1.2, 1.2])
    with left:
        mode = segmented("Mode", list(words.MODES), "steer_mode", words.MODES, words.MODE_HELP)
    adds = mode in ("add", "norm-add")
    strengths, low, high = "1", "", ""
    unit: Unit = "vector"
    if mode == "cap":
        with middle:
            low = typed("Lowest projection", "steer_low", "")
        with right:
            high = typed("Highest projection", "steer_high", "")
        st.caption(as_text(words.poles(vector)))
    else:
        with middle:
            kind, default = ("", "1, 2") if adds else (" (share)", "1")
            strengths = typed(
                f"Strengths{kind}", f"steer_strengths{'' if adds else '_share'}", default
            )
        if adds:
            defined = [u for u in UNITS if vector.units.size(u).value is not None]
            with right:
                unit = select("In", defined, "steer_unit", UNITS)
    left, right = st.columns([1.3, 2.4], vertical_alignment="bottom")
    with left:
        where = segmented("Where", list(WHERE), "steer_where", WHERE, words.WHERE_HELP)
    with right:
        control = not toggle("Without the random direction", "steer_no_control")
    with st.expander("System prompt, seed, length", icon=":material/tune:"):
        system = st.text_area("System prompt", key=_SYSTEM)
        columns = st.columns(4)
        numbers = (
            ("Tokens", "steer_tokens", "80", "Longest answer."),
            ("Temperature", "steer_temperature", "0", "0 takes the likeliest token each time."),
            ("Seed", "steer_seed", "0", "The same in every column."),
            ("Seed of the random direction", "steer_control_seed", "0", None),
        )
        given = []
        for column, number in zip(columns, numbers, strict=True):
            with column:
                given.append(typed(*number))
    tokens, temperature, seed, control_seed = given
    numbers_typed = Typed(strengths, low, high, seed, temperature, tokens, control_seed)
    base = request_of(
        source,
        vector,
        numbers_typed,
        mode=mode,
        where=where,
        unit=unit,
        control=control,
        system=system,
    )
    return new_chat(base, vector)


def _show(fresh: SteerChat | None) -> None:
    """The chat so far, and where to write."""
    chat: SteerChat | None = st.session_state.get(CHAT)
    may = not data.settings().read_only
    actor = data.settings().actor
    if actor is not None and not actor.may_change:
        may = False
        st.info(words.LOOK_ONLY, icon=":material/lock:")
    # A store that never had a job gets no queue by looking.
    elif not (data.settings().has_queue() and data.queue().workers()):
        no_worker()
    fault_shown(_PLACE)
    failure_shown()
    if chat is None:
        st.info(words.EMPTY, icon=":material/chat:")
    else:
        left, right = st.columns([3, 1], vertical_alignment="center")
        with left:
            shown = segmented("Colour by", list(SHOWN), "steer_colour", SHOWN, words.COLOURED)
        right.button(
            "New chat",
            icon=":material/restart_alt:",
            disabled=chat.task is not None,
            on_click=st.session_state.pop,
            args=(CHAT, None),
        )
        st.markdown(words.SEE)
        show_turns(chat, shown)
        if chat.task is not None:
            answering(shown)
        elif fresh is not None and chat.base != fresh.base:
            st.info(words.CHANGED, icon=":material/info:")
    st.chat_input(
        "Message",
        key=_SAY,
        disabled=not may or fresh is None or (chat is not None and chat.task is not None),
        on_submit=act,
        args=(_PLACE, _send, fresh),
    )


chosen = selection()
st.title("Does the vector steer?")
run = require_run(chosen)
with data.faults_shown():
    if not run.has_model:
        st.info(words.NO_MODEL, icon=":material/science:")
        st.stop()
    ready: SteerChat | None = None
    try:
        with lasting("steer_", but=_SAY):
            ready = _fresh(chosen, run)
    except SteerscopeError as fault:
        data.show_fault(fault)
    _show(ready)
