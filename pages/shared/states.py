"""What a page shows while it has no data: a running job, a missing worker, an empty store."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.jobs.queue import Job
from backend.store.run_values import RunSummary
from backend.types import Progress
from backend.views.runs.tables import duration
from backend.views.runs.workers import waits_for
from pages.shared import data
from pages.shared.plain import as_text
from pages.shared.sidebar import Selection

POLL_SECONDS = 1.0


def require_run(chosen: Selection) -> RunSummary:
    """The chosen run; without one, say what is happening and stop the page."""
    show_broken()
    if chosen.run is None:
        _waiting(chosen)
        st.stop()
    return chosen.run


@st.fragment(run_every=POLL_SECONDS)
def _waiting(chosen: Selection) -> None:
    """Follow the jobs of a study that has no run yet; reload the page when one ends."""
    if chosen.study is None and data.study_list().studies:
        st.rerun(scope="app")
    key = chosen.study.key if chosen.study else None
    if any(run.study_key == key for run in data.run_list().runs):
        st.rerun(scope="app")
    active = [job for job in data.queue().jobs(active=True) if key in (None, job.request.study)]
    if not data.queue().workers():
        no_worker()
    if active:
        st.info(
            "This study is being extracted now. The page fills by itself when it is done.",
            icon=":material/hourglass_top:",
        )
        for job in active:
            show_progress(job)
        return
    failed = [job for job in data.queue().jobs() if job.state == "failed"]
    if failed and key == failed[0].request.study:
        st.error(f"**The last extraction of this study failed.** {as_text(str(failed[0].error))}")
    st.info(
        "There are no results for this study yet. Start an extraction on the Runs page.",
        icon=":material/play_circle:",
    )
    st.page_link("pages/runs.py", label="Open the Runs page", icon=":material/arrow_forward:")


def no_worker() -> None:
    """Say that nothing will run, and how to change that."""
    if data.settings().read_only:
        st.info(
            "This Steerscope is read-only: nothing can be started, saved or deleted here.",
            icon=":material/lock:",
        )
        return
    st.warning(
        "No worker is running, so queued jobs wait. Start one with `make run` "
        "(dashboard and worker) or `make worker`.",
        icon=":material/power_off:",
    )


def show_progress(job: Job, ahead: Sequence[Job] = ()) -> None:
    """One job's progress: stage, batches, rate and time left; or what it waits for.

    Args:
        job: a queued or running job.
        ahead: jobs that are taken before it, next to end first.
    """
    progress = data.queue().progress(job.run_id)
    if job.state == "queued" or progress is None:
        own = waits_for(job, data.settings())
        waits = f"behind {'; '.join(map(_ahead, ahead))}" if ahead else own
        st.progress(0.0, text=f"**{as_text(job.run_id)}**: {job.state}, {as_text(waits)}")
        return
    st.progress(_fraction(progress), text=f"**{as_text(job.run_id)}**: {as_text(_words(progress))}")


def _ahead(job: Job) -> str:
    progress = data.queue().progress(job.run_id) if job.state == "running" else None
    return f"{job.run_id} ({_words(progress) if progress else job.state})"


def progress_words(progress: Progress) -> tuple[float, str]:
    """How far something is, as a share from 0 to 1, and in words.

    Args:
        progress: what it said last.
    """
    counted = f", {progress.done} of {progress.total}" if progress.total else ""
    return _fraction(progress), f"{progress.stage}{counted}{_left(progress)}"


def _fraction(progress: Progress) -> float:
    return progress.done / progress.total if progress.total else 0.0


def _words(progress: Progress) -> str:
    words = progress.stage
    if progress.batches_done < progress.batches_total:
        words += f", batch {progress.batches_done} of {progress.batches_total}"
        if progress.texts_per_second:
            words += (
                f", {progress.texts_per_second:.1f} texts/s, "
                f"{progress.tokens_per_second:.0f} tokens/s"
            )
    return words + _left(progress)


def _left(progress: Progress) -> str:
    """Time left of the present stage; empty while unknown."""
    return f", about {duration(progress.seconds_left)} left" if progress.seconds_left else ""


def short_progress(job: Job) -> str:
    """One job in a few words: what is done now, how far, and time left.

    Args:
        job: a queued or running job.
    """
    progress = data.queue().progress(job.run_id)
    if job.state == "queued" or progress is None:
        return "waiting" if job.state == "queued" else "starting"
    share = f" {_fraction(progress):.0%}" if progress.batches_done < progress.batches_total else ""
    return f"{progress.stage}{share}{_left(progress)}"


def show_broken() -> None:
    """Name the files of the store that cannot be read."""
    broken = data.study_list().broken | data.run_list().broken
    # A store that never had a job gets no queue by looking.
    if data.settings().has_queue():
        with data.faults_shown():
            refused = data.queue().refused()
            if refused is not None:
                raise refused
    for name, why in broken.items():
        st.warning(
            f"**{as_text(name)}** is left out. {as_text(why)}", icon=":material/broken_image:"
        )
