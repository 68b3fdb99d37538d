"""The queue and a real worker process: progress, cancel, resume, and kill -9."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass

import pytest

from backend.errors import JobError, LayerOutOfRange
from backend.jobs.cache_id import _cache_id, cache_id, host_name
from backend.jobs.logs import log_path, read_log
from backend.jobs.queue import JobQueue
from backend.jobs.system import migrate
from backend.jobs.workers import WorkerSlot
from backend.models.model_reference import model_name
from backend.runs.requests import (
    new_run_id,
    parse_layers,
    request_from_json,
    request_to_json,
)
from backend.settings import Settings
from backend.store.run import run_path
from backend.store.study import publish_study
from backend.store.work_file import work_path
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest
from tests.support.runs import contents, extract, request_for
from tests.support.served import set_age, wait_for
from tests.support.studies import small_study


def test_layers_as_users_write_them():
    assert parse_layers("8-10") == (8, 9, 10)
    assert parse_layers(" 0, 4,8-9, 8 ") == (0, 4, 8, 9)
    for wrong in ("", "a", "3-1", "1,,2", "-1", "1.5"):
        with pytest.raises(LayerOutOfRange, match="not a list of layers"):
            parse_layers(wrong)


def test_requests_survive_json_and_names_are_plain():
    request = ExtractionRequest("a@b", "org/Model-X@main", (1, 2), "last", 9, "cpu", "float32")
    assert request_from_json(request_to_json(request)) == request
    newer = ("engine", "workers", "worker_cpus", "tensor_parallel", "pipeline_parallel")
    older = {key: value for key, value in request_to_json(request).items() if key not in newer}
    assert request_from_json(older) == request
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


def test_what_is_on_its_way_is_not_queued_again(settings):
    queue = JobQueue(settings)
    request = ExtractionRequest("a@b", "m", (1,))
    first, new = queue.enqueue_once(request)
    assert new and queue.enqueue_once(request) == (first, False)
    other, new = queue.enqueue_once(dataclasses.replace(request, layers=(1, 2)))
    assert new and other != first
    queue.cancel(first)
    again, new = queue.enqueue_once(request)
    assert new and again != first
    queue.close()


def test_worker_slots_are_exclusive_and_show_life_and_death(settings):
    migrate(settings)
    first, second = WorkerSlot(settings), WorkerSlot(settings)
    own = f"{host_name()}-{cache_id(settings)}"
    assert (first.name, second.name) == (f"{own}-1", f"{own}-2")
    shown = first.table.live()
    assert [(beat.name, beat.pid) for beat in shown] == [
        (first.name, os.getpid()),
        (second.name, os.getpid()),
    ]
    assert {(beat.host, beat.cache, beat.folder) for beat in shown} == {
        (host_name(), cache_id(settings), str(settings.cache))
    }
    assert all(0 <= beat.seconds < 5 for beat in shown)
    set_age(settings, second.name, 60.0)
    assert [beat.name for beat in first.table.live()] == [first.name]
    # Its process is there, and holds its lock: it was stopped, or is busy.
    assert first.living() == {first.name, second.name}
    assert second.beat() is None
    assert len(first.table.live()) == 2
    second._lock.close()  # as when it is killed; its row is still fresh
    assert first.living() == {first.name}
    again = WorkerSlot(settings)
    assert again.name == second.name
    again.release()
    assert [beat.name for beat in first.table.live()] == [first.name]
    first.release()


def test_a_sign_of_life_from_the_future_is_none(settings):
    migrate(settings)
    slot = WorkerSlot(settings)
    set_age(settings, slot.name, -3600.0)
    assert slot.table.live() == ()
    slot.release()


def test_a_cache_keeps_its_id_and_a_copy_gets_its_own(settings, tmp_path):
    own = cache_id(settings)
    _cache_id.cache_clear()
    assert cache_id(settings) == own
    copy = Settings(cache=tmp_path / "copy")
    shutil.copytree(settings.cache, copy.cache)
    assert cache_id(copy) != own
    _cache_id.cache_clear()
    for damage in (b"", b"[1]", b"\xff", b'{"id": "../../x", "of": 1}', b"[" * 100_000):
        (copy.jobs / "cache.json").write_bytes(damage)
        _cache_id.cache_clear()
        assert re.fullmatch("[0-9a-f]{8}", cache_id(copy))


class Worker:
    """A worker process on a store of its own."""

    def __init__(self, settings):
        self._environment = os.environ | {"STEERSCOPE_CACHE": str(settings.cache)}
        self._settings = settings
        self.start()

    def start(self):
        with (self._settings.cache / "worker.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "backend", "worker", "--no-sample"],
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)


@dataclass
class Shop:
    """One store with a study, a worker, and what a run of the request must hold."""

    settings: Settings
    queue: JobQueue
    request: ExtractionRequest
    worker: Worker
    expected: dict[str, list]

    def batches(self, run_id):
        progress = self.queue.progress(run_id)
        return progress.batches_done if progress else 0

    def at_work(self):
        """A new run with some batches done and many to go."""
        run_id = self.queue.enqueue(self.request)
        wait_for(lambda: self.batches(run_id) >= 3)
        return run_id

    def finished(self, run_id):
        return wait_for(lambda: self.queue.job(run_id).state == "finished")


@pytest.fixture(scope="module")
def shop(tmp_path_factory, tiny_llama):
    """Shared by the tests below, as starting a worker takes longer than what it then does."""
    settings = Settings(cache=tmp_path_factory.mktemp("shop"))
    settings.make_folders()
    study = small_study(scenarios=100)
    ref = publish_study(settings, study, content_hash(study))
    request = request_for(ref, tiny_llama, batch_tokens=40)
    worker = Worker(settings)
    extract(settings, "foreground", request)
    queue = JobQueue(settings)
    yield Shop(settings, queue, request, worker, contents(settings, "foreground"))
    queue.close()
    if worker.process.poll() is None:
        worker.kill()


@pytest.mark.long
@pytest.mark.slow
def test_cancel_keeps_the_batches_and_resume_ends_identical(shop):
    run_id = shop.at_work()
    shop.queue.cancel(run_id)
    assert shop.queue.job(run_id).state == "cancelled"
    time.sleep(2.0)
    stopped_at = shop.batches(run_id)
    time.sleep(1.0)
    assert shop.batches(run_id) == stopped_at
    assert not run_path(shop.settings, run_id).exists()
    shop.queue.resume(run_id)
    shop.finished(run_id)
    progress = shop.queue.progress(run_id)
    assert progress.batches_done == progress.batches_total > stopped_at
    assert contents(shop.settings, run_id) == shop.expected
    log = read_log(shop.settings, run_id)
    assert "failed" not in log
    assert log.count("a worker takes up the job") == 2
    assert log.index("cancelled, or taken over") < log.index("comparing layers")
    assert log.endswith(f"published {run_id}.duckdb")


@pytest.mark.long
@pytest.mark.slow
def test_a_job_removed_right_after_its_cancel_leaves_nothing(shop):
    run_id = shop.at_work()
    shop.queue.cancel(run_id)
    shop.queue.remove(run_id)
    other = shop.queue.enqueue(shop.request)
    shop.finished(other)
    assert contents(shop.settings, other) == shop.expected
    assert not work_path(shop.settings, run_id).exists()
    assert not log_path(shop.settings, run_id).exists()
    assert run_id not in [job.run_id for job in shop.queue.jobs()]


@pytest.mark.long
@pytest.mark.slow
def test_a_queue_locked_for_a_while_stops_no_worker(shop):
    run_id = shop.at_work()
    with closing(sqlite3.connect(shop.settings.jobs / "queue.sqlite", isolation_level=None)) as by:
        by.execute("BEGIN EXCLUSIVE")
        time.sleep(6.0)  # more than what anybody waits before it gives up or asks again
    shop.finished(run_id)
    assert contents(shop.settings, run_id) == shop.expected
    assert shop.worker.process.poll() is None


@pytest.mark.slow
def test_a_job_that_cannot_run_says_why(shop):
    bad = shop.queue.enqueue(dataclasses.replace(shop.request, layers=(9,)))
    failed = wait_for(lambda: (job := shop.queue.job(bad)).state == "failed" and job)
    assert "layers [9] do not exist" in failed.error
    assert "Remedy" in failed.error
    log = read_log(shop.settings, bad)
    assert "failed: With 3 decoder blocks, layers [9] do not exist." in log
    assert "expected: " in log and "remedy: " in log


@pytest.mark.long
@pytest.mark.slow
def test_a_killed_worker_goes_on_from_its_last_batch(shop):
    run_id = shop.at_work()
    shop.worker.kill()
    before = shop.batches(run_id)
    assert shop.queue.job(run_id).state == "running"
    shop.worker.start()
    wait_for(lambda: shop.batches(run_id) > before)
    assert shop.queue.progress(run_id).batches_done >= before
    shop.finished(run_id)
    assert contents(shop.settings, run_id) == shop.expected


@pytest.mark.long
@pytest.mark.slow
def test_another_worker_takes_over_the_job_of_a_dead_one(shop):
    other = Worker(shop.settings)
    try:
        wait_for(lambda: len(shop.queue.workers()) == 2)
        runs = [shop.queue.enqueue(shop.request) for _ in range(2)]
        wait_for(lambda: all(shop.batches(run_id) >= 3 for run_id in runs))
        shop.worker.kill()  # it had one of the two
        for run_id in runs:
            shop.finished(run_id)
            assert contents(shop.settings, run_id) == shop.expected
        assert other.stop() == 0
        assert other.process.pid not in [beat.pid for beat in shop.queue.workers()]
    finally:
        other.kill()
