"""Which vector method wins?"""

from __future__ import annotations

import streamlit as st

from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.exports.vectors import method_titles
from backend.store.run_values import RunSummary
from backend.views.methods import words
from backend.views.methods.comparison import MethodComparison, method_choice, method_comparison
from backend.views.methods.compute import MethodGrid
from backend.views.methods.cosines import FAMILIES, runs_of_model, vector_cosines
from backend.views.methods.differences import MethodDifferences, differences_on_traits
from backend.views.methods.figures import (
    cosine_map,
    method_differences,
    method_forest,
    method_heatmap,
    methods_overall,
    subsample_cosine,
    subsample_r,
)
from backend.views.methods.subsampling import subsample_curve
from backend.views.methods.tables import (
    choice_rows,
    cosine_rows,
    method_rows,
    overall_rows,
    subsample_rows,
)
from pages.shared import data
from pages.shared.address import layer_slider, segmented, select
from pages.shared.figures import show
from pages.shared.sidebar import Selection, run_name, selection
from pages.shared.states import require_run
from pages.shared.vector_import import vector_import

# Keys that links of earlier versions hold.
_FORMER = {"fair": "held_out"}
# Pixels of the heatmap that its labels and a number take.
_LABELS, _COLUMN = 150, 44
_VIEWS = {
    "grid": "Every trait",
    "overall": "Over all traits",
    "trait": "This trait",
    "choice": "Choosing a method",
    "prompts": "Fewer prompts",
    "cosines": "Cosines",
}


def _grid(grid: MethodGrid, layer: int | None) -> None:
    """All methods on all traits."""
    shown: words.Shown = "best"
    if layer is None:
        shown = segmented(
            "r shown",
            list(words.SHOWN),
            "methods_r",
            words.SHOWN,
            help="The r of the best layer is inflated by selection. The other number chooses the "
            "layer on one half of the scenarios and takes r on the other, many times.",
            former=_FORMER,
        )
    st.caption(f"{words.grid_caption(grid, shown, layer)} Hover for intervals.")
    show(
        method_heatmap(grid, shown),
        "grid",
        "r of every method on every trait",
        least_width=_LABELS + _COLUMN * len(grid.traits),
    )
    if any(row.saved for row in grid.rows):
        st.caption(words.SAVED)
    missing = words.missing_caption(grid)
    if missing:
        st.caption(missing)


def _trait(grid: MethodGrid, differences: MethodDifferences, trait: str, layer: int | None) -> None:
    """One trait: intervals, differences and every number."""
    st.subheader("Better than the mean difference?")
    st.caption(words.differences_caption(differences, layer))
    show(
        method_differences(grid, differences, trait),
        "differences",
        "r of every method minus that of the mean difference",
    )
    st.subheader(f"r of {trait.replace('_', ' ')} by method")
    st.caption(words.forest_caption(layer))
    show(method_forest(grid, trait), "forest", "r of every method, with its intervals")
    st.dataframe(method_rows(grid, differences, trait), hide_index=True, width="stretch")


def _choice(run_id: str, trait: str, prompt_set: str, layer: int | None) -> None:
    """What it is worth to pick the winner."""
    found = data.results().of_run(method_choice, run_id, trait, prompt_set, layer)
    st.markdown(f"**{words.choice_answer(found)}**")
    st.caption(words.choice_caption(found))
    st.dataframe(choice_rows(found), hide_index=True, width="stretch")


def _overall(
    comparison: MethodComparison, differences: MethodDifferences, layer: int | None
) -> None:
    st.caption(words.overall_caption(layer))
    show(
        methods_overall(comparison),
        "overall",
        "Every method against the mean difference, over all traits",
    )
    st.dataframe(
        overall_rows(comparison, differences), hide_index=True, width="stretch", height="content"
    )


def _subsampling(run_id: str, trait: str, prompt_set: str, layer: int) -> None:
    curve = data.results().of_run(subsample_curve, run_id, trait, prompt_set, layer)
    if not curve.sizes:
        st.info(words.TOO_FEW_PROMPTS)
        return
    st.markdown(f"**{words.subsets_answer(curve)}**")
    st.caption(f"{words.subsets_caption(trait, layer, curve)} {words.SUBSETS_COSINE}")
    left, right = st.columns(2)
    with left:
        show(subsample_r(curve), "subsample_r", "r by number of prompts")
    with right:
        show(
            subsample_cosine(curve),
            "subsample_cosine",
            "Cosine to the full vector by number of prompts",
        )
    st.dataframe(subsample_rows(curve), hide_index=True, width="stretch")


def _cosines(selected: Selection, run: RunSummary, begin: int) -> None:
    """Which vectors point the same way."""
    left, middle, right = st.columns([1.3, 1, 1])
    with left:
        family = segmented("Vectors of different", list(FAMILIES), "cosines_of", FAMILIES)
    with middle:
        titles = data.results().of_run(method_titles, run.run_id)
        method = MEAN_DIFFERENCE
        if family != "methods" and titles:
            method = select("Method", list(titles), "cosines_method", titles)
    with right:
        layer = layer_slider("Layer", run.record.layers, begin, "cosines_layer")
    run_ids = runs_of_model(selected.runs, run) if family == "sets" else (run.run_id,)
    found = data.results().of_runs(
        vector_cosines, run_ids, family, selected.trait, method, selected.prompt_set, layer
    )
    st.markdown(f"**{words.cosines_answer(found)}**")
    of = "" if family == "traits" else f"{selected.trait.replace('_', ' ')}, "
    by = "" if family == "methods" else f"{titles.get(method, method).lower()}, "
    st.caption(f"{of}{by}layer {layer}. {words.COSINES} {words.missing_vectors(found)}")
    if found.names:
        show(cosine_map(found), "cosines", "Cosine of every pair of vectors")
        with st.expander("The cosines as a table", icon=":material/table:"):
            st.dataframe(cosine_rows(found), hide_index=True, width="stretch")


def _differences(chosen: Selection, run: RunSummary) -> MethodDifferences:
    with st.spinner("Comparing the methods on each trait"):
        return data.results().with_saved(
            differences_on_traits, [run.run_id], chosen.prompt_set, chosen.layer
        )


chosen = selection()
st.title("Which vector method wins?")
run = require_run(chosen)
with data.faults_shown():
    with st.spinner("Comparing the methods"):
        comparison = data.results().with_saved(
            method_comparison, [run.run_id], chosen.prompt_set, chosen.layer
        )
    st.markdown(f"**{words.overall_answer(comparison)}**")
    st.caption(
        f"{run_name(run)}, "
        + (
            f"layer {chosen.layer}."
            if chosen.layer is not None
            else "each method and trait at its own best layer. Choose a layer in the sidebar to "
            "use one for all."
        )
    )
    view = segmented("Show", list(_VIEWS), "methods_view", _VIEWS)
    plain = comparison.grid.results.get((MEAN_DIFFERENCE, chosen.trait))
    at = chosen.layer if plain is None or plain.layer is None else plain.layer
    at = run.middle_layer if at is None else at
    if view == "grid":
        _grid(comparison.grid, chosen.layer)
    elif view == "overall":
        _overall(comparison, _differences(chosen, run), chosen.layer)
    elif view == "trait":
        _trait(comparison.grid, _differences(chosen, run), chosen.trait, chosen.layer)
    elif view == "choice":
        _choice(run.run_id, chosen.trait, chosen.prompt_set, chosen.layer)
    elif view == "prompts":
        _subsampling(run.run_id, chosen.trait, chosen.prompt_set, at)
    else:
        _cosines(chosen, run, at)
    vector_import(run.traits)
