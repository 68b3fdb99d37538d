"""Do the prompts agree?"""

from __future__ import annotations

import streamlit as st

from backend.store.run_values import RunSummary
from backend.views.prompts.compute import PromptView
from backend.views.prompts.figures import (
    cosine_heatmap,
    metric_rows,
    norms_and_agreement,
    pole_rows,
)
from backend.views.scorecard.compute import layer_to_show
from pages.shared import data
from pages.shared.address import segmented
from pages.shared.figures import show
from pages.shared.sidebar import Selection, selection
from pages.shared.states import require_run

_ORDERS = {"clustered": "clustered", "written": "as written"}


def _layer(chosen: Selection, run: RunSummary) -> int:
    """The chosen layer, or the best of this trait, or the middle one where r is undefined."""
    if chosen.layer is not None:
        return chosen.layer
    card = data.card((run.record.run_id,), chosen.prompt_set, None)
    return layer_to_show(card, run, chosen.trait)


def _prompt_table(view: PromptView) -> None:
    st.dataframe(
        [
            {
                "#": row.prompt_id,
                "pole": row.pole,
                "text": row.text,
                "norm": row.norm,
                "cosine to its pole": row.to_own_pole.value,
                "turns the vector by (°)": row.influence.value,
                "tokens": row.tokens,
            }
            for row in view.rows
        ],
        hide_index=True,
        width="stretch",
        column_config={
            "text": st.column_config.TextColumn(width="large"),
            "norm": st.column_config.NumberColumn(format="%.4g"),
            "cosine to its pole": st.column_config.NumberColumn(format="%.3f"),
            "turns the vector by (°)": st.column_config.NumberColumn(format="%.1f"),
        },
    )


chosen = selection()
st.title("Do the prompts agree?")
run = require_run(chosen)
run_id = run.record.run_id

with data.faults_shown():
    layer = _layer(chosen, run)
    cell = next(
        cell
        for cell in data.cells(run_id, chosen.trait)
        if cell.key.layer == layer and cell.key.prompt_set == chosen.prompt_set
    )
    st.markdown(
        f"**{chosen.trait.replace('_', ' ')}** on **{run.record.model_name}**, layer "
        f"{layer}. Vectors average the prompts of each pole: if those point in different "
        "directions, or one is far longer than the rest, the average stands for none of them."
    )
    order = segmented(
        "Order of prompts",
        list(_ORDERS),
        "order",
        _ORDERS,
        help="Clustered: average linkage on the cosines, within each pole.",
    )
    view = data.prompt_view(run_id, chosen.trait, chosen.prompt_set, layer, order == "clustered")
    left, right = st.columns(2)
    with left:
        st.subheader("Cosines")
        st.caption(
            "Bright blocks on the diagonal are poles that agree; a dark stripe is a prompt that "
            "points elsewhere. Hover for both texts."
        )
        show(cosine_heatmap(view), "heatmap")
    with right:
        st.subheader("Lengths and agreement")
        st.caption(
            "A prompt far to the right outweighs the others in the mean; one far below points "
            "another way."
        )
        show(norms_and_agreement(view), "norms")
    st.subheader("Within-class variance, raw and scale-free")
    st.caption(
        "The raw variance grows with the square of the model's activation norm, so it cannot "
        "compare models; spread is the same quantity divided by the squared norm of the mean."
    )
    st.dataframe(pole_rows(cell), hide_index=True, width="stretch")
    st.subheader("The prompts")
    _prompt_table(view)
    with st.expander("Every metric of this cell, with its definition"):
        st.dataframe(metric_rows(cell), hide_index=True, width="stretch")
