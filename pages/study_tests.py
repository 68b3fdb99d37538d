"""Does the whole study hold up?"""

from __future__ import annotations

import streamlit as st

from backend.views.study_tests.figures import (
    cosine_by_model,
    finding_chart,
    finding_rows,
    overview_rows,
)
from backend.views.study_tests.reference import PROMPT_COSINE, TITLE, CellRow, Finding
from pages.shared import data
from pages.shared.address import select
from pages.shared.figures import show
from pages.shared.sidebar import selection
from pages.shared.states import show_broken

_PUBLISHED, _CHOSEN = "published", "chosen"


def _details(number: int, finding: Finding, cells: tuple[CellRow, ...]) -> None:
    """Table, caveat and chart of one test."""
    if finding.rows:
        st.dataframe(finding_rows(finding), hide_index=True, width="stretch")
    if finding.caveat:
        st.caption(f"Caveat: {finding.caveat}")
    if finding.name == PROMPT_COSINE:
        st.caption(
            "Within the colour of one model, higher cosine does not go with higher r; models "
            "differ in both, which alone makes the cloud of all cells rise."
        )
        show(cosine_by_model(cells), f"cells_{number}")
    figure = finding_chart(finding)
    if figure is not None:
        st.caption("Each number of the table above, with its 95% interval where it has one.")
        show(figure, f"finding_{number}")


chosen = selection()
st.title("Does the whole study hold up?")
show_broken()
sources = {_PUBLISHED: TITLE}
if chosen.study is not None and chosen.runs:
    sources[_CHOSEN] = chosen.study.title
source = select("Tests of", list(sources), "tests", sources)
st.caption(
    "The study's ten tests, each with its numbers, a verdict and what the numbers cannot say. "
    "Ruled out needs an interval that excludes an effect that would matter."
)
with data.faults_shown():
    run_ids = tuple(run.record.run_id for run in chosen.runs)
    if source == _PUBLISHED:
        st.caption("Recomputed from the printed tables, beside the figure the study printed.")
        findings, cells = data.published_findings(), data.published_cells()
    else:
        findings = data.findings(run_ids, chosen.prompt_set)
        cells = data.study_cells(run_ids, chosen.prompt_set)
    st.table(overview_rows(findings), border="horizontal", hide_index=True)
    st.subheader("Test by test")
    for number, finding in enumerate(findings, start=1):
        with st.expander(f"{number}. {finding.question} **{finding.verdict}**: {finding.answer}"):
            _details(number, finding, cells)
