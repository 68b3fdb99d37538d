"""Jobs that are no extractions: pieces, results, lanes, cancel, death."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from backend.access import Actor
from backend.errors import JobError, NotAllowed, ReadOnly
from backend.jobs import tasks as module
from backend.jobs.kinds import KINDS
from backend.jobs.logs import read_log
from backend.jobs.queue import JobQueue
from backend.settings import Settings
from backend.store.changes import changes
from tests.conftest import REPOSITORY
from tests.jobs.task_worker import COUNT, OTHER

WAIT = 60.0


@pytest.fixture(autouse=True, scope="module")
def kinds():
    assert {"count", "other"} <= KINDS.keys()
    yield
    for kind in (COUNT, OTHER):
        del KINDS[kind.name]


@pytest.fixture
def tasks(settings):
    queue = JobQueue(settings)
    yield queue.tasks
    queue.close()


@pytest.fixture
def worker(settings):
    """Starts a worker each time it is called; all are ended."""
    begun = []

    def begin():
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.jobs.task_worker", str(settings.cache)],
            cwd=REPOSITORY,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def wait_for(condition):
    end = time.monotonic() + WAIT
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)
    return found


def ended(tasks, task_id):
    wait_for(lambda: not tasks.task(task_id).active)
    return tasks.task(task_id)


def all_pieces(tasks, task_id):
    known, pieces = 0, []
    while True:
        known, new = tasks.pieces(task_id, known)
        if not new:
            return pieces
        pieces += new


@pytest.mark.slow
def test_a_task_gives_its_pieces_its_progress_and_its_result(settings, tasks, worker):
    held = tasks.start("count", {"upto": 5, "hold": 2})
    beside = tasks.start("other", {"upto": 3})
    behind = tasks.start("count", {"upto": 1})
    worker()
    assert ended(tasks, beside).result == {"counted": 3}  # a lane of its own
    wait_for(lambda: 2 in tasks.pieces(held)[1])
    assert tasks.task(held).state == "running" and tasks.task(behind).state == "queued"
    assert tasks.pieces(held) == (4, (None, 0, 1, 2))
    assert tasks.pieces(held, 3) == (4, (2,)) and tasks.pieces(held, 4) == (4, ())
    (settings.cache / "go").touch()
    task = ended(tasks, held)
    assert task.state == "finished" and task.result == {"counted": 5} and task.error is None
    assert all_pieces(tasks, held) == [None, 0, 1, 2, 3, 4]
    assert tasks.progress(held).stage == "counting"
    assert ended(tasks, behind).state == "finished"
    assert {one.task_id for one in tasks.all("count")} == {held, behind}
    log = read_log(settings, held)
    assert "a worker takes up the task" in log and log.endswith("done")
    tasks.remove(held)
    assert held not in {one.task_id for one in tasks.all()} and read_log(settings, held) == ""


@pytest.mark.long
@pytest.mark.slow
def test_cancel_fault_and_a_worker_that_dies(settings, tasks, worker):
    stopped = tasks.start("count", {"upto": 5, "hold": 1})
    first = worker()
    wait_for(lambda: 1 in tasks.pieces(stopped)[1])
    with pytest.raises(JobError, match="at work and cannot be removed"):
        tasks.remove(stopped)
    tasks.cancel(stopped)
    assert tasks.task(stopped).state == "cancelled"
    wait_for(lambda: "cancelled, or taken over" in read_log(settings, stopped))
    with pytest.raises(JobError, match="has ended"):
        tasks.cancel(stopped)
    wrong = ended(tasks, tasks.start("count", {"upto": 5, "fail": 1}))
    assert wrong.state == "failed" and "It went wrong." in wrong.error and wrong.result is None
    dies = tasks.start("count", {"upto": 4, "die": 2})
    wait_for(lambda: first.poll() is not None)
    worker()
    assert ended(tasks, dies).state == "finished"
    assert all_pieces(tasks, dies) == [None, 0, 1, 2, None, 0, 1, 2, 3]


def test_what_cannot_be_meant_is_refused_and_who_may_only_look_starts_nothing(settings, tasks):
    with pytest.raises(JobError, match="A negative count"):
        tasks.start("count", {"upto": -1})
    made = tasks.start("count", {"upto": 2})
    assert tasks.task(made).state == "queued" and tasks.progress(made) is None
    assert tasks.pieces(made) == (0, ())
    assert changes(settings)[-1].what == "start count"
    with pytest.raises(JobError, match="No task"):
        tasks.task("other")
    queue = JobQueue(settings)
    looking = queue.asked_by(Settings(cache=settings.cache, actor=Actor("v@x", may_change=False)))
    with pytest.raises(NotAllowed):
        looking.tasks.start("count", {"upto": 1})
    reading = queue.asked_by(Settings(cache=settings.cache, read_only=True))
    with pytest.raises(ReadOnly):
        reading.tasks.cancel(made)
    queue.close()
    assert [one.task_id for one in tasks.all()] == [made]
    tasks.cancel(made)


def test_a_list_reads_only_what_it_shows(settings, tasks, monkeypatch):
    ended = [tasks.start("count", {"upto": number}) for number in range(3)]
    for one in ended:
        tasks.cancel(one)
    waiting = tasks.start("count", {"upto": 9})
    other = tasks.start("other", {"upto": 1, "chat": "x" * 50_000})
    read = []

    def noted(status):
        read.append((status.workflow_id, status.input is not None))
        return original(status)

    original = module._task
    monkeypatch.setattr(module, "_task", noted)

    def listed(*kinds, **which):
        read.clear()
        found = [one.task_id for one in tasks.all(*kinds, **which)]
        assert [name for name, with_input in read if with_input] == found
        return found

    assert listed() == [other, waiting, *reversed(ended)]
    assert listed("count", active=True) == [waiting] and listed("other") == [other]
    assert listed("count", "other", active=True) == [other, waiting]
    assert listed("count", active=False, most=2) == ended[:0:-1]
    read.clear()
    assert tasks.is_active(waiting) and not tasks.is_active(ended[0]) and not read
    with pytest.raises(JobError, match="No task"):
        tasks.is_active("count-none")
    with pytest.raises(JobError, match="has ended"):
        tasks.cancel(ended[0])
    assert not read


def test_the_same_task_is_not_queued_a_second_time_while_it_is_on_its_way(tasks):
    first = tasks.start("count", {"upto": 3})
    assert tasks.start("count", {"upto": 3}) == first
    others = [tasks.start("count", {"upto": 4}), tasks.start("other", {"upto": 3})]
    assert len({first, *others, *(one.task_id for one in tasks.all())}) == 3
    tasks.cancel(first)
    assert tasks.start("count", {"upto": 3}) != first


def test_old_tasks_go_when_a_new_one_is_started(tasks, monkeypatch):
    monkeypatch.setattr("backend.jobs.tasks.KEPT", 2)
    ids = []
    for _ in range(4):
        ids.append(tasks.start("count", {"upto": 1}))
        tasks.cancel(ids[-1])
    assert {one.task_id for one in tasks.all()} == set(ids[1:])
