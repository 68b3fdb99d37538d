"""Ended jobs and published runs in one list."""

from __future__ import annotations

import dataclasses

from backend.jobs.queue import Job
from backend.store.catalog import run_list
from backend.types import ExtractionRequest
from backend.views.runs.history import history
from tests.support.runs import publish_run
from tests.support.studies import small_study

REQUEST = ExtractionRequest("a@b", "org/model", (3, 4, 5))


def job(run_id, state, at):
    return Job(run_id, state, REQUEST, at, at + 1500, None, 0)


def test_the_history_joins_jobs_and_runs(settings, tiny_llama):
    ref = publish_run(settings, small_study(), tiny_llama, "run-1")
    runs = run_list(settings).runs
    jobs = [job("gone", "finished", 3), job("broken", "failed", 2), job("now", "running", 1)]
    entries = {entry.run_id: entry for entry in history(jobs, runs)}
    assert {name: entry.state for name, entry in entries.items()} == {
        "run-1": "published",
        "gone": "deleted",
        "broken": "failed",
    }
    shared = history(jobs, runs, shared=True)
    assert [entry.state for entry in shared if entry.run_id == "gone"] == ["not here"]
    assert entries["gone"].seconds == 1.5 and entries["gone"].megabytes is None
    assert entries["run-1"].study == ref.key
    assert entries["run-1"].megabytes == round(runs[0].bytes / 1e6, 1)
    assert entries["broken"].layers == "3–5 (3)"
    again = dataclasses.replace(REQUEST, derives="run-1")
    derivation = dataclasses.replace(job("derive-run-1", "finished", 9), request=again)
    own, derived = history([derivation], runs)
    assert (derived.state, derived.run, own.state) == ("derived", runs[0], "published")
    (only,) = history([job("run-1", "finished", 3)], runs)
    assert only.state == "finished" and only.run == runs[0]
