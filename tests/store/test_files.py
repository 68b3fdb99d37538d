"""Published files are whole, immutable and readable by several processes at once."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import duckdb
import numpy as np
import pytest

from backend.core.first_token import first_tokens
from backend.errors import RunNotFound, StudyNotFound, UnreadableFile
from backend.store.connection import publish
from backend.store.run import delete_run, list_run_ids, open_run, run_path
from backend.store.run_record import RunRecord
from backend.store.study import find_study, list_studies, load_study, publish_study
from backend.store.work_file import WorkFile
from backend.studies.hashing import content_hash
from tests.support.raw import reading_run
from tests.support.studies import small_study

RECORD = RunRecord(
    run_id="run-1",
    created_at="2026-01-01T00:00:00+00:00",
    study_name="small",
    study_hash="abc",
    target="drift",
    model="m",
    model_name="m",
    model_revision="",
    model_source="folder",
    weights_hash="w",
    tokenizer_hash="t",
    chat_template_hash="c",
    architecture="A",
    width=4,
    depth=3,
    layers=(1, 2),
    pooling="mean",
    batch_tokens=64,
    device="cpu",
    dtype="float32",
    engine="local",
    seed=1,
    versions={"torch": "2"},
)


def work_file(settings, study):
    work = WorkFile(settings.work / "run-1.duckdb")
    texts = len(study.prompts) + len(study.responses)
    halves = (list(range(texts // 2)), list(range(texts // 2, texts)))
    work.initialise(RECORD, study, [(half, 10 * len(half)) for half in halves])
    return work, halves


def pooled(half, seed):
    return np.random.default_rng(seed).normal(size=(2, len(half), 4)).astype(np.float32)


def test_a_study_is_read_back_and_kept_once(settings):
    study = small_study()
    ref = publish_study(settings, study, content_hash(study))
    before = (settings.studies / f"{ref.key}.duckdb").stat()
    assert load_study(settings, ref) == study
    assert publish_study(settings, study, content_hash(study)) == ref
    assert (settings.studies / f"{ref.key}.duckdb").stat().st_mtime_ns == before.st_mtime_ns
    assert list(settings.work.iterdir()) == []


def test_studies_are_found_by_name_or_key(settings):
    study = small_study()
    old = publish_study(settings, study, content_hash(study))
    changed = dataclasses.replace(study, title="New")
    new = publish_study(settings, changed, content_hash(changed))
    assert set(list_studies(settings)) == {old, new}
    assert find_study(settings, "small") == new
    assert find_study(settings, old.key) == old
    with pytest.raises(StudyNotFound, match="No study is called 'other'"):
        find_study(settings, "other")


def test_a_failed_publication_leaves_nothing(settings, monkeypatch):
    monkeypatch.setattr("backend.store.study.write_study", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        publish_study(settings, small_study(), "abc")
    assert list(settings.studies.iterdir()) == list(settings.work.iterdir()) == []


def test_publishing_never_overwrites(tmp_path):
    (tmp_path / "work").write_text("new")
    (tmp_path / "target").write_text("old")
    assert publish(tmp_path / "work", tmp_path / "target") is False
    assert (tmp_path / "target").read_text() == "old"
    assert not (tmp_path / "work").exists()
    (tmp_path / "work").write_text("new")
    (tmp_path / "work.wal").write_text("")
    with pytest.raises(RuntimeError, match="not checkpointed"):
        publish(tmp_path / "work", tmp_path / "fresh")


def test_batches_are_kept_once_and_survive_reopening(settings):
    study = small_study(scenarios=3, prompts=2)
    work, halves = work_file(settings, study)
    first = pooled(halves[0], 1)
    work.commit_batch(0, first, [3] * len(halves[0]), 0.5)
    work.commit_batch(0, pooled(halves[0], 99), [3] * len(halves[0]), 0.5)
    work.close()
    work = WorkFile(settings.work / "run-1.duckdb")
    assert work.initialised
    assert work.run.record == RECORD
    assert work.done_batches() == {0}
    prompts = work.run.activations("prompt", 2, 0, 100)
    np.testing.assert_array_equal(prompts, first[1, : len(prompts)])


def test_what_is_not_known_of_first_tokens_is_null(settings):
    """A simulated run gives none; a text whose activation is zero has no share."""
    study = small_study(scenarios=3, prompts=2)
    work, halves = work_file(settings, study)
    work.commit_batch(0, pooled(halves[0], 1), [3] * len(halves[0]), 0.5)
    rows = pooled(halves[1], 2)
    rows[:, -1] = 0
    shape = rows.shape[:2]
    first = first_tokens(rows, np.ones(shape), np.ones(shape), np.full(shape[1], 0.5))
    work.commit_batch(1, rows, [3] * len(halves[1]), 0.5, first)
    query = (
        "SELECT first_norm, first_share FROM prompt_activations UNION ALL"
        " SELECT first_norm, first_share FROM response_activations ORDER BY ALL"
    )
    found = work.connection.execute(query).fetchall()
    assert sum(row == (None, None) for row in found) == 2 * len(halves[0])
    assert sum(row == (1.0, None) for row in found) == 2
    assert sum(row[1] is not None for row in found) == 2 * (len(halves[1]) - 1)
    work.close()


def test_a_failed_commit_leaves_no_half_batch(settings, monkeypatch):
    work, halves = work_file(settings, small_study(scenarios=3, prompts=2))

    def fail(*_args, **_kwargs):
        raise RuntimeError("on purpose")

    original = work._insert_activations
    calls = []
    monkeypatch.setattr(
        work,
        "_insert_activations",
        lambda *a: fail() if calls else (calls.append(1), original(*a)),
    )
    with pytest.raises(RuntimeError, match="on purpose"):
        # The second half holds prompts and responses: the second insert fails.
        half = list(range(4, 4 + len(halves[0])))
        work.connection.execute(
            "UPDATE batches SET prompt_ids=[4,5], response_ids=[0] WHERE batch_id=0"
        )
        work.commit_batch(0, pooled(half[:3], 2), [1] * 3, 0.1)
    assert work.done_batches() == frozenset()
    assert len(work.run.activations("prompt", 1, 0, 100)) == 0


def test_a_published_run_is_read_while_another_is_written(settings):
    study = small_study(scenarios=3, prompts=2)
    work, halves = work_file(settings, study)
    for index, half in enumerate(halves):
        work.commit_batch(index, pooled(half, index), [1] * len(half), 0.1)
    work.publish(run_path(settings, "run-1"))
    assert list(settings.work.iterdir()) == []
    other = WorkFile(settings.work / "run-2.duckdb")
    other.initialise(dataclasses.replace(RECORD, run_id="run-2"), study, [([0], 1)])
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); "
        "print(c.execute('SELECT count(*) FROM response_activations').fetchone()[0])"
    )
    with reading_run(settings, "run-1"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(run_path(settings, "run-1"))],
            capture_output=True,
            text=True,
            check=True,
        )
    assert int(done.stdout) == 2 * len(study.responses)
    other.close()


def test_two_writers_of_one_work_file_are_refused(settings):
    work, _ = work_file(settings, small_study(scenarios=3, prompts=2))
    code = (
        "import sys; from pathlib import Path; from backend.store.work_file import WorkFile; "
        "WorkFile(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(work.path)], capture_output=True, text=True, check=False
    )
    assert "no other process is writing" in done.stderr


def test_missing_and_damaged_runs(settings):
    with pytest.raises(RunNotFound, match="No run is called 'x'"), open_run(settings, "x"):
        pass
    run_path(settings, "junk").write_bytes(b"junk" * 1000)
    duckdb.connect(str(run_path(settings, "empty"))).close()
    old = duckdb.connect(str(run_path(settings, "old")))
    old.execute("CREATE TABLE file_format AS SELECT 0 AS format, 'run' AS kind")
    old.close()
    assert set(list_run_ids(settings)) == {"junk", "empty", "old"}
    for run_id, words in (
        ("junk", "cannot be read"),
        ("empty", "no Steerscope tables"),
        ("old", "format 0, kind run"),
    ):
        with pytest.raises(UnreadableFile, match=words), open_run(settings, run_id):
            pass


def test_deleting_a_run(settings):
    work, halves = work_file(settings, small_study(scenarios=3, prompts=2))
    for index, half in enumerate(halves):
        work.commit_batch(index, pooled(half, index), [1] * len(half), 0.1)
    work.publish(run_path(settings, "run-1"))
    delete_run(settings, "run-1")
    assert list_run_ids(settings) == ()
    with pytest.raises(RunNotFound):
        delete_run(settings, "run-1")
