"""Tasks where there is a shared place: they have what they name, and wait while it is away."""

from __future__ import annotations

import dataclasses

import pytest

from backend.core.vectors.pipeline import Pipeline
from backend.errors import NoRoom
from backend.jobs import patience
from backend.jobs.kind import JobKind
from backend.jobs.kinds import KINDS
from backend.jobs.leaving import Left
from backend.jobs.logs import read_log
from backend.jobs.system import ASKING
from backend.jobs.task_worker import do_task
from backend.runs.directions import DirectionKey
from backend.runs.saved_vectors import save_vector
from backend.runs.token_view import TokenRequest
from backend.settings import Settings
from backend.steering.request import SteerRequest
from backend.steering.vectors import VectorSource
from backend.store.shared import exchange
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.telling import Telling


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """What waits tries again at once."""
    monkeypatch.setattr(patience, "AGAIN_SECONDS", 0.05)


@pytest.fixture
def caches(tmp_path):
    """Settings of two caches on one shared folder."""
    place = tmp_path / "place"
    place.mkdir()
    made = [Settings(cache=tmp_path / name, shared=str(place)) for name in ("one", "two")]
    for settings in made:
        settings.make_folders()
    return made


def files(settings):
    """What a cache holds of what is shared, with their folders."""
    return {
        f"{folder}/{path.stem}"
        for folder in ("studies", "runs", "vectors")
        for path in (settings.cache / folder).glob("*.duckdb")
    }


def test_a_task_brings_what_it_names_and_nothing_else(caches, tiny_llama):
    one, two = caches
    for run_id in ("run-1", "run-2", "run-3"):
        ref = publish_run(one, small_study(), tiny_llama, run_id, (2,))
    save_vector(one, "mine", "run-2", "haste", "default", 2, Pipeline())
    save_vector(one, "other", "run-1", "haste", "default", 2, Pipeline())
    exchange(one)
    assert len(files(one)) == 6 and files(two) == set()
    token = TokenRequest("run-1", "default", (DirectionKey("haste", "lda"),), (2,), (0,))
    KINDS["tokens"].bring(two, token.to_values())
    assert files(two) == {"runs/run-1"}
    # A vector that was saved needs the run that it was saved from.
    saved = SteerRequest(VectorSource("run-1", name="mine"), ("hello",))
    KINDS["steer"].bring(two, saved.to_json())
    assert files(two) == {"runs/run-1", "runs/run-2", "vectors/mine"}
    KINDS["judge"].bring(two, {"study": ref.key})
    assert files(two) == {"runs/run-1", "runs/run-2", "vectors/mine", f"studies/{ref.key}"}
    # No name leads out of the cache: the task's own checks say what is wrong with it.
    KINDS["steer"].bring(two, dataclasses.replace(saved, source=VectorSource("../x")).to_json())


def test_a_task_waits_while_the_shared_place_is_away(caches, monkeypatch):
    one, _ = caches
    exchange(one)
    place = one.cache.parent / "place"
    away = place.rename(place.with_name("away"))
    begun, checks = [], []

    def work(settings, values, tell):
        begun.append(1)
        return "done"

    def asks(settings, values):
        KINDS["judge"].bring(settings, {"study": "a@b"})

    monkeypatch.setitem(KINDS, "asks", JobKind("asks", ASKING, lambda *_: None, asks, work))

    def come_back(now):
        checks.append(now)
        if len(checks) == 8:
            away.rename(place)

    tell = Telling(leave=come_back)
    assert do_task(one, "asks", {}, tell) == "done" and begun == [1]
    assert [stage.split(" (")[0] for stage in tell.stages] == ["waiting for the shared place"]
    log = read_log(one, tell.task_id)
    assert log.count("waiting: The shared folder") == 1 and "mount it" in log
    place.rename(away)

    def leave(now):
        checks.append(now)
        if len(checks) == 16:
            raise Left("cancelled")

    with pytest.raises(Left):
        do_task(one, "asks", {}, Telling(leave=leave))
    assert begun == [1]


def test_a_task_that_meets_a_full_disk_is_begun_again(settings, monkeypatch):
    begun = []

    def work(settings, values, tell):
        tell.piece(len(begun))
        begun.append(1)
        if len(begun) < 3:
            raise NoRoom("answers cannot be written.", expected="room.", remedy="make room.")
        return "done"

    monkeypatch.setitem(
        KINDS, "full", JobKind("full", ASKING, lambda *_: None, lambda *_: None, work)
    )
    tell = Telling()
    assert do_task(settings, "full", {}, tell) == "done"
    assert tell.pieces == [None, 0, None, 1, None, 2]
    assert tell.stages == ["waiting for room on the disk (answers cannot be written.)"]
