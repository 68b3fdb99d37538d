"""Checking, pruning and copying a store, and a store that may only be read."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time

import duckdb
import pytest

from backend.access import Actor
from backend.cli.main import main
from backend.core.vectors.pipeline import Pipeline
from backend.errors import NotAllowed, ReadOnly
from backend.jobs.queue import JobQueue
from backend.runs.saved_vectors import save_vector, saved_list
from backend.runs.upkeep import check_store, prunable
from backend.settings import Settings
from backend.store.catalog import run_list, study_list
from backend.store.changes import changes, changing
from backend.store.note import About, delete_note, note_list, publish_note
from backend.store.run import delete_run, run_path
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest
from tests.support.phantom_store import publish_small_phantom
from tests.support.studies import small_study


@pytest.fixture
def store(settings, monkeypatch):
    """Two runs, the older saved a vector from."""
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    _, (old, new) = publish_small_phantom(settings)
    run = run_list(settings).runs[0]
    trait, prompt_set = run.traits[0], run.prompt_sets[0]
    save_vector(settings, "kept", old, trait, prompt_set, run.record.layers[0], Pipeline())
    then = time.time() - 40 * 86_400
    os.utime(run_path(settings, old), (then, then))
    return settings, old, new


def test_check_names_the_damaged_and_a_study_of_another_hash(store, capsys):
    settings, old, _ = store
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "4 files are whole, 0 are damaged.\n"
    path = run_path(settings, old)
    path.write_bytes(path.read_bytes()[:-300_000])
    (study,) = settings.studies.iterdir()
    with duckdb.connect(str(study)) as connection:
        connection.execute("UPDATE prompts SET text = 'another' WHERE prompt_id = 0")
    assert main(["check"]) == 1
    out, err = capsys.readouterr()
    assert out == "2 files are whole, 2 are damaged.\n"
    assert str(path) in err and "holds other texts or scores than its name says" in err
    assert sum(checked.why is not None for checked in check_store(settings)) == 2


def test_prune_lists_first_and_says_what_was_made_from_a_run(store, capsys):
    settings, old, new = store
    assert main(["prune", "--older-than", "30"]) == 0
    out = capsys.readouterr().out
    assert old in out and new not in out and "40 days old" in out
    assert "saved vectors made from it stay: kept" in out and "would be deleted" in out
    assert run_path(settings, old).exists()
    assert main(["prune", "--older-than", "30", "--yes"]) == 0
    assert [run.run_id for run in run_list(settings).runs] == [new]
    assert [saved.name for saved in saved_list(settings).vectors] == ["kept"]
    assert main(["prune"]) == 1 and "Nothing says which runs" in capsys.readouterr().err


def test_prune_by_size_takes_as_many_of_the_oldest_as_are_needed(store):
    settings, old, new = store
    size = run_path(settings, new).stat().st_size

    def chosen(over):
        found = prunable(settings, time.time(), older_days=None, over_bytes=over)
        return [run.run_id for run in found]

    total = size + run_path(settings, old).stat().st_size
    assert chosen(total) == [] and chosen(total - 1) == [old] and chosen(0) == [old, new]


def test_a_copied_store_is_the_store(store, tmp_path):
    settings, _, _ = store
    copy = Settings(cache=tmp_path / "restored")
    copy.cache.mkdir()
    for folder in ("studies", "runs", "vectors"):
        shutil.copytree(settings.cache / folder, copy.cache / folder)
    assert run_list(copy) == run_list(settings)
    assert study_list(copy) == study_list(settings)
    assert [saved.name for saved in saved_list(copy).vectors] == ["kept"]
    assert all(checked.why is None for checked in check_store(copy))


@pytest.mark.parametrize(
    ("bound", "refusal"),
    [({"read_only": True}, ReadOnly), ({"actor": Actor("v@x.example", False)}, NotAllowed)],
)
def test_every_change_is_refused_where_the_store_may_only_be_read(store, bound, refusal):
    settings, old, _ = store
    queue = JobQueue(settings)
    request = ExtractionRequest("a@b", "m", (1,))
    for name in ("queued", "cancelled"):
        queue.enqueue(request, name)
    queue.cancel("cancelled")
    queue.close()
    about = About("run", "a@b", old)
    note = publish_note(settings, about, "kept")
    before = changes(settings)
    only = dataclasses.replace(settings, **bound)
    reader = JobQueue(only)
    study = small_study(scenarios=2)
    run = run_list(only).runs[0]
    calls = (
        lambda: reader.enqueue(request, "other"),
        lambda: reader.enqueue_derivation(run),
        lambda: reader.cancel("queued"),
        lambda: reader.resume("cancelled"),
        lambda: reader.retry("cancelled"),
        lambda: reader.remove("cancelled"),
        lambda: reader.delete_run(old),
        lambda: delete_run(only, old),
        lambda: publish_study(only, study, content_hash(study)),
        lambda: publish_note(only, about, "refused"),
        lambda: delete_note(only, note.name),
        lambda: save_vector(
            only, "more", old, run.traits[0], run.prompt_sets[0], run.record.layers[0], Pipeline()
        ),
    )
    for call in calls:
        with pytest.raises(refusal, match=r"read-only: it cannot|is a viewer here and cannot"):
            call()
    assert note_list(settings).notes == (note,)
    assert [job.state for job in reader.jobs()] == ["cancelled", "queued"]
    reader.close()
    assert run_path(settings, old).exists() and len(study_list(settings).studies) == 1
    assert changes(settings) == before
    assert [(change.what, change.which) for change in before][-4:] == [
        ("start job", "queued"),
        ("start job", "cancelled"),
        ("cancel job", "cancelled"),
        ("save note", note.name),
    ]


def test_what_cannot_be_written_down_is_not_done(settings, capsys, monkeypatch):
    changing(settings, "delete run", "a")
    (settings.cache / "audit.sqlite").write_bytes(b"junk" * 1000)
    with pytest.raises(Exception, match="cannot be written down in audit"):
        changing(settings, "delete run", "b")
    monkeypatch.setenv("STEERSCOPE_CACHE", str(settings.cache))
    assert main(["audit"]) == 1 and "cannot be read" in capsys.readouterr().err
