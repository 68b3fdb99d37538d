"""Query results, kept between reruns. Published files never change, so a key is enough."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from backend.errors import SteerscopeError, StudyFaults
from backend.jobs.queue import JobQueue
from backend.settings import Settings, load_settings
from backend.store import runs, studies
from backend.store.cells import Cell
from backend.store.cells import cells as read_cells
from backend.views.diagnosis.compute import Diagnosis, diagnose_run
from backend.views.diagnosis.verdicts import verdicts
from backend.views.layers import compute as layers
from backend.views.prompts import compute as prompts
from backend.views.scorecard import compute as scorecard
from backend.views.scores import compute as scores
from backend.views.scores import feasibility as score_tests
from backend.views.scores import links
from backend.views.study_tests import reference
from backend.views.study_tests.evidence import findings_of_study, read_evidence
from backend.views.study_tests.reference import Finding


@st.cache_resource
def settings() -> Settings:
    """Where the store is."""
    found = load_settings()
    found.make_folders()
    return found


@st.cache_resource
def queue() -> JobQueue:
    """The job queue; its client may be used from all sessions."""
    return JobQueue(settings())


@st.cache_data(ttl=1.0, show_spinner=False)
def study_list() -> studies.StudyList:
    """All studies; read again after a second, as another process may add one."""
    return studies.study_list(settings())


@st.cache_data(ttl=1.0, show_spinner=False)
def run_list() -> runs.RunList:
    """All runs; read again after a second, as a worker may publish one."""
    return runs.run_list(settings())


@st.cache_data(show_spinner=False)
def card(run_ids: tuple[str, ...], prompt_set: str, layer: int | None) -> scorecard.Scorecard:
    """The scorecard of some runs."""
    return scorecard.scorecard(settings(), run_ids, prompt_set, layer)


@st.cache_data(show_spinner=False)
def cells(run_id: str, trait: str) -> tuple[Cell, ...]:
    """All cells of one trait of a run."""
    return read_cells(settings(), run_id, trait)


@st.cache_data(show_spinner=False)
def run_cells(run_id: str, prompt_set: str) -> tuple[Cell, ...]:
    """All cells of one prompt set of a run."""
    found = read_cells(settings(), run_id)
    return tuple(cell for cell in found if cell.key.prompt_set == prompt_set)


@st.cache_data(show_spinner=False)
def layer_choices(run_id: str, prompt_set: str) -> tuple[layers.LayerChoice, ...]:
    """The best layer of every trait of a run."""
    return layers.layer_choices(settings(), run_id, prompt_set)


@st.cache_data(show_spinner=False)
def score_scale(run_id: str) -> score_tests.ScoreScale:
    """The judge's scale of a run's study."""
    return score_tests.score_scale(settings(), run_id)


@st.cache_data(show_spinner=False)
def score_columns(run_id: str, responder: str | None) -> tuple[scores.ScoreColumn, ...]:
    """The scores of every trait."""
    return scores.score_columns(settings(), run_id, responder)


@st.cache_data(show_spinner=False)
def score_links(run_id: str, prompt_set: str, trait: str, layer: int) -> links.ScoreLinks:
    """The cases of one cell."""
    return links.score_links(settings(), run_id, prompt_set, trait, layer)


@st.cache_data(show_spinner=False)
def feasibility(run_id: str, at_least: float, at_most: float) -> score_tests.Feasibility:
    """Counts of responses at two thresholds."""
    return score_tests.feasibility(settings(), run_id, at_least, at_most)


@st.cache_data(show_spinner=False)
def score_findings(run_ids: tuple[str, ...], prompt_set: str) -> tuple[Finding, Finding]:
    """Compression, and Pearson beside Spearman, over some runs of one study."""
    return score_tests.score_findings(settings(), run_ids, prompt_set)


@st.cache_data(show_spinner=False)
def prompt_view(
    run_id: str, trait: str, prompt_set: str, layer: int, clustered: bool
) -> prompts.PromptView:
    """The prompts of one cell."""
    return prompts.prompt_view(settings(), run_id, trait, prompt_set, layer, clustered=clustered)


@st.cache_data(show_spinner=False)
def diagnosis(run_id: str, prompt_set: str, trait: str, layer: int | None) -> Diagnosis:
    """Why one trait of a run fails."""
    (found,) = diagnose_run(settings(), run_id, prompt_set, trait, layer)
    return found


@st.cache_data(show_spinner=False)
def verdict_lines(run_id: str, prompt_set: str, layer: int | None) -> dict[tuple[str, str], str]:
    """Why every cell of a run fails, in a line."""
    return verdicts(settings(), [run_id], prompt_set, layer)


@st.cache_data(show_spinner=False)
def published_findings() -> tuple[Finding, ...]:
    """The ten tests on the published reference."""
    return reference.published_findings(settings())


@st.cache_data(show_spinner=False)
def published_cells() -> tuple[reference.CellRow, ...]:
    """The published cells."""
    return reference.published_cells()


@st.cache_data(show_spinner=False)
def study_cells(run_ids: tuple[str, ...], prompt_set: str) -> tuple[reference.CellRow, ...]:
    """The cells of some runs, best layer each."""
    return read_evidence(settings(), run_ids, prompt_set).cells


@st.cache_data(show_spinner=False)
def findings(run_ids: tuple[str, ...], prompt_set: str) -> tuple[Finding, ...]:
    """The ten tests on some runs of one study."""
    return findings_of_study(settings(), run_ids, prompt_set)


@contextmanager
def faults_shown() -> Iterator[None]:
    """Show a fault the user can mend as a sentence and go on with the rest of the page."""
    try:
        yield
    except StudyFaults as fault:
        st.error(f"**{len(fault.faults)} faults in the study; nothing was kept.**")
        st.dataframe(
            [
                {"file": f.file, "line": f.line, "what": f.what, "remedy": f.remedy}
                for f in fault.faults
            ],
            hide_index=True,
            width="stretch",
        )
    except SteerscopeError as fault:
        st.error(f"**{fault.what}**  \nExpected: {fault.expected}  \nRemedy: {fault.remedy}")
