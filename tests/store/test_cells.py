"""Cells are read from a run as they were stored."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np

from backend.core.metrics.registry import measure_cell
from backend.core.prompt_cells import PromptCells
from backend.store.connection import matrix_of
from backend.store.run import open_run
from tests.support.raw import reading_run
from tests.support.results import cells
from tests.support.runs import publish_run
from tests.support.studies import small_study


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


def test_each_choice_narrows_the_cells_down(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run", (0, 1, 2))
    with open_run(settings, "run") as run:
        every = run.cells()
        assert len(every) == 6
        for cell in every:
            key = cell.key
            assert run.cells(key.trait, key.prompt_set, key.layer) == (cell,)
        assert run.cells(layer=1) == tuple(cell for cell in every if cell.key.layer == 1)
        assert run.cells(prompt_set="other") == ()


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
                measured = measure_cell(PromptCells.of_gram(gram, high, len(vector), vector))
                for name, measure in measured.items():
                    assert found[trait, layer]["metrics"][name]["value"] == measure.value, name
