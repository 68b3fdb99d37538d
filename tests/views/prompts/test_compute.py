"""The prompts of a cell: whose they are, in which order, and with which numbers."""

from __future__ import annotations

import dataclasses

import duckdb
import numpy as np
import pytest

from backend.errors import StoreError
from backend.store.connection import matrix_of
from backend.store.run import run_path
from tests.support import views
from tests.support.raw import reading_run
from tests.support.results import cells
from tests.support.runs import publish_run
from tests.support.studies import small_study


def view_of(settings, **choices):
    return views.prompts(settings, "run-1", "haste", 1, **choices)


def test_prompt_sets_are_separate_cells(settings, tiny_llama):
    study = small_study()
    other = tuple(
        dataclasses.replace(p, prompt_set="other", text=f"{p.text} again") for p in study.prompts
    )
    publish_run(
        settings, dataclasses.replace(study, prompts=study.prompts + other), tiny_llama, "run-1"
    )
    view = view_of(settings, prompt_set="other")
    assert [row.prompt_id for row in view.rows] == list(range(30, 40))
    (cell,) = (
        cell
        for cell in cells(settings, "run-1", "haste")
        if (cell.key.prompt_set, cell.key.layer) == ("other", 1)
    )
    assert view.cell == cell
    with pytest.raises(StoreError, match="no prompts of 'haste', set 'third'"):
        view_of(settings, prompt_set="third", clustered=True)


def test_clustering_only_reorders(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    plain, ordered = view_of(settings), view_of(settings, clustered=True)
    assert {r.prompt_id: r for r in plain.rows} == {r.prompt_id: r for r in ordered.rows}
    assert [r.pole for r in ordered.rows] == ["high"] * 5 + ["low"] * 5
    place = {r.prompt_id: i for i, r in enumerate(plain.rows)}
    for i, a in enumerate(ordered.rows):
        for j, b in enumerate(ordered.rows):
            assert ordered.cosines[i, j] == plain.cosines[place[a.prompt_id], place[b.prompt_id]]


def test_numbers_are_those_of_the_activations(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    view = view_of(settings)
    with reading_run(settings, "run-1") as connection:
        rows = matrix_of(
            connection,
            "SELECT activation FROM prompt_activations JOIN prompts USING (prompt_id)"
            " WHERE trait = 'haste' AND layer = 1 ORDER BY prompt_id",
            [],
        ).astype(np.float64)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(view.cosines, unit @ unit.T, atol=1e-6)
    for place, row in enumerate(view.rows):
        own = [i for i, other in enumerate(view.rows) if other.pole == row.pole and i != place]
        assert row.to_own_pole.value == pytest.approx((unit[own] @ unit[place]).mean(), abs=1e-6)
        kept = np.delete(rows, place, axis=0)
        high = np.delete(np.arange(10) < 5, place)
        without = kept[high].mean(0) - kept[~high].mean(0)
        whole = rows[:5].mean(0) - rows[5:].mean(0)
        cosine = without @ whole / np.linalg.norm(without) / np.linalg.norm(whole)
        assert row.influence.value == pytest.approx(np.degrees(np.arccos(cosine)), abs=1e-2)


def test_a_run_without_influences_says_so(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    with duckdb.connect(str(run_path(settings, "run-1"))) as connection:
        connection.execute("DELETE FROM influences")
    for row in view_of(settings).rows:
        assert row.influence.value is None and "derive again" in row.influence.reason
