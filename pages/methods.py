"""Which vector method wins?"""

from __future__ import annotations

import streamlit as st

from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.views.methods import words
from backend.views.methods.comparison import MethodComparison, method_choice, method_comparison
from backend.views.methods.compute import MethodGrid
from backend.views.methods.figures import (
    method_differences,
    method_forest,
    method_heatmap,
    methods_overall,
    subsample_cosine,
    subsample_r,
)
from backend.views.methods.subsampling import subsample_curve
from backend.views.methods.tables import choice_rows, method_rows, overall_rows, subsample_rows
from pages.shared import data
from pages.shared.address import segmented
from pages.shared.figures import show
from pages.shared.sidebar import run_name, selection
from pages.shared.states import require_run

# Keys that links of earlier versions hold.
_FORMER = {"fair": "held_out"}


def _grid(grid: MethodGrid, layer: int | None) -> None:
    """All methods on all traits."""
    st.subheader("Every method on every trait")
    shown: words.Shown = "best"
    if layer is None:
        shown = segmented(
            "r shown",
            list(words.SHOWN),
            "methods_r",
            words.SHOWN,
            help="The layer with the highest r flatters r. The other number chooses the layer "
            "on one half of the scenarios and takes r on the other, many times.",
            former=_FORMER,
        )
    st.caption(
        f"{words.grid_caption(grid, shown, layer)} Intervals: in the hover and, for one trait, "
        "below."
    )
    show(method_heatmap(grid, shown), "grid")
    if any(row.saved for row in grid.rows):
        st.caption(words.SAVED)
    missing = words.missing_caption(grid)
    if missing:
        st.caption(missing)


def _trait(comparison: MethodComparison, trait: str, layer: int | None) -> None:
    """One trait: intervals, differences and every number."""
    st.subheader(f"How sure is each r of {trait.replace('_', ' ')}?")
    st.caption(words.forest_caption(layer))
    show(method_forest(comparison.grid, trait), "forest")
    st.subheader("Better than the mean difference?")
    st.caption(words.differences_caption(comparison, layer))
    show(method_differences(comparison, trait), "differences")
    st.dataframe(method_rows(comparison, trait), hide_index=True, width="stretch")


def _choice(run_id: str, trait: str, prompt_set: str, layer: int | None) -> None:
    """What it is worth to pick the winner."""
    st.subheader("What is it worth to choose the winner?")
    found = data.results().of_run(method_choice, run_id, trait, prompt_set, layer)
    st.caption(words.choice_caption(found))
    st.dataframe(choice_rows(found), hide_index=True, width="stretch")


def _overall(comparison: MethodComparison, layer: int | None) -> None:
    st.subheader("Which method wins over all traits?")
    st.caption(words.overall_caption(layer))
    show(methods_overall(comparison), "overall")
    st.dataframe(overall_rows(comparison), hide_index=True, width="stretch")


def _subsampling(run_id: str, trait: str, prompt_set: str, layer: int) -> None:
    st.subheader("How many prompts does a vector need?")
    curve = data.results().of_run(subsample_curve, run_id, trait, prompt_set, layer)
    st.caption(f"{words.subsets_caption(trait, layer, curve)} {words.SUBSETS_COSINE}")
    if not curve.sizes:
        st.info(words.TOO_FEW_PROMPTS)
        return
    left, right = st.columns(2)
    with left:
        show(subsample_r(curve), "subsample_r")
    with right:
        show(subsample_cosine(curve), "subsample_cosine")
    st.dataframe(subsample_rows(curve), hide_index=True, width="stretch")


chosen = selection()
st.title("Which vector method wins?")
run = require_run(chosen)
st.caption(
    f"{run_name(run)}, "
    + (
        f"layer {chosen.layer}."
        if chosen.layer is not None
        else "each method and trait at its own best layer; choose a layer in the sidebar to hold "
        "it the same for all."
    )
)
with data.faults_shown():
    with st.spinner("Comparing the methods"):
        comparison = data.results().with_saved(
            method_comparison, [run.run_id], chosen.prompt_set, chosen.layer
        )
    _grid(comparison.grid, chosen.layer)
    _trait(comparison, chosen.trait, chosen.layer)
    _choice(run.run_id, chosen.trait, chosen.prompt_set, chosen.layer)
    _overall(comparison, chosen.layer)
    plain = comparison.grid.results.get((MEAN_DIFFERENCE, chosen.trait))
    at = chosen.layer if plain is None or plain.layer is None else plain.layer
    _subsampling(
        run.run_id, chosen.trait, chosen.prompt_set, run.middle_layer if at is None else at
    )
