"""The prompts' figures and tables show their numbers and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from backend.core.metrics.registry import METRICS
from backend.views.prompts.figures import cosine_heatmap, norms_and_agreement
from backend.views.prompts.tables import (
    NORM,
    TURN,
    metric_rows,
    pole_rows,
    prompt_rows,
    prompt_text_rows,
)
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.views import prompts


@pytest.fixture
def view(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    return prompts(settings, "run-1", "haste", 1, clustered=True)


def test_the_heatmap_holds_the_cosines_and_both_texts(view):
    heatmap = cosine_heatmap(view).data[0]
    for i in range(10):
        assert np.isnan(heatmap.z[i][i])
        for j in range(10):
            if i != j:
                assert heatmap.z[i][j] == view.cosines[i, j]
    for axis in (heatmap.x, heatmap.y):
        assert all(
            f"#{row.prompt_id}" in text and row.text.split()[0] in text
            for row, text in zip(view.rows, axis, strict=True)
        )
    assert heatmap.customdata is None
    scatter = norms_and_agreement(view)
    norms = np.concatenate([trace.x for trace in scatter.data])
    assert sorted(norms) == pytest.approx(sorted(row.norm for row in view.rows))
    assert "activation units" in scatter.layout.xaxis.title.text


def test_tables_hold_the_numbers(view):
    for row, shown, text in zip(
        view.rows, prompt_rows(view.rows), prompt_text_rows(view), strict=True
    ):
        assert (shown["#"], shown[NORM], shown[TURN]) == (
            row.prompt_id,
            row.norm,
            row.influence.value,
        )
        assert text[TURN] == f"{row.influence.value:.1f}" and list(text) == list(shown)
    assert [row["metric"] for row in metric_rows(view.cell)] == [m.title for m in METRICS]
    spread = next(row for row in pole_rows(view.cell) if "spread" in row["within a pole"])
    assert spread["high"] == f"{view.cell.metrics['high_spread'].value:.4g}"
