"""What the scorecard's cells open and say."""

from __future__ import annotations

from backend.store.catalog import run_list
from backend.views.diagnosis.compute import diagnose_run, verdict_lines
from backend.views.scorecard.compute import scorecard
from backend.views.scorecard.figures import scorecard_grid
from backend.views.scorecard.tables import verdict_rows
from tests.support.phantom_store import publish_small_preset
from tests.support.results import results


def test_a_click_on_a_cell_names_its_run_and_trait_and_verdicts_are_the_diagnoses(settings):
    _, run_ids = publish_small_preset(settings)
    found = results(settings)
    runs = run_list(settings).runs
    traits = runs[0].traits
    labels = [run.label for run in runs]
    card = found.of_runs(scorecard, run_ids, "default", None, found.thresholds)
    points = scorecard_grid(card, runs, traits, labels).data[1]
    assert len(points.customdata) == 24 and points.marker.opacity == 0
    for label, (run_id, trait, hover) in zip(points.x, points.customdata, strict=True):
        assert label == labels[list(run_ids).index(run_id)]
        assert f"{card.cells[run_id, trait].correlation.value:+.3f}" in hover
    choices = ("default", None, found.thresholds)
    lines = {run_id: found.of_run(verdict_lines, run_id, *choices) for run_id in run_ids}
    rows = verdict_rows(lines, runs, traits, labels)
    for diagnosis in found.of_run(
        diagnose_run, run_ids[2], "default", None, None, found.thresholds
    ):
        row = next(r for r in rows if r["trait"] == diagnosis.trait.replace("_", " "))
        assert row[labels[2]] == diagnosis.line
        if diagnosis.supported:
            assert diagnosis.supported[0].title.lower() in diagnosis.line.lower()
