"""Logs of jobs, deletion, and who waits for whom."""

from __future__ import annotations

import logging
import re

import pytest

from backend.errors import JobError, LayerOutOfRange, RunNotFound, StoreError
from backend.jobs.job_log import JobLog, fault_text, stage_text
from backend.jobs.logs import MOST_LINES, add_to_log, log_path, read_log
from backend.jobs.queue import Job, JobQueue, ahead_of
from backend.store.run import list_run_ids
from backend.types import ExtractionRequest, Progress
from tests.support.runs import publish_run
from tests.support.studies import small_study

REQUEST = ExtractionRequest("a@b", "org/model", (3, 4, 5))


def job(run_id, state, at, priority=0):
    return Job(run_id, state, REQUEST, at, at + 1500, None, priority)


def test_a_log_keeps_its_entries_in_order_with_times(settings):
    assert read_log(settings, "run") == ""
    add_to_log(settings, "run", "loading the model")
    add_to_log(settings, "run", "failed: no\nremedy: yes")
    lines = read_log(settings, "run").splitlines()
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"
    assert re.fullmatch(f"{stamp}  loading the model", lines[0])
    assert re.fullmatch(f"{stamp}  failed: no", lines[1])
    assert lines[2] == "    remedy: yes"
    for number in range(MOST_LINES):
        add_to_log(settings, "run", f"line {number}")
    assert len(read_log(settings, "run").splitlines()) == MOST_LINES
    assert read_log(settings, "run").endswith(f"line {MOST_LINES - 1}")
    with pytest.raises(StoreError, match="cannot name a job"):
        log_path(settings, "../up")


def test_what_the_worker_says_of_stages_and_faults():
    assert stage_text(Progress("fetching x (12%)")) == "fetching x"
    extracting = Progress("extracting", done=3, total=44, batches_done=1, batches_total=9)
    assert stage_text(extracting) == "extracting 44 texts in 9 batches"
    fault = LayerOutOfRange("Layer 9 is not there.", expected="0 to 3.", remedy="choose these.")
    assert fault_text(fault) == (
        "failed: Layer 9 is not there.\nexpected: 0 to 3.\nremedy: choose these."
    )
    try:
        raise ValueError("bad")
    except ValueError as bug:
        assert "internal error" in fault_text(bug)
        assert "test_logs_and_order.py" in fault_text(bug) and "ValueError: bad" in fault_text(bug)


def test_warnings_go_to_the_job_at_work_alone(settings):
    at_work = None
    handler = JobLog(settings, lambda: at_work)
    try:
        logging.getLogger("steerscope.models").warning("between jobs")
        at_work = "run"
        logging.getLogger("steerscope.models").info("too small")
        logging.getLogger("steerscope.models").warning("mind %s", "this")
    finally:
        handler.close()
    logging.getLogger("steerscope.models").warning("after")
    assert [line.split("  ")[1] for line in read_log(settings, "run").splitlines()] == [
        "warning: mind this"
    ]


def test_who_waits_for_whom():
    running, early = job("r", "running", 5), job("e", "queued", 1)
    later, unimportant = job("l", "queued", 2), job("u", "queued", 0, priority=10)
    done = job("d", "finished", 0)
    jobs = (done, unimportant, later, early, running)
    assert ahead_of(early, jobs) == (running,)
    assert ahead_of(later, jobs) == (running, early)
    assert ahead_of(unimportant, jobs) == (running, early, later)
    assert ahead_of(running, jobs) == ahead_of(done, jobs) == ()


def test_a_run_is_deleted_with_its_job_and_log_but_not_while_it_runs(settings, tiny_llama):
    ref = publish_run(settings, small_study(), tiny_llama, "run-1")
    publish_run(settings, small_study(), tiny_llama, "run-2")
    queue = JobQueue(settings)
    queue.enqueue(ExtractionRequest(ref.key, str(tiny_llama), (1, 2)), run_id="run-1")
    add_to_log(settings, "run-1", "published")
    with pytest.raises(JobError, match="is queued and cannot be deleted"):
        queue.delete_run("run-1")
    assert list_run_ids(settings) == ("run-1", "run-2")
    queue.cancel("run-1")
    queue.delete_run("run-1")
    assert list_run_ids(settings) == ("run-2",)
    assert queue.jobs() == () and not log_path(settings, "run-1").exists()
    queue.delete_run("run-2")  # it never had a job
    with pytest.raises(RunNotFound):
        queue.delete_run("run-2")
    queue.close()


def test_an_important_job_is_taken_before_an_older_one(settings):
    queue = JobQueue(settings)
    queue.enqueue(REQUEST, run_id="late", priority=10)
    queue.enqueue(REQUEST, run_id="soon")
    jobs = queue.jobs()
    assert {j.run_id: j.priority for j in jobs} == {"late": 10, "soon": 0}
    late = next(j for j in jobs if j.run_id == "late")
    assert [j.run_id for j in ahead_of(late, jobs)] == ["soon"]
    queue.close()
