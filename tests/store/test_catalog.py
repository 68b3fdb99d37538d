"""The store's lists: what can be read, and why the rest cannot."""

from __future__ import annotations

import json
import os

import duckdb
import pytest

from backend.runs.saved_vectors import saved_list
from backend.store import catalog
from backend.store.catalog import run_list, study_list
from backend.store.file_cache import FileCache
from backend.store.run import open_run
from backend.store.study import find_study, publish_study
from backend.studies.hashing import content_hash
from tests.support.runs import publish_run
from tests.support.studies import small_study


def test_broken_files_are_listed_with_their_reason(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    (settings.runs / "bad.duckdb").write_text("junk")
    (settings.studies / "bad@0.duckdb").write_text("junk")
    runs, studies = run_list(settings), study_list(settings)
    assert [run.record.run_id for run in runs.runs] == ["run-1"]
    assert "cannot be read" in runs.broken["bad.duckdb"]
    assert [study.title for study in studies.studies] == ["Small study"]
    assert "cannot be read" in studies.broken["bad@0.duckdb"]


def test_no_damaged_or_vanishing_neighbour_hides_a_list(settings, monkeypatch):
    study = small_study(scenarios=2)
    ref = publish_study(settings, study, content_hash(study))
    whole = settings.studies / f"{ref.key}.duckdb"
    data = whole.read_bytes()
    for number, damage in enumerate((b"", data[:5000], data[: len(data) // 2], data[::-1])):
        (settings.studies / f"bad@{number}.duckdb").write_bytes(damage)
    for name, statement in {
        "columns": "ALTER TABLE study DROP COLUMN title",
        "rows": "DELETE FROM study",
        "table": "DROP TABLE responses",
    }.items():
        path = settings.studies / f"bad@{name}.duckdb"
        path.write_bytes(data)
        with duckdb.connect(str(path)) as connection:
            connection.execute(statement)
    (settings.studies / "bad@folder.duckdb").mkdir()
    (settings.studies / "bad@link.duckdb").symlink_to("nothing")
    found = study_list(settings)
    assert [summary.key for summary in found.studies] == [ref.key]
    assert len(found.broken) == 8, found.broken
    assert all(why.startswith(f"{name} cannot be read: ") for name, why in found.broken.items())
    assert find_study(settings, study.name) == ref

    gone = settings.studies / "bad@0.duckdb"
    listed = catalog.list_studies

    def vanishing(given):
        refs = listed(given)
        gone.unlink(missing_ok=True)
        return refs

    monkeypatch.setattr(catalog, "list_studies", vanishing)
    found = study_list(settings)
    assert [summary.key for summary in found.studies] == [ref.key]
    assert gone.name not in found.broken
    settings.vectors.mkdir(parents=True, exist_ok=True)
    (settings.vectors / "bad.duckdb").write_bytes(data)
    assert saved_list(settings).vectors == () and "bad.duckdb" in saved_list(settings).broken


def test_a_new_server_lists_runs_without_opening_them(settings, tiny_llama, monkeypatch):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    publish_run(settings, small_study(), tiny_llama, "run-2")
    read = run_list(settings)

    monkeypatch.setattr(catalog, "_SUMMARIES", FileCache(8))
    monkeypatch.setattr(catalog, "open_run", None)
    assert run_list(settings) == read

    # Only the run whose file is another is opened again.
    opened = []

    def noted(given, run_id):
        opened.append(run_id)
        return open_run(given, run_id)

    monkeypatch.setattr(catalog, "_SUMMARIES", FileCache(8))
    monkeypatch.setattr(catalog, "open_run", noted)
    os.utime(settings.runs / "run-2.duckdb", (1, 1))
    assert run_list(settings) == read and opened == ["run-2"]


@pytest.mark.parametrize("content", ["", "[]", '{"fields": [], "runs": {}}', '{"runs": 3}', "\0"])
def test_an_index_of_no_use_is_made_again(settings, tiny_llama, monkeypatch, content):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    read = run_list(settings)
    index = settings.cache / "summaries.json"
    whole = json.loads(index.read_text())
    index.write_text(content)
    monkeypatch.setattr(catalog, "_SUMMARIES", FileCache(8))
    assert run_list(settings) == read
    assert json.loads(index.read_text()) == whole

    del whole["runs"]["run-1.duckdb"]["record"]
    index.write_text(json.dumps(whole))
    monkeypatch.setattr(catalog, "_SUMMARIES", FileCache(8))
    assert run_list(settings) == read
