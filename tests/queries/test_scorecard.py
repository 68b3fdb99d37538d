"""The scorecard chooses the best layer, counts statuses and leaves gaps where r is undefined."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from backend.store.cells import cells
from backend.store.studies import study_list

from backend.core.geometry.prompt_space import PromptSpace
from backend.core.geometry.registry import measure_all
from backend.core.status import status_of
from backend.errors import StoreError
from backend.settings import StatusThresholds
from backend.store.catalog import run_list
from backend.store.connection import matrix_of
from backend.views.prompts.compute import prompt_view
from backend.views.scorecard.compute import scorecard
from tests.support.runs import publish_run
from tests.support.studies import small_study


@pytest.mark.parametrize(
    ("r", "status"),
    [
        (0.31, "working"),
        (0.3, "close"),
        (0.2, "close"),
        (0.19, "failed"),
        (-0.9, "failed"),
        (None, "undefined"),
    ],
)
def test_status_by_the_studys_thresholds(r, status):
    assert status_of(r, StatusThresholds()) == status


def test_best_layer_counts_and_fixed_layer(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1", (0, 1, 2, 3))
    card = scorecard(settings, ["run-1"], "default")
    for trait in ("warmth", "haste"):
        every = cells(settings, "run-1", trait)
        best = max(every, key=lambda c: c.correlation.value)
        shown = card.cells["run-1", trait]
        assert (shown.layer, shown.correlation, shown.of_layers) == (
            best.key.layer,
            best.correlation,
            4,
        )
    assert sum(card.counts["run-1"].values()) == 2
    fixed = scorecard(settings, ["run-1"], "default", layer=2)
    assert {(c.layer, c.of_layers) for c in fixed.cells.values()} == {(2, 1)}


def test_geometry_only_is_undefined_not_zero(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "run-1")
    card = scorecard(settings, ["run-1"], "default")
    cell = card.cells["run-1", "haste"]
    assert (cell.status, cell.layer, cell.correlation.value) == ("undefined", None, None)
    assert card.counts["run-1"]["undefined"] == 2


def test_prompt_sets_are_separate_cells(settings, tiny_llama):
    study = small_study()
    other = tuple(
        dataclasses.replace(p, prompt_set="other", text=f"{p.text} again") for p in study.prompts
    )
    publish_run(
        settings, dataclasses.replace(study, prompts=study.prompts + other), tiny_llama, "run-1"
    )
    one = scorecard(settings, ["run-1"], "default").cells["run-1", "haste"]
    two = scorecard(settings, ["run-1"], "other").cells["run-1", "haste"]
    assert one.correlation.value != two.correlation.value
    view = prompt_view(settings, "run-1", "haste", "other", 1, clustered=False)
    assert [row.prompt_id for row in view.rows] == list(range(30, 40))
    with pytest.raises(StoreError, match="no prompts of 'haste', set 'third'"):
        prompt_view(settings, "run-1", "haste", "third", 1, clustered=True)


def test_clustering_only_reorders(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    plain = prompt_view(settings, "run-1", "haste", "default", 1, clustered=False)
    ordered = prompt_view(settings, "run-1", "haste", "default", 1, clustered=True)
    assert {r.prompt_id: r for r in plain.rows} == {r.prompt_id: r for r in ordered.rows}
    assert [r.pole for r in ordered.rows] == ["high"] * 5 + ["low"] * 5
    place = {r.prompt_id: i for i, r in enumerate(plain.rows)}
    for i, a in enumerate(ordered.rows):
        for j, b in enumerate(ordered.rows):
            assert ordered.cosines[i, j] == plain.cosines[place[a.prompt_id], place[b.prompt_id]]


def test_broken_files_are_listed_with_their_reason(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    (settings.runs / "bad.duckdb").write_text("junk")
    (settings.studies / "bad@0.duckdb").write_text("junk")
    runs, studies = run_list(settings), study_list(settings)
    assert [run.record.run_id for run in runs.runs] == ["run-1"]
    assert "cannot be read" in runs.broken["bad.duckdb"]
    assert [study.title for study in studies.studies] == ["Small study"]
    assert "cannot be read" in studies.broken["bad@0.duckdb"]


def test_every_interval_and_control_of_a_cell_is_read(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=20), tiny_llama, "run", (1,))
    for cell in cells(settings, "run"):
        r = cell.correlation.value
        assert cell.bootstrap.low < r < cell.bootstrap.high
        assert cell.rank.low < cell.rank.value < cell.rank.high
        assert sorted(cell.controls) == ["random_direction", "shuffled_labels"]
        for control in cell.controls.values():
            assert control.low < control.high and 0 < control.typical < 1
            assert 1 / (control.draws + 1) <= control.p <= 1
            assert control.reason is None


def test_a_fresh_process_reads_bit_identical_metrics(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run", (0, 2))
    shown = subprocess.run(
        [sys.executable, "-m", "backend", "metrics", "run", "--json"],
        env=os.environ | {"STEERSCOPE_CACHE": str(settings.cache)},
        capture_output=True,
        check=True,
    )
    found = {(c["trait"], c["layer"]): c for c in json.loads(shown.stdout)}
    with reading_run(settings, "run") as connection:
        for trait in ("warmth", "haste"):
            for layer in (0, 2):
                # Computed anew from the stored inner products, not read from the metrics table.
                gram = matrix_of(
                    connection,
                    "SELECT products FROM gram WHERE metric = 'identity' AND trait = ?"
                    " AND layer = ? ORDER BY prompt_id",
                    [trait, layer],
                )
                (vector,) = matrix_of(
                    connection,
                    "SELECT vector FROM vectors WHERE method = 'mean_difference' AND trait = ?"
                    " AND layer = ?",
                    [trait, layer],
                )
                poles = connection.execute(
                    "SELECT pole = 'high' FROM prompts WHERE trait = ? ORDER BY prompt_id", [trait]
                ).fetchall()
                high = np.array(poles)[:, 0].astype(bool)
                measured = measure_all(PromptSpace(gram, high, len(vector), vector))
                for name, measure in measured.items():
                    assert found[trait, layer]["metrics"][name]["value"] == measure.value, name
