"""A report's first sentences are the pages' own words about the same cells."""

from __future__ import annotations

import dataclasses

import pytest

from backend.core.estimate import Estimate
from backend.settings import Settings, StatusThresholds
from backend.store.catalog import run_list, run_names
from backend.views.answer import answer, how_sure
from backend.views.scorecard import words
from backend.views.shared.view import View
from tests.support.phantom_store import publish_small_preset
from tests.support.results import results
from tests.support.views import card, diagnoses, lines

FAILING = "sycophancy_harmful_validation"


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    settings = Settings(cache=tmp_path_factory.mktemp("preset"))
    _, run_ids = publish_small_preset(settings)
    return settings, tuple(run for run in run_list(settings).runs if run.run_id in run_ids)


@pytest.mark.long
def test_a_study_is_told_run_by_run_with_the_causes_of_the_scorecard(preset):
    settings, runs = preset
    view = View(runs, runs, runs[0].traits, "default", None)
    first, *rest = answer(results(settings), view)
    numbers = card(settings, view.run_ids)
    assert first.kind == "strong" and first.text == words.answer(numbers, runs, run_names(runs))
    told = lines(settings, view.run_ids)
    failing = {
        run.run_id: [t for t in runs[0].traits if numbers.cells[run.run_id, t].status != "working"]
        for run in runs
    }
    assert len(rest) == 1 + sum(len(traits) for traits in failing.values())
    for run in runs:
        for trait in failing[run.run_id]:
            cell = f"on {run.label}: {trait.replace('_', ' ')}, r = "
            (said,) = (text.text for text in rest if cell in text.text)
            assert told[run.run_id][trait] in said
    assert f"of {len(numbers.cells)} cells" in rest[-1].text and words.BEST_LAYER in rest[-1].text


def test_one_cell_is_told_with_its_causes_and_its_best_fix(preset):
    settings, runs = preset
    mistral = next(run for run in runs if "mistral" in run.label)
    view = View(runs, (mistral,), (FAILING,), "default", 19)
    _, cell, sure = answer(results(settings), view)
    (found,) = diagnoses(settings, mistral.run_id, FAILING, 19)
    assert found.headline in cell.text and f"{found.r.value:+.2f}" in cell.text
    if found.helpful:
        assert found.helpful[0].fix.title in cell.text
    assert words.BEST_LAYER not in sure.text


def test_how_sure_counts_intervals_that_cross_a_threshold(preset):
    settings, runs = preset
    numbers = card(settings, [runs[0].run_id])
    limits = StatusThresholds()

    def sized(low, high):
        r = Estimate((low + high) / 2, low, high, 0.01, 60)
        cells = {k: dataclasses.replace(c, correlation=r) for k, c in numbers.cells.items()}
        return how_sure(dataclasses.replace(numbers, cells=cells), limits)

    assert sized(0.5, 0.9).startswith("In 0 of 8 cells")
    assert sized(0.25, 0.35).startswith("In 8 of 8 cells")
    assert sized(0.1, 0.21).startswith("In 8 of 8 cells")
    nothing = {
        k: dataclasses.replace(c, correlation=Estimate.undefined(1, "too few"))
        for k, c in numbers.cells.items()
    }
    assert how_sure(dataclasses.replace(numbers, cells=nothing), limits) is None
