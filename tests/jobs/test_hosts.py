"""Two caches on one queue in PostgreSQL: each has workers of its own name, a lost one's job goes on
at the other, and both come to show the same history."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import pytest
import sqlalchemy as sa

from backend.errors import JobError
from backend.jobs.cache_id import cache_id, host_name
from backend.jobs.dispatch import Dispatcher, own_lanes
from backend.jobs.logs import add_to_log, read_log
from backend.jobs.queue import JobQueue
from backend.jobs.system import QUEUE, migrate
from backend.jobs.workers import WorkerSlot, queue_engine
from backend.lifeline import start_held
from backend.settings import Settings
from backend.store.catalog import run_list
from backend.store.places import place_of
from backend.store.run import list_run_ids
from backend.store.shared import exchange
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest
from backend.views.runs.history import history
from tests.support.postgres import Postgres, postgres_server
from tests.support.runs import contents, extract, request_for
from tests.support.served import ROOT
from tests.support.served import wait_for as wait_until
from tests.support.studies import small_study

# Long enough that a worker on a busy machine is not taken for lost.
LOST_AFTER = 12.0
wait_for = partial(wait_until, seconds=300.0)
# As the command, which would let everything else on the machine go first.
WORKER = """
from backend.lifeline import end_with_starter
from backend.jobs.worker import serve
from backend.settings import load_settings

end_with_starter()
serve(load_settings(), with_sample=False)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres_server() as running:
        yield running


@pytest.fixture
def pair(server, tmp_path) -> list[Settings]:
    """Two empty caches with a queue and a shared folder."""
    return caches(server, tmp_path)


def caches(server, folder) -> list[Settings]:
    (folder / "shared").mkdir()
    url = server.new_database()
    made = [
        Settings(
            cache=folder / name,
            queue_url=url,
            shared=str(folder / "shared"),
            lost_after=LOST_AFTER,
        )
        for name in ("one", "two")
    ]
    for settings in made:
        settings.make_folders()
    return made


def queue_of(settings):
    return closing(JobQueue(settings))


def change_workers(settings, **values):
    """Write into the rows of all workers."""
    engine = queue_engine(settings)
    with engine.begin() as connection:
        described = sa.MetaData(schema="steerscope")
        table = sa.Table("workers", described, autoload_with=connection)
        connection.execute(table.update().values(values))
    engine.dispose()


# -- what the database decides ---------------------------------------------------------------------


def test_several_machines_may_start_on_an_empty_database_at_once(pair):
    with ThreadPoolExecutor() as together:
        assert list(together.map(migrate, pair * 2)) == [None] * 4


def test_workers_of_two_caches_have_names_of_their_own_and_see_each_other(pair):
    one, two = pair
    migrate(one)
    slots = [WorkerSlot(one), WorkerSlot(one), WorkerSlot(two)]
    names = [slot.name for slot in slots]
    assert names == [
        f"{host_name()}-{cache_id(one)}-1",
        f"{host_name()}-{cache_id(one)}-2",
        f"{host_name()}-{cache_id(two)}-1",
    ]
    assert slots[2].living() == set(names)
    for settings in pair:
        with queue_of(settings) as queue:
            assert sorted(beat.name for beat in queue.workers()) == sorted(names)
            assert {beat.folder for beat in queue.workers()} == {str(one.cache), str(two.cache)}
    slots[0]._lock.close()  # killed: known here by its lock, elsewhere by its silence
    assert slots[1].living() == set(names[1:])
    assert slots[2].living() == set(names)
    for slot in slots:
        slot.release()


def test_a_worker_without_the_others_shared_place_is_refused(pair, tmp_path):
    one, two = pair
    migrate(one)
    slot = WorkerSlot(one)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(JobError, match="another cache, and this one has no shared place"):
        WorkerSlot(dataclasses.replace(two, shared=""))
    with pytest.raises(JobError, match="with another shared place, so runs would be scattered"):
        WorkerSlot(dataclasses.replace(two, shared=str(other)))
    (tmp_path / "mounted").symlink_to(two.shared)  # the same place by another path
    WorkerSlot(dataclasses.replace(two, shared=str(tmp_path / "mounted"))).release()
    slot.release()


def test_a_clone_of_a_live_worker_is_refused_until_that_is_silent(pair):
    one, _ = pair
    migrate(one)
    slot = WorkerSlot(one)
    slot._lock.close()
    change_workers(one, boot="another machine")
    with pytest.raises(JobError, match="gives signs of life on another machine"):
        WorkerSlot(one)
    change_workers(one, beat=0.0)
    WorkerSlot(one).release()
    slot.table.close()


