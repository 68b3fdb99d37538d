"""What happens from turn to turn?"""

from __future__ import annotations

import streamlit as st

from backend.store.run import Run
from backend.views.map.compute import layer_of_map
from backend.views.trajectories import words
from backend.views.trajectories.compute import (
    BEGIN,
    CHARACTERS,
    END,
    Trajectories,
    Values,
    drift_r,
    trajectories,
    turn_r,
)
from backend.views.trajectories.figures import drift_figure, trajectory_figure
from backend.views.trajectories.tables import (
    drift_rows,
    mean_rows,
    missing,
    over_turns_rows,
    turn_rows,
)
from pages.shared import data
from pages.shared.address import layer_slider, searched, segmented, select
from pages.shared.figures import show
from pages.shared.plain import as_text
from pages.shared.sidebar import run_name, selection
from pages.shared.states import require_run
from pages.shared.token_link import token_link

Cell = tuple[str, str, str, int]
_VIEWS = {"paths": "Trajectories", "r": "r over all turns", "drift": "Drift between two turns"}
_SHOWN = {"mean": "mean", "chosen": "mean and some conversations"}


def _paths(cell: Cell) -> None:
    """Projection and score by turn: the mean, and conversations that are chosen."""
    left, right = st.columns([1, 1.4])
    with left:
        shown = segmented("Lines", list(_SHOWN), "turn_lines", _SHOWN)
    with right:
        values: Values = segmented("Values", list(words.VALUES), "turn_values", words.VALUES)
    found = data.results().of_run(trajectories, *cell, values)
    st.markdown(f"**{words.moved(found)}**")
    narrow = words.part_of_scale(found) if shown == "mean" else ""
    st.caption(f"{words.MEAN} {narrow}".strip())
    if shown == "mean":
        show(trajectory_figure(found), "turns", "Mean projection and mean score by turn")
    else:
        _chosen(cell, found)
    with st.expander("The means as a table", icon=":material/table:"):
        _table(mean_rows(found), missing(found))


def _table(rows: list[dict[str, str]], reasons: str) -> None:
    """A table, and below it why something in it is missing."""
    st.dataframe(rows, hide_index=True, width="stretch")
    if reasons:
        st.caption(as_text(reasons))


def _chosen(cell: Cell, found: Trajectories) -> None:
    run_id, trait, _, layer = cell
    names = words.conversation_names(found)
    keys = searched("Conversations", list(names), "conversations", names, found.notable)
    chosen = found.chosen(keys)
    ids = tuple(point.response_id for one in chosen for point in one.points)
    read = data.results().of_run(Run.scored_texts, run_id, trait, ids, CHARACTERS)
    texts = {text.response_id: text for text in read}
    st.caption(words.CHOSEN)
    show(
        trajectory_figure(found, chosen, names, texts),
        "turns",
        "Projection and score of conversations by turn, with the mean of all",
    )
    if chosen:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            shown = {one.key: names[one.key] for one in chosen}
            one = select("Token by token", list(shown), "turns_tokens", shown)
            token_link(int(one), layer, "turns_token_link")
    with st.expander("These conversations as a table", icon=":material/table:"):
        st.dataframe(turn_rows(chosen, texts), hide_index=True, width="stretch")


def _over_turns(cell: Cell) -> None:
    """r over all turns, between and within conversations."""
    found = data.results().of_run(turn_r, *cell)
    st.markdown(f"**{words.over_turns_answer(found)}**")
    st.caption(f"{found.turns} scored turns of {found.conversations} conversations.")
    _table(over_turns_rows(found), missing(found))
    st.caption(words.OVER_TURNS)


def _drift(cell: Cell, found: Trajectories) -> None:
    """r of the drift between two turns that are chosen."""
    names = {turn: words.turn_name(turn) for turn in (BEGIN, END, *found.turns)}
    left, right = st.columns(2)
    with left:
        start = select("From turn", [BEGIN, *found.turns], "from_turn", names)
    with right:
        stop = select("To turn", [END, *found.turns], "to_turn", names)
    drift = data.results().of_run(drift_r, *cell, start, stop)
    st.markdown(f"**{words.drift_answer(drift)}**")
    st.caption(words.interval_beside(drift))
    if drift.by_stop:
        st.caption(words.BY_STOP)
        show(drift_figure(drift), "drifts", "r of the drift from one turn to each other turn")
        with st.expander("The same as a table", icon=":material/table:"):
            _table(drift_rows(drift), missing(drift))


chosen = selection()
st.title("What happens from turn to turn?")
run = require_run(chosen)
with data.faults_shown():
    begin = chosen.layer
    if begin is None:
        begin = data.results().of_run(layer_of_map, run.run_id, chosen.trait, chosen.prompt_set)
    layer = layer_slider("Layer", run.record.layers, begin, "turns_layer")
    cell = (run.run_id, chosen.trait, chosen.prompt_set, layer)
    found = data.results().of_run(trajectories, *cell)
    if not found.turns:
        st.info(words.NO_TURNS)
        st.stop()
    st.caption(
        f"{as_text(chosen.trait.replace('_', ' '))} on {as_text(run_name(run))}, layer {layer}. "
        f"{words.extent(found)}"
    )
    view = segmented("Show", list(_VIEWS), "turns_view", _VIEWS)
    if view == "paths":
        _paths(cell)
    elif view == "r":
        _over_turns(cell)
    else:
        _drift(cell, found)
