"""Extract again: start, follow, cancel and look back."""

from __future__ import annotations

import datetime

import streamlit as st

from backend.jobs.imports import import_upload
from backend.jobs.models import DEFAULT_CHOICE, model_choices
from backend.jobs.queue import Job
from backend.jobs.requests import parse_layers
from backend.jobs.workers import live_workers
from backend.queries.studies import StudySummary
from backend.types import POOLING_TITLES, POOLINGS, ExtractionRequest
from pages.shared import data
from pages.shared.sidebar import Selection, selection
from pages.shared.states import POLL_SECONDS, no_worker, show_broken, show_progress

_SIGNS = {
    "queued": ":material/schedule:",
    "running": ":material/sync:",
    "finished": ":material/check_circle:",
    "failed": ":material/error:",
    "cancelled": ":material/cancel:",
}


def _start(chosen: Selection) -> None:
    studies = {study.key: study for study in data.study_list().studies}
    if not studies:
        st.info("Import a study below first; the bundled sample comes with the first worker.")
        return
    keys = list(studies)
    choices = model_choices()
    with st.form("extract"):
        key = st.selectbox(
            "Study",
            keys,
            index=keys.index(chosen.study.key) if chosen.study else 0,
            format_func=lambda name: _study_line(studies[name]),
        )
        model = st.selectbox(
            "Model",
            list(choices),
            index=list(choices).index(DEFAULT_CHOICE),
            format_func=lambda name: choices.get(name, name),
            accept_new_options=True,
            help="A preset, a Hugging Face id[@revision], a local folder or a .gguf file: "
            "choose, or type your own.",
        )
        left, middle, right = st.columns(3)
        layers = left.text_input(
            "Layers", "8-19", help="Such as 8-19 or 0,4,8. 0 is the embedding output."
        )
        pooling = middle.selectbox(
            "Pooling",
            POOLINGS,
            format_func=POOLING_TITLES.__getitem__,
            help="Mean over the text's tokens, the last of them, or the mean without the very "
            "first token, which some models give a huge activation.",
        )
        device = right.selectbox("Device", ["auto", "cpu", "cuda", "mps"])
        batch_tokens = left.number_input(
            "Tokens per batch", 0, 1_000_000, 0, 256, help="Padded; 0 chooses by device."
        )
        if st.form_submit_button("Start extraction", type="primary", icon=":material/play_arrow:"):
            with data.faults_shown():
                request = ExtractionRequest(
                    study=key,
                    model=str(model),
                    layers=parse_layers(layers),
                    pooling=pooling,
                    batch_tokens=int(batch_tokens),
                    device=device,
                )
                run_id = data.queue().enqueue(request)
                st.toast(f"Queued {run_id}", icon=":material/schedule:")


def _study_line(study: StudySummary) -> str:
    return f"{study.title} ({study.prompts} prompts, {study.responses} responses)"


def _import() -> None:
    with st.form("import", clear_on_submit=False):
        files = st.file_uploader(
            "A zip, or prompts.* with optional responses.* and study.json",
            type=["zip", "jsonl", "csv", "parquet", "json"],
            accept_multiple_files=True,
        )
        name = st.text_input("Name of the study", help="Small letters, digits, dots and dashes.")
        if st.form_submit_button("Check and import", icon=":material/upload:"):
            with data.faults_shown():
                content = {file.name: file.getvalue() for file in files}
                ref = import_upload(data.settings(), content, name.strip())
                data.study_list.clear()
                st.session_state["imported"] = ref.key
                st.rerun()
    if key := st.session_state.pop("imported", None):
        st.success(f"Imported as **{key}**; it can be chosen in the sidebar and above.")


@st.fragment(run_every=POLL_SECONDS)
def _active() -> None:
    """Live panel of queued and running jobs; reloads the page when one ends."""
    jobs = [job for job in data.queue().jobs() if job.active]
    if not live_workers(data.settings()):
        no_worker()
    before = st.session_state.get("active_jobs", set())
    st.session_state["active_jobs"] = {job.run_id for job in jobs}
    if before - st.session_state["active_jobs"]:
        data.run_list.clear()
        st.rerun(scope="app")
    if not jobs:
        st.caption("Nothing is queued or running.")
    for job in reversed(jobs):
        bar, button = st.columns([5, 1], vertical_alignment="center")
        with bar:
            show_progress(job)
        if button.button("Cancel", key=f"cancel-{job.run_id}", icon=":material/stop:"):
            with data.faults_shown():
                data.queue().cancel(job.run_id)
                st.rerun(scope="app")


def _history() -> None:
    jobs = [job for job in data.queue().jobs() if not job.active]
    if not jobs:
        st.caption("No extraction has ended yet.")
        return
    st.dataframe([_history_row(job) for job in jobs], hide_index=True, width="stretch")
    for job in jobs:
        if job.state in ("failed", "cancelled"):
            _ended(job)


def _history_row(job: Job) -> dict[str, object]:
    started = datetime.datetime.fromtimestamp(job.created_at / 1000, datetime.UTC)
    layers = job.request.layers
    return {
        "run": job.run_id,
        "state": job.state,
        "model": job.request.model,
        "layers": f"{layers[0]}–{layers[-1]} ({len(layers)})",
        "pooling": POOLING_TITLES[job.request.pooling],
        "study": job.request.study,
        "queued at (UTC)": started.strftime("%Y-%m-%d %H:%M:%S"),
        "seconds": round((job.updated_at - job.created_at) / 1000, 1),
    }


def _ended(job: Job) -> None:
    """A job that did not finish: why, and what can be done with it."""
    with st.container(border=True):
        st.markdown(f"{_SIGNS[job.state]} **{job.run_id}** {job.state}")
        if job.error:
            st.error(job.error)
        resume, retry, remove, _ = st.columns([1, 1, 1, 3])
        with data.faults_shown():
            if job.state == "cancelled" and resume.button("Resume", key=f"resume-{job.run_id}"):
                data.queue().resume(job.run_id)
                st.rerun()
            if retry.button("Start afresh", key=f"retry-{job.run_id}"):
                data.queue().retry(job.run_id)
                st.rerun()
            if remove.button("Remove", key=f"remove-{job.run_id}"):
                data.queue().remove(job.run_id)
                st.rerun()


st.title("Extract again")
show_broken()
st.subheader("Queued and running")
_active()
st.subheader("New extraction")
_start(selection())
with st.expander("Import a study"):
    _import()
st.subheader("History")
_history()
