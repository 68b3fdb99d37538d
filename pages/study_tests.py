"""Does the whole study hold up?"""

from __future__ import annotations

import streamlit as st

from backend.core.finding import Finding
from backend.core.study_cell import StudyCell
from backend.studies.published import TITLE, published_study
from backend.views.study_tests import prompt_cosine, words
from backend.views.study_tests.compute import findings_of_study
from backend.views.study_tests.evidence import study_cells
from backend.views.study_tests.figures import cosine_by_model, finding_chart
from backend.views.study_tests.planted import planted_answer, planted_cells, planted_rows
from backend.views.study_tests.published import published_findings
from backend.views.study_tests.tables import finding_rows
from pages.shared import data
from pages.shared.address import segmented
from pages.shared.figures import show
from pages.shared.plain import as_table
from pages.shared.sidebar import Selection, selection
from pages.shared.states import show_broken
from pages.shared.tested_runs import tested_runs

_PUBLISHED, _CHOSEN, _PLANTED = "published", "chosen", "planted"
_CHIPS: dict[words.Confidence, str] = {
    "well supported": ":green-badge[:material/check: well supported]",
    "uncertain": ":orange-badge[:material/help: uncertain]",
    "no data": ":gray-badge[:material/block: no data]",
}


def _details(finding: Finding, cells: tuple[StudyCell, ...]) -> None:
    """Table, caveat and chart of one test."""
    if finding.rows:
        # A table that wraps: on a phone a scrolling one cuts the numbers off.
        st.table(as_table(finding_rows(finding)), border="horizontal", hide_index=True)
    if finding.caveat:
        st.caption(f"Caveat: {finding.caveat}")
    if finding.name == prompt_cosine.NAME:
        st.caption(
            "Compare cells of one model (one colour). Models "
            "differ in both, which alone makes the cloud of all cells rise."
        )
        show(
            cosine_by_model(cells),
            f"cells_{finding.name}",
            "r of every cell by its prompts' cosine",
        )
    figure = finding_chart(finding)
    if figure is not None:
        st.caption(words.CHART)
        show(figure, f"finding_{finding.name}", f"The numbers behind: {finding.question}")


def _row(label: str, finding: Finding, cells: tuple[StudyCell, ...]) -> None:
    """One test that opens; what is inside is made when it is open."""
    row = st.expander(
        f"{label} {_CHIPS[words.confidence(finding)]}  \n**{finding.answer}**",
        key=f"test_{finding.name}",
        on_change="rerun",
    )
    if row.open:
        with row:
            _details(finding, cells)


def _planted(selected: Selection) -> None:
    """What was planted in a simulated study beside what the diagnosis finds."""
    results = data.results()
    run_ids = tested_runs(selected)
    with st.spinner("Diagnosing every cell"):
        cells = results.of_runs(planted_cells, run_ids, selected.prompt_set, results.thresholds)
    st.markdown(f"**{planted_answer(cells)}**")
    st.caption(
        "Found: the causes that the diagnosis supports at each cell's best layer, likeliest first. "
        "✓: every planted cause is among them, or nothing was planted and nothing is found."
    )
    st.dataframe(planted_rows(cells), hide_index=True, width="stretch")


chosen = selection()
st.title("Does the whole study hold up?")
show_broken()
sources = {_PUBLISHED: TITLE}
if chosen.study is not None and chosen.runs:
    sources = {_CHOSEN: chosen.study_name} | sources
    if any(run.simulated for run in chosen.runs):
        sources[_PLANTED] = "Planted v found causes"
source = segmented("Tests of", list(sources), "tests", sources)
if source == _PLANTED:
    with data.faults_shown():
        _planted(chosen)
    st.stop()
with data.faults_shown():
    results = data.results()
    if source == _PUBLISHED:
        findings, cells = published_findings(results.thresholds), published_study().cells
    else:
        run_ids = tested_runs(chosen)
        with st.spinner("Testing the study"):
            findings = results.of_runs(
                findings_of_study, run_ids, chosen.prompt_set, results.thresholds
            )
            cells = results.of_runs(study_cells, run_ids, chosen.prompt_set)
    tests, checks = words.split(findings)
    st.markdown(f"**{words.summary(tests)}**")
    st.caption(
        words.TESTS
        + (
            " Recomputed from the printed tables, beside the figure the study printed."
            if source == _PUBLISHED
            else ""
        )
    )
    for number, finding in enumerate(tests, start=1):
        _row(f"{number}. {finding.question}", finding, cells)
    if checks:
        st.caption(words.CHECK)
    for finding in checks:
        _row(finding.question, finding, cells)
