"""kill -9 of the worker, the dashboard and the supervisor at random points: no job is lost, none
runs twice, and every number is the one of a run that nobody disturbed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from contextlib import closing

import pytest

from backend.jobs.logs import read_log
from backend.jobs.queue import JobQueue
from backend.jobs.workers import WorkerSlot
from backend.settings import Settings
from backend.store.catalog import run_list
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from tests.support.phantom_store import publish_small_phantom
from tests.support.runs import contents, extract, request_for
from tests.support.served import PARTS, Served, alive, set_age, wait_for
from tests.support.studies import small_study

SEED = int(os.environ.get("STEERSCOPE_TEST_SEED", "13"))
ROUNDS = 30


class House:
    """A store that ``serve`` runs on, with jobs to do and what each must come to."""

    def __init__(self, settings: Settings, model) -> None:
        settings.make_folders()
        study = small_study(scenarios=40)
        ref = publish_study(settings, study, content_hash(study))
        self.settings = settings
        self.request = request_for(ref, model, batch_tokens=40)
        extract(settings, "undisturbed", self.request)
        self.phantom = publish_small_phantom(settings)[1][0]
        self.expected = contents(settings, "undisturbed")
        self.expected_phantom = contents(settings, self.phantom)
        self.queue = JobQueue(settings)
        self.served = Served(settings)
        self.runs: list[str] = []
        self.derivations: list[str] = []

    def busy(self) -> bool:
        return any(job.active for job in self.queue.jobs())

    def add(self) -> None:
        """A derivation, which needs no torch and so starts soon, or an extraction, in turn."""
        if len(self.derivations) <= len(self.runs):
            runs = {run.record.run_id: run for run in run_list(self.settings).runs}
            self.derivations.append(self.queue.enqueue_derivation(runs[self.phantom]))
        else:
            self.runs.append(self.queue.enqueue(self.request))

    def at_work(self) -> tuple[tuple[str, int], ...]:
        """What a job writes, which changes as it goes on."""
        files = sorted(self.settings.work.iterdir())
        return tuple((path.name, size_of(path)) for path in (*files, self.settings.runs))

    def end(self) -> None:
        """Wait for all jobs, and see that each has come to what it must."""
        wait_for(lambda: not self.busy(), 120)
        assert {job.state for job in self.queue.jobs()} == {"finished"}
        assert len(self.queue.jobs()) == len(self.runs) + len(self.derivations)
        for run_id in (*self.runs, *self.derivations):
            said = read_log(self.settings, run_id)
            assert "failed" not in said and f"published {self.published(run_id)}" in said
        for run_id in self.runs:
            assert contents(self.settings, run_id) == self.expected
        assert contents(self.settings, self.phantom) == self.expected_phantom
        assert {path.stem for path in self.settings.runs.glob("*.duckdb")} >= set(self.runs)
        assert list(self.settings.work.iterdir()) == []

    def published(self, run_id: str) -> str:
        return f"{self.phantom if run_id in self.derivations else run_id}.duckdb"


def size_of(path):
    try:
        return path.stat().st_mtime_ns
    except OSError:  # published or discarded since it was listed
        return 0


@pytest.fixture(scope="module")
def house(tmp_path_factory, tiny_llama):
    made = House(Settings(cache=tmp_path_factory.mktemp("house")), tiny_llama)
    yield made
    status = made.served.stop()
    made.queue.close()
    assert status == 0


@pytest.mark.long
def test_thirty_kills_lose_nothing_and_change_no_number(house):
    print(f"STEERSCOPE_TEST_SEED={SEED}")
    drawn = random.Random(SEED)
    begun = time.monotonic()
    for number in range(ROUNDS):
        part = drawn.choice(PARTS)
        if not house.busy():
            house.add()
        if drawn.random() < 0.4:  # within a job, else while something starts
            before = house.at_work()
            wait_for(lambda before=before: house.at_work() != before or not house.busy())
        pause = drawn.uniform(0.0, 0.5)
        time.sleep(pause)
        print(f"{number}: {part} after {pause:.2f} s, at {time.monotonic() - begun:.0f} s")
        house.served.kill(part)
    house.end()
    print(f"{len(house.runs)} runs, {len(house.derivations)} derivations")


@pytest.mark.long
def test_a_stopped_worker_is_not_taken_for_dead_and_goes_on(house):
    run_id = house.queue.enqueue(house.request)
    house.runs.append(run_id)
    before = house.at_work()
    wait_for(lambda: house.at_work() != before)
    worker = house.served.pid("worker")
    # Stopped within a write, it holds the queue's lock, and the next minute is that of a locked
    # queue (test_surroundings): here it is stopped between two.
    wait_for(lambda: stopped_between_writes(house.settings, worker))
    try:
        time.sleep(0.5)
        stopped_at = house.at_work()
        (beat,) = house.queue.workers()
        set_age(house.settings, beat.name, 60.0)
        assert house.queue.workers() == ()
        other = WorkerSlot(house.settings)
        assert other.name != beat.name and other.living() == {other.name, beat.name}
        assert house.queue.release(other.living) == ()
        other.release()
        assert house.at_work() == stopped_at
    finally:
        os.kill(worker, signal.SIGCONT)
    house.end()
    assert read_log(house.settings, run_id).count("a worker takes up the job") == 1


def stopped_between_writes(settings, worker):
    """Stop a process; let it go on again if it holds the lock of the queue's file."""
    os.kill(worker, signal.SIGSTOP)
    with closing(sqlite3.connect(settings.jobs / "queue.sqlite", timeout=0.2)) as queue:
        try:
            queue.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            os.kill(worker, signal.SIGCONT)
            return False
        queue.rollback()
    return True


@pytest.mark.long
def test_two_of_them_on_one_store_share_the_jobs(house):
    other = Served(house.settings)
    try:
        wait_for(lambda: len(house.queue.workers()) == 2)
        for _ in range(2):
            house.runs.append(house.queue.enqueue(house.request))
        house.end()
    finally:
        assert other.stop() == 0
    assert not any(alive(child) for child in other.children())
