"""Which traits work where?"""

from __future__ import annotations

import streamlit as st

from backend.store.run_values import RunSummary
from backend.views.diagnosis.compute import verdict_lines
from backend.views.scorecard import words
from backend.views.scorecard.compute import Scorecard, scorecard
from backend.views.scorecard.figures import scorecard_grid, scorecard_intervals
from backend.views.scorecard.tables import count_rows, verdict_rows
from pages.shared import data, second_model, tour
from pages.shared.address import several
from pages.shared.figures import picked_data, show
from pages.shared.names import column_names
from pages.shared.navigate import open_page
from pages.shared.sidebar import Selection, run_name, selection
from pages.shared.states import require_run

_WHAT = {
    "drift": "r correlates, over scenarios, the drift of a response's projection along the trait's "
    "vector (last turn minus first) with the drift of its judged score.",
    "level": "Responses of this study have no turn: r correlates the **level** of the "
    "projection with the level of the score, not drifts.",
    "none": "This study has no scored responses, so there is no r: only the geometry of the "
    "prompts can be looked at.",
}
_GRID, _WHY = "grid", "why"


def _shown(chosen: Selection) -> tuple[RunSummary, ...]:
    by_id = {run.run_id: run for run in chosen.runs}
    names = {run_id: run_name(run) for run_id, run in by_id.items()}
    wanted = several("Runs shown", list(by_id), "scorecard_runs", names, list(by_id)[-3:])
    return tuple(run for run in chosen.runs if run.run_id in wanted)


def _grid_clicked() -> None:
    cell = picked_data(_GRID)
    if cell is not None:
        _open(cell[0], cell[1])


def _why_clicked(runs: tuple[RunSummary, ...], names: list[str], traits: tuple[str, ...]) -> None:
    cells = st.session_state[_WHY].selection.cells
    if cells and cells[0][1] in names:
        run = runs[names.index(cells[0][1])]
        _open(run.run_id, traits[cells[0][0]])


def _open(run_id: str, trait: str) -> None:
    open_page("pages/diagnosis.py", {"run": run_id, "trait": trait})


def _why(
    chosen: Selection, runs: tuple[RunSummary, ...], names: list[str], traits: tuple[str, ...]
) -> None:
    """Every cell's diagnosis in a line."""
    st.subheader("Why?")
    st.caption(
        "The likeliest cause that the data support, per cell; (+1) where another is supported "
        "too. Choose a cell, here or above, to see the evidence."
    )
    results = data.results()
    view = (chosen.prompt_set, chosen.layer, results.thresholds)
    with st.spinner("Diagnosing every cell"):
        lines = {run.run_id: results.of_run(verdict_lines, run.run_id, *view) for run in runs}
    st.dataframe(
        verdict_rows(lines, runs, traits, names),
        hide_index=True,
        width="stretch",
        key=_WHY,
        on_select=lambda: _why_clicked(runs, names, traits),
        selection_mode="single-cell",
    )


def _grid(
    card: Scorecard,
    runs: tuple[RunSummary, ...],
    names: list[str],
    traits: tuple[str, ...],
    best: bool,
) -> None:
    st.caption(f"{words.GRID} Click a cell to see why.")
    show(scorecard_grid(card, runs, traits, names), _GRID, on_pick=_grid_clicked)
    if best:
        st.caption(
            f"{words.BEST_LAYER} Choose a layer in the sidebar for numbers without that choice."
        )
    if (misled := words.responders_sentence(card.cells.values())) is not None:
        st.warning(misled, icon=":material/groups:")


chosen = selection()
st.title("Which traits work where?")
tour.invitation()
require_run(chosen)
st.caption(_WHAT[chosen.runs[-1].record.target])

with data.faults_shown():
    runs = _shown(chosen)
    if not runs:
        st.info("Choose at least one run above.")
        st.stop()
    names = column_names(runs)
    run_ids = tuple(run.run_id for run in runs)
    thresholds = data.results().thresholds
    card = data.results().of_runs(scorecard, run_ids, chosen.prompt_set, chosen.layer, thresholds)
    traits = chosen.runs[-1].traits
    _grid(card, runs, names, traits, chosen.layer is None)
    st.dataframe(count_rows(card, runs, names, thresholds), hide_index=True, width="stretch")
    st.subheader("How sure is each r?")
    st.caption(words.INTERVALS)
    show(scorecard_intervals(card, runs, traits, names, thresholds), "intervals")
    _why(chosen, runs, names, traits)
second_model.offer(chosen)