def test_a_job_is_moved_once_and_taken_from_a_silent_worker_once(pair):
    one, _ = pair
    with queue_of(one) as queue:
        job = queue.enqueue(ExtractionRequest("a", "m", (1,)))
        with ThreadPoolExecutor() as together:
            moved = together.map(lambda n: queue.move(job, QUEUE, f"{QUEUE}@worker-{n}"), range(6))
            assert sorted(moved) == [False] * 5 + [True]
        # Its worker is gone before it has taken it.
        assert queue.release(lambda: {"other"}) == ()
        assert [status.workflow_id for status in queue.queued([QUEUE])] == [job]
        queue.move(job, QUEUE, f"{QUEUE}@silent")
        engine = queue_engine(one)
        with engine.begin() as connection:
            described = sa.MetaData()
            jobs = sa.Table("workflow_status", described, schema="dbos", autoload_with=connection)
            connection.execute(jobs.update().values(status="PENDING", executor_id="silent"))
        engine.dispose()
        assert queue.is_left(job, "other") and not queue.is_left(job, "silent")
        assert queue.release(lambda: {"silent"}) == ()
        assert queue.release(lambda: {"other"}) == (job,)
        assert queue.release(lambda: {"other"}) == ()
        assert queue.is_left(job, "silent")
        assert queue.job(job).state == "queued"
        assert [status.workflow_id for status in queue.queued([QUEUE])] == [job]


def test_a_worker_takes_the_first_job_whose_model_is_on_its_machine(pair, tmp_path):
    one, two = pair
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    near = dataclasses.replace(one, folders=(here,))
    with queue_of(one) as queue:
        elsewhere = queue.enqueue(ExtractionRequest("a", str(there), (1,)), "elsewhere")
        nowhere = queue.enqueue(ExtractionRequest("a", str(tmp_path / "x.gguf"), (1,)), "nowhere")
        later = queue.enqueue(ExtractionRequest("a", str(here), (1,)), "later", priority=10)
        mine = queue.enqueue(ExtractionRequest("a", str(here), (1,)), "mine")
        hub = queue.enqueue(ExtractionRequest("a", "org/model", (1,)), "hub")

        def lanes():
            every = [QUEUE, *own_lanes("near"), *own_lanes("far")]
            return {status.workflow_id: status.queue_name for status in queue.queued(every)}

        stop = threading.Event()
        first = Dispatcher(near, "near", stop, queue.queued, queue.move)
        first.look()
        first.look()  # one at a time
        assert lanes() == {
            elsewhere: QUEUE,
            nowhere: QUEUE,
            later: QUEUE,
            mine: f"{QUEUE}@near",
            hub: QUEUE,
        }
        queue.cancel(mine)
        first.look()
        assert lanes()[hub] == f"{QUEUE}@near"
        queue.cancel(hub)
        first.look()
        assert lanes()[later] == f"{QUEUE}@near"
        queue.cancel(later)
        first.look()
        assert lanes() == {elsewhere: QUEUE, nowhere: QUEUE}
        Dispatcher(two, "far", stop, queue.queued, queue.move).look()
        assert lanes() == {elsewhere: f"{QUEUE}@far", nowhere: QUEUE}
        assert queue.job(nowhere).state == "queued"


def test_logs_of_several_caches_are_read_as_one(pair):
    one, two = pair
    for settings, text in ((one, "begun"), (two, "gone on"), (one, "left\nwith a second line")):
        add_to_log(settings, "job", text)
    for settings in (one, two, one):
        exchange(settings)
    said = read_log(one, "job")
    assert said == read_log(two, "job")
    lines = [line[20:].strip() for line in said.splitlines() if not line.startswith("    ")]
    assert sorted(lines) == ["begun", "gone on", "left"]
    assert "left\n    with a second line" in said
    assert said.index("begun") < said.index("left")


# -- real workers ----------------------------------------------------------------------------------


class Host:
    """A cache with a worker process, as on a machine of its own."""

    def __init__(self, settings: Settings, **environment: str) -> None:
        self.settings = settings
        self._environment = environment
        self.queue = JobQueue(settings)
        self.start()

    @property
    def name(self) -> str:
        return f"{host_name()}-{cache_id(self.settings)}-1"

    def start(self) -> None:
        given = {
            "STEERSCOPE_CACHE": str(self.settings.cache),
            "STEERSCOPE_QUEUE_URL": self.settings.queue_url,
            "STEERSCOPE_SHARED": self.settings.shared,
            "STEERSCOPE_LOST_AFTER": f"{self.settings.lost_after:g}",
        }
        self.process = start_held(
            [sys.executable, "-c", WORKER], ROOT, os.environ | given | self._environment
        )

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.send(signal.SIGKILL)
        self.process.wait(60)
        if self.process.stdin is not None:
            self.process.stdin.close()

    def equal(self) -> bool:
        """Whether its cache has been brought to the state of the shared place; as what serves the
        dashboard does, whether there is a worker or not."""
        done = exchange(self.settings)
        return done is not None and done.failed == []

    def alive(self) -> bool:
        return self.name in [beat.name for beat in self.queue.workers()]

    def takes(self, job: str) -> bool:
        """Whether it is this worker that works on a job, and some of it is done."""
        if self.queue.places().get(job) != self.name:
            return False
        progress = self.queue.progress(job)
        return progress is not None and progress.batches_done >= 2

    def begins(self, job: str) -> int:
        """How often it has taken up a job, as its own log says."""
        path = self.settings.jobs / "logs" / f"{job}~{cache_id(self.settings)}.log"
        said = path.read_text() if path.exists() else ""
        return said.count(f"a worker takes up the job: {self.name}")


