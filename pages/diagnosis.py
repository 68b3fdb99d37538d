"""Why does this trait fail?"""

from __future__ import annotations

import streamlit as st

from backend.views.diagnosis import words
from backend.views.diagnosis.cause import Fix, Judgement
from backend.views.diagnosis.compute import diagnose_run, fix_pipeline
from backend.views.diagnosis.figures import fix_gains
from backend.views.diagnosis.tables import evidence_rows
from pages.shared import data
from pages.shared.figures import show
from pages.shared.lab_link import try_in_lab
from pages.shared.navigate import open_page
from pages.shared.plain import as_text
from pages.shared.sidebar import run_name, selection
from pages.shared.states import require_run

_ICONS = {
    "supported": ":material/error:",
    "undetermined": ":material/help:",
    "ruled out": ":material/check_circle:",
}


def _try(cause: str, fix: Fix, layer: int) -> None:
    """A way to see the fix: in the lab, at its layer, or by extracting again."""
    pipeline = fix_pipeline(fix)
    if pipeline is not None:
        at = layer if fix.layer is None else fix.layer
        try_in_lab("Try this fix in the Filter lab", f"try_{cause}", pipeline, at)
        return
    label, icon, page = "Compare with all methods", ":material/leaderboard:", "pages/methods.py"
    choices: dict[str, object] = {}
    if fix.layer is not None:
        label, icon, page = f"Look at layer {fix.layer}", ":material/layers:", "pages/layers.py"
        choices = {"layer": str(fix.layer)}
    elif fix.pooling is not None:
        label, icon, page = fix.title, ":material/play_circle:", "pages/runs.py"
    st.button(label, key=f"try_{cause}", icon=icon, on_click=open_page, args=(page, choices))


def _details(judgement: Judgement, layer: int) -> None:
    """Evidence, fix and confusions of one cause."""
    st.markdown(judgement.summary)
    st.dataframe(evidence_rows(judgement), hide_index=True, width="stretch")
    if judgement.fix is not None:
        _try(judgement.cause, judgement.fix, layer)
    st.caption(f"Looks alike: {judgement.confusions}")


chosen = selection()
title = st.empty()
title.title(words.title(works=False))
run = require_run(chosen)
with data.faults_shown():
    results = data.results()
    (diagnosis,) = results.of_run(
        diagnose_run,
        run.run_id,
        chosen.prompt_set,
        chosen.trait,
        chosen.layer,
        results.thresholds,
    )
    title.title(words.title(works=diagnosis.works))
    best = " (its best layer)" if chosen.layer is None else ""
    st.caption(
        as_text(
            f"{chosen.trait.replace('_', ' ')} on {run_name(run)}, layer {diagnosis.layer}{best}"
        )
    )
    st.subheader(diagnosis.headline)
    st.markdown(words.r_sentence(diagnosis.r, digits=2))
    st.caption(words.VERDICTS)
    st.markdown("#### What each fix would do")
    st.caption(words.GAINS)
    show(fix_gains(diagnosis), "gains")
    st.markdown("#### Every cause")
    for judgement in diagnosis.judgements:
        with st.expander(
            f"{judgement.title}: **{judgement.verdict}**",
            expanded=judgement.verdict == "supported",
            icon=_ICONS[judgement.verdict],
        ):
            _details(judgement, diagnosis.layer)
