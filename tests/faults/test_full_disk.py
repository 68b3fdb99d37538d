"""A full disk in an import, in a batch and in publishing: a sentence, nothing left behind, and it
goes on after room is made. A limit on the size of files stands in for the disk."""

from __future__ import annotations

import resource
import threading
import time
from contextlib import contextmanager

import pytest

from backend.errors import NoRoom
from backend.jobs import patience, worker
from backend.jobs.logs import read_log
from backend.runs.requests import request_to_json
from backend.runs.session import session_of
from backend.store.catalog import run_list
from backend.store.connection import discard
from backend.store.run import run_path
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest
from tests.support.studies import small_study


@contextmanager
def room(size):
    """No file of this process grows beyond a size."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def left(settings):
    return sorted(path.name for path in (*settings.work.iterdir(), *settings.studies.iterdir()))


@pytest.fixture
def study():
    return small_study(scenarios=60)


def test_an_import_leaves_nothing_and_goes_after(settings, study):
    for size in (20_000, 200_000, 400_000):
        with room(size), pytest.raises(NoRoom, match=r"cannot be written in .*: File too large"):
            publish_study(settings, study, content_hash(study))
        assert left(settings) == []
    ref = publish_study(settings, study, content_hash(study))
    assert left(settings) == [f"{ref.key}.duckdb"]


def test_a_run_stops_with_a_sentence_and_goes_on(settings, study, tiny_llama):
    ref = publish_study(settings, study, content_hash(study))
    request = ExtractionRequest(ref.key, str(tiny_llama), (1, 2), batch_tokens=200)
    for size in (100_000, 600_000, 1_200_000):
        session = session_of(settings, "run", request, lambda _: None)
        with room(size), pytest.raises(NoRoom, match="What was committed before stays"):
            session.run()
        session.close()
        assert not run_path(settings, "run").exists()
    session_of(settings, "run", request, lambda _: None).run()
    assert [run.run_id for run in run_list(settings).runs] == ["run"]
    assert list(settings.work.iterdir()) == []
    discard(settings.work / "run.duckdb")


def test_a_job_waits_for_room_and_goes_on(settings, monkeypatch):
    monkeypatch.setattr(patience, "AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(worker.Extractor, "_report", lambda *_: None)
    tries = []

    class Session:
        def extract_some(self, seconds):
            return False

        def derive_some(self):
            return False

        def publish(self):
            tries.append(1)
            if len(tries) < 3:
                raise NoRoom("run.duckdb cannot be written.", expected="room.", remedy="make room.")
            return run_path(settings, "run")

        def close(self):
            pass

    extractor = worker.Extractor(
        settings, "worker", lambda: False, lambda _: False, lambda _: False
    )
    monkeypatch.setattr(extractor, "_of", lambda *_: Session())
    request = request_to_json(ExtractionRequest("a@b", "m", (1,)))
    assert extractor.publish("run", request) == "run.duckdb"
    assert len(tries) == 3
    assert read_log(settings, "run").count("waiting: run.duckdb cannot be written.") == 1


def test_a_job_that_waits_for_room_can_be_cancelled_and_paused(settings, monkeypatch):
    monkeypatch.setattr(worker.Extractor, "_report", lambda *_: None)
    stop, cancelled = threading.Event(), threading.Event()
    extractor = worker.Extractor(
        settings, "worker", stop.is_set, lambda _: cancelled.is_set(), lambda _: False
    )

    def full(*_):
        raise NoRoom("full.", expected="room.", remedy="make room.")

    monkeypatch.setattr(extractor, "_of", full)
    request = request_to_json(ExtractionRequest("a@b", "m", (1,)))
    for event, said in ((cancelled, "cancelled"), (stop, "paused")):
        threading.Timer(0.3, event.set).start()
        begun = time.monotonic()
        with pytest.raises(worker.Left, match=said):
            extractor.publish("run", request)
        assert time.monotonic() - begun < 4
