"""What follows from a run's activations can be computed again, and runs of older formats open."""

from __future__ import annotations

import dataclasses
import lzma
from pathlib import Path

import duckdb
import pytest

from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.errors import JobError, RunNotFound
from backend.jobs.queue import JobQueue
from backend.runs.derivation_session import DerivationSession
from backend.runs.session import session_of
from backend.store.catalog import run_list, run_summary
from backend.store.run import NOT_COMPUTED, open_run, run_path
from backend.store.schema import DERIVED_TABLES, FORMAT
from backend.store.work_file import derivation_path
from backend.types import ExtractionRequest
from tests.support.damage import damage
from tests.support.results import cells
from tests.support.runs import publish_run
from tests.support.studies import small_study

# Made by the version that wrote format 3: a random Llama of three layers, four scenarios.
OLD = Path(__file__).parent / "run_of_format_3.duckdb.xz"


def derive(settings, run_id="run-1"):
    DerivationSession(settings, run_id, lambda _: None).run()


def tables(settings, run_id="run-1"):
    """Every derived table's rows; and the activations'."""
    kept = (*DERIVED_TABLES, "prompt_activations", "response_activations", "run")
    with duckdb.connect(str(run_path(settings, run_id)), read_only=True) as connection:
        return {
            name: connection.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall()
            for name in kept
            if name != "timings"
        }


@pytest.fixture
def old(settings):
    run_path(settings, "old").write_bytes(lzma.decompress(OLD.read_bytes()))
    return settings


def test_deriving_again_changes_nothing_and_says_by_which_version(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    before = tables(settings)
    derive(settings)
    assert tables(settings) == before
    with duckdb.connect(str(run_path(settings, "run-1")), read_only=True) as connection:
        assert len(connection.execute("SELECT * FROM derivations").fetchall()) == 1
    assert not derivation_path(settings, "run-1").exists()


def test_a_reader_keeps_the_run_that_it_opened(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    with open_run(settings, "run-1") as run:
        derive(settings)
        kept = run.cells()
    assert kept == cells(settings, "run-1")


def test_an_interrupted_derivation_leaves_the_run_and_goes_on(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    before = tables(settings)
    session = DerivationSession(settings, "run-1", lambda _: None)
    assert session.derive_some()
    session.close()
    assert tables(settings) == before and derivation_path(settings, "run-1").exists()
    derive(settings)
    assert tables(settings) == before


def alike(found, kept):
    """Whether two estimates are the same up to rounding: the kept file was made on another CPU,
    whose matrix products add in another order."""
    numbers = ("value", "low", "high", "p")
    bare = [dataclasses.replace(e, **dict.fromkeys(numbers), reason="-") for e in (found, kept)]
    pairs = [(getattr(found, name), getattr(kept, name)) for name in numbers]
    return (
        bare[0] == bare[1]
        and found.reason == kept.reason
        and all(
            a == b if a is None or b is None else a == pytest.approx(b, rel=1e-9, abs=1e-12)
            for a, b in pairs
        )
    )


def test_a_run_of_an_older_format_is_read_and_derived(old):
    (before,) = run_list(old).runs
    read = cells(old, "old")
    assert {cell.key.trait for cell in read} == {"warmth", "haste"}
    assert all(m.value is not None or m.reason for c in read for m in c.metrics.values())
    derive(old, "old")
    after = run_summary(old, "old")
    assert after.record == before.record
    derived = cells(old, "old")
    for was, now in zip(read, derived, strict=True):
        assert alike(now.correlation, was.correlation)
        for name, metric in was.metrics.items():
            if metric.reason == NOT_COMPUTED:  # registered since
                assert now.metrics[name].reason != NOT_COMPUTED
            elif metric.value is None:
                assert now.metrics[name] == metric
            elif name == "d_prime":  # since corrected for few prompts, which makes it smaller
                assert 0 < now.metrics[name].value < metric.value
            else:
                assert now.metrics[name].value == pytest.approx(metric.value, rel=1e-9)
    with duckdb.connect(str(run_path(old, "old")), read_only=True) as connection:
        assert connection.execute("SELECT format FROM file_format").fetchall() == [(FORMAT,)]


def test_a_run_from_before_turns_had_numbers_is_read_and_keeps_its_numbers(settings, tiny_llama):
    """Format 6 has the columns of format 7: t1 and tN are names of turns in both."""
    publish_run(settings, small_study(), tiny_llama, "run-1")
    place = ("haste", "default", 2)
    before = cells(settings, "run-1")
    with open_run(settings, "run-1") as run:
        turns = run.turn_values(MEAN_DIFFERENCE, *place)
    damage(settings, "run-1", "UPDATE file_format SET format = 6")
    for number in (6, FORMAT):
        assert cells(settings, "run-1") == before
        with open_run(settings, "run-1") as run:
            assert run.format == number
            read = run.turn_values(MEAN_DIFFERENCE, *place)
        assert read.turns == turns.turns == ("t1", "tN") * 12
        assert read.projections.tolist() == turns.projections.tolist()
        derive(settings)


def test_old_and_new_give_the_same_vectors(old):
    with open_run(old, "old") as run:
        (before,) = run.vectors("default", [("warmth", MEAN_DIFFERENCE, 1)])
    derive(old, "old")
    with open_run(old, "old") as run:
        (after,) = run.vectors("default", [("warmth", MEAN_DIFFERENCE, 1)])
    assert after.values == pytest.approx(before.values, rel=1e-9, abs=1e-12)


def test_one_derivation_of_a_run_at_a_time(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    queue = JobQueue(settings)
    (run,) = run_list(settings).runs
    job_id = queue.enqueue_derivation(run)
    job = queue.job(job_id)
    assert (job.target, job.state, job.request.derives) == ("run-1", "queued", "run-1")
    with pytest.raises(JobError, match="being derived already"):
        queue.enqueue_derivation(run)
    with pytest.raises(JobError, match="cannot be deleted"):
        queue.delete_run("run-1")
    queue.cancel(job_id)
    queue.remove(job_id)
    assert queue.jobs() == () and run_path(settings, "run-1").exists()


def test_a_request_derives_or_extracts(settings, tiny_llama):
    ref = publish_run(settings, small_study(), tiny_llama, "run-1")
    request = ExtractionRequest(ref.key, str(tiny_llama), (1,), derives="run-1")
    assert isinstance(session_of(settings, "job", request, lambda _: None), DerivationSession)
    with pytest.raises(RunNotFound):
        DerivationSession(settings, "none", lambda _: None)
