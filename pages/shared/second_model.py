"""Offer the sample's run by a second model, of another family, which is fetched when asked for."""

from __future__ import annotations

import streamlit as st

from backend.jobs.bundled import SECOND_MODEL, enqueue_second_model, second_model_run
from backend.studies.sample import SAMPLE_NAME
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.sidebar import Selection

_PLACE = "second model"


def offer(chosen: Selection) -> None:
    """A button below the sample's scorecard while only its first model has been extracted.

    Args:
        chosen: what the page shows.
    """
    study = chosen.study
    if study is None or study.name != SAMPLE_NAME:
        return
    models = {run.record.model for run in data.run_list().runs if run.study_key == study.key}
    name = second_model_run(study.key)
    if not models or SECOND_MODEL.name in models:
        return
    # A store that never had a job gets no queue by looking.
    jobs = data.queue().jobs() if data.settings().has_queue() else ()
    job = next((job for job in jobs if job.run_id == name), None)
    if job is not None and not job.active:
        st.caption(f"{SECOND_MODEL.title}, a second real model, is not there: its job {job.state}.")
        st.page_link("pages/runs.py", label="Retry on the Runs page", icon=":material/refresh:")
    if job is not None:
        return
    with st.container(border=True):
        st.markdown(f"**Compare with a second real model: {SECOND_MODEL.title}.**")
        st.caption(
            "Downloads 238 MB and extracts in the background, a few minutes on two CPU cores. "
            "Its use is subject to the "
            "[Gemma Terms of Use](https://ai.google.dev/gemma/terms)."
        )
        st.button(
            "Accept the terms and extract",
            icon=":material/add_circle:",
            on_click=act,
            args=(_PLACE, _start, study.key),
        )
        fault_shown(_PLACE)


def _start(study: str) -> None:
    enqueue_second_model(study, data.queue())
