"""The store's lists: what can be read, and why the rest cannot."""

from __future__ import annotations

from backend.store.catalog import run_list, study_list
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
