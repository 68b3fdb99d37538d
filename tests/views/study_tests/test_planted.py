"""What was planted is read back from a study, and set against the diagnosis."""

from __future__ import annotations

import pytest

from backend.phantom.causes import CAUSES
from backend.phantom.drawn import DrawnPhantom
from backend.phantom.plan import plan_of
from backend.phantom.study import planted_in
from backend.views.study_tests.planted import (
    PlantedCell,
    planted_answer,
    planted_cells,
    planted_rows,
)
from tests.support.phantom_store import publish_small_phantom
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study
from tests.support.views import diagnoses


@pytest.mark.parametrize("cause", [cause.name for cause in CAUSES])
def test_every_planted_cause_is_read_back_from_its_study(cause):
    sizes = {"models": 2, "traits": 2, "layers": 1, "prompts": 2, "width": 64}
    phantom = DrawnPhantom(plan_of("demo", 3, [cause, "unit_scale"], scenarios=4, **sizes))
    for trait, (_, description) in enumerate(phantom.study.traits.items()):
        for model, name in enumerate(phantom.models):
            assert planted_in(description, name) == phantom.planted(model, trait)
    assert planted_in("Names what this person feels, on a walk.", "llama") == ()


def test_cells_are_the_diagnoses(settings):
    _, run_ids = publish_small_phantom(settings)
    cells = results(settings).of_runs(planted_cells, run_ids, "default", settings.thresholds)
    expected = [found for run_id in run_ids for found in diagnoses(settings, run_id)]
    assert [cell.found for cell in cells] == [
        tuple(judgement.title for judgement in found.supported) for found in expected
    ]
    # Planted in the first half of the traits of both models, rounded up.
    assert [bool(cell.planted) for cell in cells] == [True, True, False] * 2
    for cell, found in zip(cells, expected, strict=True):
        supported = {judgement.cause for judgement in found.supported}
        right = "direction_outliers" in supported if cell.planted else not supported
        assert cell.right == right
    signs = [row[""] for row in planted_rows(cells)]
    assert signs == ["✓" if cell.right else "✕" for cell in cells]


def test_runs_of_models_have_nothing_planted(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    cells = results(settings).of_runs(planted_cells, ["run-1"], "default", settings.thresholds)
    assert cells == () and planted_answer(cells) == "No cell is simulated."


def test_the_answer_counts_harmed_and_healthy_cells():
    def cell(planted, right):
        return PlantedCell("m", "t", planted, (), right, not planted)

    cells = [cell(("a",), True), cell(("a",), False), cell((), True), cell((), False)]
    assert planted_answer(cells) == (
        "The planted causes are found in 1 of 2 harmed cells, a cause is found in 1 of 2 healthy "
        "cells."
    )
