"""The queue and a real worker process: progress, cancel, resume, and kill -9."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from backend.errors import JobError, LayerOutOfRange
from backend.jobs.queue import JobQueue
from backend.jobs.requests import (
    model_name,
    new_run_id,
    parse_layers,
    request_from_json,
    request_to_json,
)
from backend.jobs.workers import WorkerSlot, live_workers
from backend.store.run_files import run_path
from backend.store.study_files import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest
from tests.support.studies import small_study
from tests.worker.test_session import contents, extract, request_for


def test_layers_as_users_write_them():
    assert parse_layers("8-10") == (8, 9, 10)
    assert parse_layers(" 0, 4,8-9, 8 ") == (0, 4, 8, 9)
    for wrong in ("", "a", "3-1", "1,,2", "-1", "1.5"):
        with pytest.raises(LayerOutOfRange, match="not a list of layers"):
            parse_layers(wrong)


def test_requests_survive_json_and_names_are_plain():
    request = ExtractionRequest("a@b", "org/Model-X@main", (1, 2), "last", 9, "cpu", "float32")
    assert request_from_json(request_to_json(request)) == request
    assert model_name("org/Model-X@main") == "Model-X"
    assert model_name("/data/My.Model.gguf") == "My.Model"
    assert new_run_id("a@b", "org/Model-X").split("-", 2)[2].startswith("a-model-x-")


def test_the_queue_without_a_worker(settings):
    queue = JobQueue(settings)
    request = ExtractionRequest("a@b", "m", (1,))
    run_id = queue.enqueue(request)
    assert queue.enqueue(request, run_id="fixed") == queue.enqueue(request, run_id="fixed")
    assert [job.run_id for job in queue.jobs()] == ["fixed", run_id]
    job = queue.job(run_id)
    assert (job.state, job.request, job.error) == ("queued", request, None)
    assert queue.progress(run_id) is None
    with pytest.raises(JobError, match="is queued and cannot be removed"):
        queue.remove(run_id)
    queue.cancel(run_id)
    assert queue.job(run_id).state == "cancelled"
    with pytest.raises(JobError, match="cannot be cancelled"):
        queue.cancel(run_id)
    assert queue.job(queue.retry(run_id)).request == request
    queue.resume(run_id)
    assert queue.job(run_id).state == "queued"
    queue.cancel(run_id)
    queue.remove(run_id)
    with pytest.raises(JobError, match="No job is called"):
        queue.job(run_id)
    queue.close()


def test_worker_slots_are_exclusive_and_show_life_and_death(settings):
    first, second = WorkerSlot(settings), WorkerSlot(settings)
    assert (first.name, second.name) == ("worker-1", "worker-2")
    assert [beat.name for beat in live_workers(settings)] == ["worker-1", "worker-2"]
    assert first.dead_names() == ()
    os.utime(settings.jobs / "worker-2.json", (0, 0))
    assert [beat.name for beat in live_workers(settings)] == ["worker-1"]
    second.release()
    assert first.dead_names() == ("worker-2",)
    assert WorkerSlot(settings).name == "worker-2"


class Worker:
    """A worker process on a store of its own."""

    def __init__(self, settings):
        self._environment = os.environ | {"STEERSCOPE_CACHE": str(settings.cache)}
        self._settings = settings
        self.start()

    def start(self):
        log = (self._settings.cache / "worker.log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "backend", "worker", "--no-sample"],
            env=self._environment, stdout=log, stderr=log,
        )  # fmt: skip

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def worker(settings):
    made = Worker(settings)
    yield made
    if made.process.poll() is None:
        made.kill()


def wait_for(what, seconds=90.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def enqueued(settings, tiny_llama, scenarios, tokens=40):
    study = small_study(scenarios=scenarios)
    ref = publish_study(settings, study, content_hash(study))
    request = request_for(ref, tiny_llama, batch_tokens=tokens)
    queue = JobQueue(settings)
    return queue, request, queue.enqueue(request)


def batches(queue, run_id):
    progress = queue.progress(run_id)
    return progress.batches_done if progress else 0


@pytest.mark.slow
def test_a_job_runs_reports_and_equals_the_foreground(settings, tiny_llama, worker):
    queue, request, run_id = enqueued(settings, tiny_llama, 12)
    wait_for(lambda: queue.job(run_id).state == "finished")
    progress = queue.progress(run_id)
    assert progress.batches_done == progress.batches_total > 0
    extract(settings, "foreground", request)
    assert contents(settings, run_id) == contents(settings, "foreground")
    bad = queue.enqueue(dataclasses.replace(request, layers=(9,)))
    failed = wait_for(lambda: (job := queue.job(bad)).state == "failed" and job)
    assert "layers [9] do not exist" in failed.error
    assert "Remedy" in failed.error
    assert worker.stop() == 0
    assert live_workers(settings) == ()


@pytest.mark.slow
def test_cancel_keeps_the_batches_and_resume_ends_identical(settings, tiny_llama, worker):
    queue, request, run_id = enqueued(settings, tiny_llama, 150)
    wait_for(lambda: batches(queue, run_id) >= 3)
    queue.cancel(run_id)
    assert queue.job(run_id).state == "cancelled"
    time.sleep(2.0)
    stopped_at = batches(queue, run_id)
    time.sleep(1.0)
    assert batches(queue, run_id) == stopped_at
    assert not run_path(settings, run_id).exists()
    queue.resume(run_id)
    wait_for(lambda: queue.job(run_id).state == "finished")
    extract(settings, "foreground", request)
    assert contents(settings, run_id) == contents(settings, "foreground")


@pytest.mark.slow
def test_a_killed_worker_goes_on_from_its_last_batch(settings, tiny_llama, worker):
    queue, request, run_id = enqueued(settings, tiny_llama, 150)
    wait_for(lambda: batches(queue, run_id) >= 3)
    worker.kill()
    before = batches(queue, run_id)
    assert queue.job(run_id).state == "running"
    worker.start()
    wait_for(lambda: batches(queue, run_id) > before)
    assert queue.progress(run_id).batches_done >= before
    wait_for(lambda: queue.job(run_id).state == "finished")
    extract(settings, "foreground", request)
    assert contents(settings, run_id) == contents(settings, "foreground")


@pytest.mark.slow
def test_another_worker_takes_over_the_job_of_a_dead_one(settings, tiny_llama, worker):
    queue, _, run_id = enqueued(settings, tiny_llama, 150)
    wait_for(lambda: batches(queue, run_id) >= 3)
    other = Worker(settings)
    try:
        wait_for(lambda: len(live_workers(settings)) == 2)
        worker.kill()
        wait_for(lambda: queue.job(run_id).state == "finished")
    finally:
        other.kill()
