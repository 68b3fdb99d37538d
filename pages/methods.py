"""Which vector method wins?"""

from __future__ import annotations

from typing import cast

import streamlit as st

from backend.views.methods.comparison import MethodComparison
from backend.views.methods.compute import METHOD, MethodGrid
from backend.views.methods.figures import (
    FITTED_MARK,
    SAVED_MARK,
    Shown,
    method_differences,
    method_forest,
    method_heatmap,
    methods_overall,
)
from backend.views.methods.subsampling_figures import subsample_cosine, subsample_r, subsample_rows
from backend.views.methods.tables import choice_rows, method_rows, overall_rows
from pages.shared import comparisons, data
from pages.shared.address import segmented
from pages.shared.figures import show
from pages.shared.sidebar import run_name, selection
from pages.shared.states import require_run

_SHOWN = {"fair": "layer chosen on other scenarios", "best": "at the best layer (flattered)"}


def _grid(grid: MethodGrid, layer: int | None) -> None:
    """All methods on all traits."""
    st.subheader("Every method on every trait")
    shown: Shown = "best"
    if layer is None:
        shown = cast(
            Shown,
            segmented(
                "r shown",
                list(_SHOWN),
                "methods_r",
                _SHOWN,
                help="The layer with the highest r flatters r. The other number chooses the layer "
                "on one half of the scenarios and takes r on the other, many times.",
            ),
        )
    where = f"at layer {layer}" if layer is not None else _SHOWN[shown]
    st.caption(
        f"r over {grid.target}s, {where}; bold is the highest of a trait, which is chosen on the "
        f"data that it is shown on. {FITTED_MARK} is fitted on scores: its r comes from "
        "scenarios that each fit had not seen. – is undefined, empty is not computed in this run. "
        "Intervals: in the hover and, for one trait, below."
    )
    show(method_heatmap(grid, shown), "grid")
    if any(row.saved for row in grid.rows):
        st.caption(
            f"{SAVED_MARK} is a vector saved in the Filter lab, at its own layer: it may have been "
            "chosen on these scores, so its r is flattered."
        )
    absent = [row.title for row in grid.rows if not row.computed]
    if absent:
        st.caption(f"Not computed in this run: {', '.join(absent)}.")


def _trait(grid: MethodGrid, comparison: MethodComparison, trait: str, chosen: bool) -> None:
    """One trait: intervals, differences and every number."""
    st.subheader(f"How sure is each r of {trait.replace('_', ' ')}?")
    st.caption(
        "Both intervals are of the same r: Fisher's takes drifts as normal, the bootstrap draws "
        "scenarios. Where they differ, trust neither end too far."
        + (
            " Green is r of the layer chosen on other scenarios: where it falls behind, the best "
            "layer was luck."
            if chosen
            else ""
        )
    )
    show(method_forest(grid, trait), "forest")
    st.subheader("Better than the mean difference?")
    st.caption(
        "Right of zero beats the study's method. Both r share the behaviour, so the interval is "
        "Zou's and p Williams's. ▲ and ▼ are sure by the Benjamini-Hochberg p (5%) over all "
        f"{comparison.tests()} comparisons of methods and traits of this run; intervals are not "
        "adjusted, so one may leave out zero without being sure."
        + (" Each method is at its own best layer, so both r are flattered." if chosen else "")
    )
    show(method_differences(grid, comparison, trait), "differences")
    st.dataframe(method_rows(grid, comparison, trait), hide_index=True, width="stretch")


def _choice(run_id: str, trait: str, prompt_set: str, layer: int | None) -> None:
    """What it is worth to pick the winner."""
    st.subheader("What is it worth to choose the winner?")
    found = comparisons.method_choice(run_id, trait, prompt_set, layer)
    st.caption(
        f"The highest of {found.candidates} r is partly luck: choosing the best method on the same "
        "data flatters it. So the choice is made on one half of the scenarios and r taken on the "
        "other, over 200 random splits. Only if that beats the mean difference is choosing worth "
        "anything."
    )
    st.dataframe(choice_rows(found), hide_index=True, width="stretch")


def _overall(grid: MethodGrid, comparison: MethodComparison, chosen: bool) -> None:
    st.subheader("Which method wins over all traits?")
    st.caption(
        "The difference of Fisher's z to the mean difference, averaged over the traits on which "
        "both have r"
        + (", each r with its layer chosen on other scenarios" if chosen else "")
        + ". ▲ and ▼ are sure by the Benjamini-Hochberg p (5%) over methods. Traits share their "
        "responses, so they are less than independent and the interval is too narrow rather than "
        "too wide. A method that was refused on some traits is compared on the others only."
    )
    show(methods_overall(grid, comparison), "overall")
    st.dataframe(overall_rows(grid, comparison), hide_index=True, width="stretch")


def _subsampling(run_id: str, trait: str, prompt_set: str, layer: int) -> None:
    st.subheader("How many prompts does a vector need?")
    curve = comparisons.subsample_curve(run_id, trait, prompt_set, layer)
    st.caption(
        f"{trait.replace('_', ' ')}, layer {layer}: mean-difference vectors from random subsets of "
        f"its {curve.prompts[0]} high and {curve.prompts[1]} low prompts. Bars hold 95% of the "
        "draws: what the choice of prompts does, the responses being the same. The grey area is "
        "the interval of r of all prompts: what the choice of scenarios does. A subset is part of "
        "all prompts, which flatters its cosine to them; disjoint subsets share none."
    )
    if not curve.sizes:
        st.info("There are too few prompts per pole for the smallest subset, 5.")
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
run_id = run.record.run_id
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
    grid = comparisons.method_grid(run_id, chosen.prompt_set, chosen.layer)
    comparison = comparisons.method_comparison(run_id, chosen.prompt_set, chosen.layer)
    best = chosen.layer is None
    _grid(grid, chosen.layer)
    _trait(grid, comparison, chosen.trait, best)
    _choice(run_id, chosen.trait, chosen.prompt_set, chosen.layer)
    _overall(grid, comparison, best)
    plain = grid.cells.get((METHOD, chosen.trait))
    layers = run.record.layers
    at = chosen.layer if plain is None or plain.layer is None else plain.layer
    _subsampling(
        run_id, chosen.trait, chosen.prompt_set, layers[len(layers) // 2] if at is None else at
    )
