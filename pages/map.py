"""What does the vector separate?"""

from __future__ import annotations

import streamlit as st

from backend.views.map import words
from backend.views.map.compute import BASES, layer_of_map, trait_map
from backend.views.map.figures import map_figure
from backend.views.map.tables import point_rows
from pages.shared import data
from pages.shared.address import layer_slider, segmented
from pages.shared.figures import show
from pages.shared.plain import as_text
from pages.shared.sidebar import run_name, selection
from pages.shared.states import require_run

chosen = selection()
st.title("What does the vector separate?")
run = require_run(chosen)
with data.faults_shown():
    results = data.results()
    begin = chosen.layer
    if begin is None:
        begin = results.of_run(layer_of_map, run.run_id, chosen.trait, chosen.prompt_set)
    left, right = st.columns([1, 1.4])
    with left:
        basis = segmented("Plane of", list(BASES), "map_of", BASES, help=words.BASIS)
    with right:
        layer = layer_slider("Layer", run.record.layers, begin, "map_layer")
    with st.spinner("Placing the texts"):
        found = results.of_run(trait_map, run.run_id, chosen.trait, chosen.prompt_set, layer, basis)
    st.markdown(f"**{words.answer(found)}**")
    st.caption(
        f"{as_text(chosen.trait.replace('_', ' '))} on {as_text(run_name(run))}, layer {layer}. "
        f"{words.READ} {words.left_out(found)}"
    )
    if found.reason is None:
        show(map_figure(found), "map", "Prompts and responses in one plane, with the vector v")
        with st.expander("The points as a table", icon=":material/table:"):
            st.dataframe(point_rows(found), hide_index=True, width="stretch")