@dataclass
class Site:
    """Two hosts, and what a run must hold."""

    one: Host
    two: Host
    request: ExtractionRequest
    expected: dict[str, list]

    def at_work(self) -> tuple[str, Host, Host]:
        """A new job, the host that works on it and the other."""
        for host in (self.one, self.two):
            wait_for(host.alive)
        job = self.one.queue.enqueue(self.request)
        wait_for(lambda: self.one.takes(job) or self.two.takes(job))
        found = self.one if self.one.takes(job) else self.two
        return job, found, self.two if found is self.one else self.one

    def finished(self, job: str) -> None:
        """Wait for its end, and see that both show it, with the numbers of an undisturbed run."""
        wait_for(lambda: not self.one.queue.job(job).active)
        assert self.one.queue.job(job).state == "finished", self.one.queue.job(job).error
        for host in (self.one, self.two):
            wait_for(lambda host=host: host.equal() and job in list_run_ids(host.settings))
            assert contents(host.settings, job) == self.expected
        assert len([n for n in place_of(self.one.settings).names("runs") if n.startswith(job)]) == 1


@pytest.fixture(scope="module")
def site(server, tmp_path_factory, tiny_llama):
    folder = tmp_path_factory.mktemp("site")
    one, two = caches(server, folder)
    study = small_study(scenarios=60)
    ref = publish_study(one, study, content_hash(study))
    exchange(one)  # the other has to fetch it
    request = request_for(ref, tiny_llama, batch_tokens=40)
    alone = Settings(cache=folder / "alone")
    alone.make_folders()
    publish_study(alone, study, content_hash(study))
    extract(alone, "undisturbed", request)
    # The second machine does not have what lies beside the models.
    allowed = str(tiny_llama.parent)
    hosts = [Host(one), Host(two, STEERSCOPE_FOLDERS=allowed)]
    yield Site(*hosts, request, contents(alone, "undisturbed"))
    for host in hosts:
        host.kill()
        host.queue.close()


@pytest.mark.long
def test_a_killed_workers_job_is_finished_by_the_other(site):
    job, worker, other = site.at_work()
    worker.kill()
    wait_for(lambda: other.takes(job))
    site.finished(job)
    assert (worker.begins(job), other.begins(job)) == (1, 1)
    said = wait_for(
        lambda: (
            worker.equal()
            and (log := read_log(worker.settings, job)) == read_log(other.settings, job)
            and log.count("a worker takes up the job") == 2
            and log
        )
    )
    assert said.endswith(f"published {job}.duckdb")
    worker.start()


@pytest.mark.long
def test_a_worker_that_starts_again_leaves_the_others_job_alone(site):
    job, worker, other = site.at_work()
    other.kill()
    other.start()
    site.finished(job)
    assert (worker.begins(job), other.begins(job)) == (1, 0)


@pytest.mark.long
def test_a_worker_that_was_silent_too_long_leaves_the_job_to_the_other(site):
    job, worker, other = site.at_work()
    worker.send(signal.SIGSTOP)
    try:
        wait_for(lambda: other.takes(job))
    finally:
        worker.send(signal.SIGCONT)
    site.finished(job)
    wait_for(lambda: "taken over by another worker" in read_log(worker.settings, job))
    wait_for(lambda: not list(worker.settings.work.glob(f"{job}*")))
    assert other.begins(job) == 1 and "failed" not in read_log(worker.settings, job)


@pytest.mark.long
def test_a_model_of_one_machine_waits_for_that_machine(site, tiny_llama, tmp_path):
    for host in (site.one, site.two):
        wait_for(host.alive)
    site.one.kill()
    shutil.copytree(tiny_llama, tmp_path / "model")
    job = site.two.queue.enqueue(dataclasses.replace(site.request, model=str(tmp_path / "model")))
    after = site.two.queue.enqueue(site.request)
    wait_for(lambda: site.two.queue.job(after).state == "finished")
    assert site.two.queue.job(job).state == "queued"
    site.one.start()
    site.finished(after)
    site.finished(job)
    assert (site.one.begins(job), site.two.begins(job)) == (1, 0)


@pytest.mark.long  # of what the tests before it have made
def test_both_caches_show_one_history(site):
    def shown(host):
        found = history(host.queue.jobs(), run_list(host.settings).runs, shared=True)
        return [(entry.run_id, entry.state, entry.model, entry.study) for entry in found]

    assert len(shown(site.one)) >= 2
    wait_for(lambda: shown(site.one) == shown(site.two))
    run = run_list(site.two.settings).runs[0]
    site.two.queue.delete_run(run.run_id)
    wait_for(lambda: run.run_id not in [r.run_id for r in run_list(site.one.settings).runs])
    wait_for(lambda: shown(site.one) == shown(site.two))
