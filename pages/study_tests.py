"""Does the whole study hold up?"""

from __future__ import annotations

import streamlit as st

from backend.charts.findings import finding_rows
from backend.queries.reference import TITLE
from pages.shared import data
from pages.shared.address import select
from pages.shared.sidebar import selection

_PUBLISHED, _CHOSEN = "published", "chosen"

chosen = selection()
st.title("Does the whole study hold up?")
sources = {_PUBLISHED: TITLE}
if chosen.study is not None and chosen.runs:
    sources[_CHOSEN] = chosen.study.title
source = select("Tests of", list(sources), "tests", sources)
st.caption(
    "The study's ten tests, each with its numbers, a verdict and what the numbers cannot say. "
    "Ruled out needs an interval that excludes an effect that would matter."
)
with data.faults_shown():
    if source == _PUBLISHED:
        st.caption("Recomputed from the printed tables, beside the figure the study printed.")
        findings = data.published_findings()
    else:
        run_ids = tuple(run.record.run_id for run in chosen.runs)
        findings = data.findings(run_ids, chosen.prompt_set)
    for number, finding in enumerate(findings, start=1):
        with st.expander(f"{number}. {finding.question} **{finding.verdict}**: {finding.answer}"):
            if finding.rows:
                st.dataframe(finding_rows(finding), hide_index=True, width="stretch")
            if finding.caveat:
                st.caption(f"Caveat: {finding.caveat}")
