"""The scorecard's cells hold its numbers and the diagnoses, in colours that can be read."""

from __future__ import annotations

import numpy as np
import pytest

from backend.store.catalog import run_list
from backend.views.diagnosis.compute import diagnose_run
from backend.views.scorecard.compute import scorecard
from backend.views.scorecard.grid import colour_of, scorecard_cells
from backend.views.shared.style import BLACK, DIVERGING, WHITE, contrast
from tests.support.phantom_store import publish_small_preset
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.views import card


def test_cells_hold_r_interval_status_and_cause(settings):
    _, run_ids = publish_small_preset(settings)
    found = results(settings)
    runs = run_list(settings).runs
    traits = runs[0].traits
    labels = [run.label for run in runs]
    numbers = found.of_runs(scorecard, run_ids, "default", None, found.thresholds)
    diagnosed = {
        run_id: found.of_run(diagnose_run, run_id, "default", None, None, found.thresholds)
        for run_id in run_ids
    }
    causes = {run_id: {d.trait: d.line for d in of_run} for run_id, of_run in diagnosed.items()}
    grid = scorecard_cells(numbers, runs, traits, labels, causes)
    assert [column.name for column in grid.columns] == labels
    for column, run_id in zip(grid.columns, run_ids, strict=True):
        assert column.count == f"{numbers.counts[run_id]['working']} of 8 work"
    for row, trait in zip(grid.rows, traits, strict=True):
        assert row.name == trait.replace("_", " ")
        for cell, run_id in zip(row.cells, run_ids, strict=True):
            c = numbers.cells[run_id, trait].correlation
            assert (cell.run, cell.trait) == (run_id, trait)
            assert cell.r.endswith(f" {c.value:+.2f}")
            assert cell.interval == f"[{c.low:+.2f}, {c.high:+.2f}]"
            assert cell.layer == f"layer {numbers.cells[run_id, trait].layer}"
            assert cell.status == numbers.cells[run_id, trait].status
            assert f"{c.value:+.3f}" in cell.about and cell.cause == causes[run_id][trait]
            (diagnosis,) = [d for d in diagnosed[run_id] if d.trait == trait]
            if diagnosis.supported:
                cause = diagnosis.supported[0]
                few = diagnosis.works and cause.cause == "few_scenarios"
                said = f"only {diagnosis.r.n} cases" if few else cause.title
                assert said.lower() in cell.cause.lower()
            elif diagnosis.works:
                assert cell.cause == ""
            else:
                assert cell.cause.startswith("Cause unknown")


def test_cells_without_r_or_diagnosis_or_trait_say_so(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "run-1")
    numbers, runs = card(settings, ["run-1"]), run_list(settings).runs
    grid = scorecard_cells(numbers, runs, ("haste", "calm"), ["tiny"], None)
    (haste,), (calm,) = (row.cells for row in grid.rows)
    assert (haste.r, haste.interval, haste.layer, haste.cause) == ("– undefined", "", "", None)
    assert "at least 3" in haste.about and calm is None


@pytest.mark.parametrize(
    ("one", "other", "published"),
    [("#FFFFFF", "#000000", 21.0), ("#777777", "#FFFFFF", 4.48), ("#FFFFFF", "#FFFFFF", 1.0)],
)
def test_contrast_is_that_of_wcag(one, other, published):
    assert contrast(one, other) == contrast(other, one) == pytest.approx(published, abs=0.005)


def test_the_colours_are_the_heatmaps_and_every_text_can_be_read():
    assert [colour_of(r) for r in (-1, -0.5, 0, 0.5, 1)] == [colour for _, colour in DIVERGING]
    assert colour_of(None) == colour_of(0.0)
    for r in np.linspace(-1, 1, 201):
        fill = colour_of(float(r))
        assert max(contrast(fill, BLACK), contrast(fill, WHITE)) >= 4.5
