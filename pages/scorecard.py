"""Which traits work where?"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from backend.store.run_values import RunSummary
from backend.views.diagnosis.compute import diagnose_run
from backend.views.scorecard import words
from backend.views.scorecard.compute import Scorecard, runs_to_compare, scorecard
from backend.views.scorecard.figures import scorecard_intervals
from backend.views.scorecard.grid import scorecard_cells
from backend.views.scorecard.tables import number_rows
from pages.shared import data, second_model, welcome
from pages.shared.address import segmented, several
from pages.shared.figures import show
from pages.shared.names import column_names
from pages.shared.navigate import open_page
from pages.shared.plain import as_text
from pages.shared.sidebar import Selection, run_name, selection, short_names
from pages.shared.states import require_run
from pages.shared.trait_grid import trait_grid

_VIEWS = {"cells": "Cells", "intervals": "Intervals", "numbers": "Numbers"}
_DIAGNOSED = "scorecard_diagnosed"


def _open(run_id: str, trait: str) -> None:
    open_page("pages/diagnosis.py", {"run": run_id, "trait": trait})


def _cells(
    card: Scorecard, runs: tuple[RunSummary, ...], names: list[str], traits: tuple[str, ...]
) -> None:
    """The table, at once; causes are filled in when every cell is diagnosed."""
    place = st.empty()
    shown = (tuple(run.run_id for run in runs), chosen.prompt_set, chosen.layer)
    if st.session_state.get(_DIAGNOSED) != shown:
        with place.container():
            trait_grid(scorecard_cells(card, runs, traits, names, None), "cells_first", _open)
    causes: dict[str, Mapping[str, str]] = {}
    note = st.empty()
    for number, run in enumerate(runs, start=1):
        if st.session_state.get(_DIAGNOSED) != shown:
            note.caption(
                f"Diagnosing every cell: {names[number - 1]}, {number} of {len(runs)} runs"
            )
        results = data.results()
        found = results.of_run(
            diagnose_run,
            run.run_id,
            chosen.prompt_set,
            None,
            chosen.layer,
            results.thresholds,
            results.steering(run.run_id),
        )
        causes[run.run_id] = {diagnosis.trait: diagnosis.line for diagnosis in found}
    st.session_state[_DIAGNOSED] = shown
    note.empty()
    with place.container():
        trait_grid(scorecard_cells(card, runs, traits, names, causes), "cells", _open)
    st.caption(
        f"{words.legend(data.results().thresholds)}. {words.GRID} Last line: the likeliest "
        "supported cause; (+1): one more is supported. Click a cell to see why."
    )
    if chosen.layer is None:
        st.caption(f"{words.BEST_LAYER} Choose a layer in the sidebar to avoid that.")


def _runs(chosen: Selection) -> tuple[RunSummary, ...]:
    """Which runs are shown: all that can be told apart at a glance, unless the user says else."""
    default = [run.run_id for run in runs_to_compare(chosen.runs)]
    by_id = {run.run_id: run for run in chosen.runs}
    if len(by_id) == 1:
        return chosen.runs
    names = dict(zip(by_id, short_names(chosen.runs), strict=True))
    wanted = several("Runs shown", list(by_id), "scorecard_runs", names, default)
    return tuple(run for run in chosen.runs if run.run_id in wanted)


def _page() -> None:
    answer = st.empty()
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        view = segmented("Show", list(_VIEWS), "scorecard_view", _VIEWS)
    with right:
        runs = _runs(chosen)
    if not runs:
        st.info("Choose at least one run above.")
        return
    names = column_names(runs)
    run_ids = tuple(run.run_id for run in runs)
    thresholds = data.results().thresholds
    card = data.results().of_runs(scorecard, run_ids, chosen.prompt_set, chosen.layer, thresholds)
    traits = chosen.runs[-1].traits
    with answer.container():
        st.subheader(words.answer(card, runs, names))
        if held_out := words.held_out_answer(card, runs, names):
            st.caption(held_out)
    if chosen.run is not None and chosen.run not in runs:
        st.caption(words.not_shown(as_text(run_name(chosen.run))))
    if (misled := words.responders_sentence(card.cells.values())) is not None:
        st.warning(misled, icon=":material/groups:")
    if view == "cells":
        _cells(card, runs, names, traits)
    elif view == "intervals":
        st.caption(words.INTERVALS)
        forest = scorecard_intervals(card, runs, traits, names, thresholds)
        show(forest, "intervals", "r with its 95% interval, by trait and model")
    else:
        st.dataframe(number_rows(card, runs, traits, names), hide_index=True, width="stretch")
    st.caption(words.R[chosen.runs[-1].record.target])


chosen = selection()
welcome.welcome(chosen)
st.title("Which traits work where?")
require_run(chosen)
with data.faults_shown():
    _page()
second_model.offer(chosen)
