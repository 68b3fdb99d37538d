"""Which traits work where?"""

from __future__ import annotations

import streamlit as st

from backend.charts.scorecard import count_rows, scorecard_grid, scorecard_intervals
from backend.queries.runs import RunSummary
from pages.shared import data
from pages.shared.figures import show
from pages.shared.sidebar import run_name, selection
from pages.shared.states import require_run

_WHAT = {
    "drift": "r correlates, over scenarios, the drift of a response's projection along the trait's "
    "vector (last turn minus first) with the drift of its judged score.",
    "level": "This study has one response per scenario: r correlates the **level** of the "
    "projection with the level of the score, not drifts.",
    "none": "This study has no scored responses, so there is no r: only the geometry of the "
    "prompts can be looked at.",
}


def _column_names(runs: tuple[RunSummary, ...]) -> list[str]:
    """The model where that tells runs apart, else the run's full name."""
    labels = [run.label for run in runs]
    names = [run.label if labels.count(run.label) == 1 else run_name(run) for run in runs]
    return [
        name if names.count(name) == 1 else f"{name} · {run.record.run_id[-4:]}"
        for name, run in zip(names, runs, strict=True)
    ]


chosen = selection()
st.title("Which traits work where?")
require_run(chosen)
st.caption(_WHAT[chosen.runs[-1].record.target])

with data.faults_shown():
    by_id = {run.record.run_id: run for run in chosen.runs}
    columns_of = st.pills(
        "Runs shown",
        list(by_id),
        default=list(by_id)[-3:],
        selection_mode="multi",
        format_func=lambda run_id: run_name(by_id[run_id]),
        key="scorecard_runs",
    )
    runs = tuple(run for run in chosen.runs if run.record.run_id in columns_of)
    if not runs:
        st.info("Choose at least one run above.")
        st.stop()
    names = _column_names(runs)
    layer = chosen.layer
    card = data.card(tuple(run.record.run_id for run in runs), chosen.prompt_set, layer)
    traits = chosen.runs[-1].traits
    show(scorecard_grid(card, runs, traits, names), "grid")
    if layer is None:
        st.caption(
            "The layer of each cell is the one with the highest r, so r is flattered by the choice "
            "and its interval and p do not allow for it. Choose a layer in the sidebar for "
            "numbers without that choice."
        )
    counts = count_rows(card, runs, names, data.settings().thresholds)
    st.dataframe(counts, hide_index=True, width="stretch")
    st.subheader("How sure is each r?")
    st.caption(
        "A cell is only as good as its interval: one that reaches over a threshold could as well "
        "have the next status."
    )
    show(scorecard_intervals(card, runs, traits, names, data.settings().thresholds), "intervals")
