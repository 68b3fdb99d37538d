"""What Steerscope stands on fails: the disk, its locks, the queue, the memory of a device. Each is
told in a sentence, and nothing is done twice or left behind."""

from __future__ import annotations

import errno
import os
import socket
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
import torch

from backend.errors import JobError, NoRoom, NotEnoughMemory
from backend.extraction.pooling import PooledForward
from backend.jobs import worker
from backend.jobs.logs import add_to_log, log_path
from backend.jobs.queue import JobQueue
from backend.jobs.supervisor import Address, supervise
from backend.runs.requests import request_to_json
from backend.runs.session import session_of
from backend.settings import Settings
from backend.store import locks
from backend.store.catalog import run_list
from backend.store.run import run_path
from backend.store.schema import FORMAT, READABLE
from backend.store.study import publish_study
from backend.store.work_file import work_path
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest
from tests.support.phantom_store import publish_small_phantom
from tests.support.runs import contents, extract, request_for
from tests.support.studies import small_study

REQUEST = request_to_json(ExtractionRequest("a@b", "m", (1,)))


def start_both(settings):
    """What a user starts: the dashboard with its worker, or a command that opens the queue."""
    yield lambda: supervise(settings, Address(_free_port()), with_sample=False)
    yield lambda: JobQueue(settings)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_only_disk(path, *_, **__):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))


def test_a_cache_that_may_not_be_written_to_is_told_at_the_start(tmp_path, monkeypatch):
    missing, there = Settings(cache=tmp_path / "missing"), Settings(cache=tmp_path / "there")
    there.make_folders()
    monkeypatch.setattr(Path, "mkdir", read_only_disk)
    for start in start_both(missing):
        with pytest.raises(NoRoom, match="Read-only file system") as caught:
            start()
        assert "rights" in caught.value.remedy
    monkeypatch.undo()
    monkeypatch.setattr(locks.Path, "open", read_only_disk)
    for start in start_both(there):
        with pytest.raises(NoRoom, match="Read-only file system"):
            start()


def no_locks(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


@pytest.mark.parametrize("flock", [no_locks, lambda *_: None], ids=["refused", "pretended"])
def test_a_file_system_that_cannot_lock_is_told_at_the_start(settings, monkeypatch, flock):
    monkeypatch.setattr(locks.fcntl, "flock", flock)
    for start in start_both(settings):
        with pytest.raises(JobError, match="cannot lock files") as caught:
            start()
        assert "STEERSCOPE_CACHE" in caught.value.remedy


@pytest.mark.long
def test_a_queue_that_is_locked_is_told_and_waited_for(settings):
    queue = JobQueue(settings)
    queue.enqueue(ExtractionRequest("a@b", "m", (1,)), "job")
    with closing(sqlite3.connect(settings.jobs / "queue.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JobError, match=r"cannot be read now: database is locked") as caught:
            queue.refused()
        assert "jobs go on by themselves" in caught.value.remedy
    assert [job.run_id for job in queue.jobs()] == ["job"]
    assert queue.refused() is None
    queue.close()


def extractor(settings, stopping=lambda: False, removed=lambda _: False):
    return worker.Extractor(settings, "worker", stopping, lambda _: False, removed)


def test_a_job_resumed_within_a_step_waits_for_the_end_of_the_step(settings):
    jobs = extractor(settings)
    inside, most = [], []

    def begin():
        with jobs.alone("run", REQUEST):
            inside.append(1)
            time.sleep(0.2)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=begin) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]


def test_a_job_that_waits_for_a_step_leaves_when_the_worker_stops(settings):
    stop = threading.Event()
    jobs = extractor(settings, stop.is_set)
    with jobs.alone("run", REQUEST):
        stop.set()
        with pytest.raises(worker.Left, match="paused"), jobs.alone("run", REQUEST):
            raise AssertionError("two at once")


def test_a_job_removed_within_a_step_leaves_nothing(settings):
    removed = threading.Event()
    jobs = extractor(settings, removed=lambda _: removed.is_set())
    for gone in (False, True):
        with jobs.alone("run", REQUEST):
            if gone:
                removed.set()
            work_path(settings, "run").write_bytes(b"batches")
            add_to_log(settings, "run", "of the rest of the step")
        assert work_path(settings, "run").exists() is not gone
        assert log_path(settings, "run").exists() is not gone


@pytest.mark.parametrize("step", ["derive_some", "publish"])
def test_a_job_whose_batches_are_on_another_machine_is_done_anew(
    settings, tiny_llama, monkeypatch, step
):
    """The queue knows of the steps that have ended, though their work file is elsewhere."""
    monkeypatch.setattr(worker.Extractor, "_report", lambda *_: None)
    study = small_study()
    request = request_for(publish_study(settings, study, content_hash(study)), tiny_llama)
    extract(settings, "undisturbed", request)
    jobs, values = extractor(settings), request_to_json(request)
    with jobs.alone("run", values):
        while step == "derive_some" and jobs.derive_some("run", values):
            pass
        assert jobs.publish("run", values) == "run.duckdb"
    assert contents(settings, "run") == contents(settings, "undisturbed")


def test_a_device_without_memory_is_told_and_the_run_goes_on_after(
    settings, tiny_llama, monkeypatch
):
    study = small_study()
    ref = publish_study(settings, study, content_hash(study))
    request = request_for(ref, tiny_llama)
    extract(settings, "undisturbed", request)
    begin, calls = PooledForward.begin, []

    def full(self, texts):
        calls.append(len(texts))
        if len(calls) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return begin(self, texts)

    monkeypatch.setattr(PooledForward, "begin", full)
    session = session_of(settings, "run", request, lambda _: None)
    with pytest.raises(NotEnoughMemory, match="does not fit into device memory") as caught:
        session.run()
    session.close()
    assert caught.value.remedy == "free device memory, choose a smaller dtype or device cpu."
    # It was tried with ever fewer texts at once, down to one.
    assert calls[-1] == 1 and calls[3:] == sorted(calls[3:], reverse=True)
    assert not run_path(settings, "run").exists() and work_path(settings, "run").exists()
    monkeypatch.undo()
    extract(settings, "run", request)
    assert contents(settings, "run") == contents(settings, "undisturbed")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (FORMAT + 1, "a newer Steerscope wrote it: update this one"),
        (READABLE[0] - 1, "an older Steerscope wrote it: import its study and extract it again"),
    ],
)
def test_a_run_of_another_version_says_what_to_do_and_hides_none(settings, number, words):
    _, (first, second) = publish_small_phantom(settings)
    with duckdb.connect(str(run_path(settings, first))) as connection:
        connection.execute("UPDATE file_format SET format = ?", [number])
    found = run_list(settings)
    assert [run.record.run_id for run in found.runs] == [second]
    assert words in found.broken[f"{first}.duckdb"]


def test_a_lock_that_another_holds_is_no_fault(settings):
    path = settings.jobs / "probe.lock"
    with closing(locks.try_lock(path)) as held:
        assert held is not None and locks.try_lock(path) is None
        locks.require_locks(settings)
