"""Leaving prompts out: r as from the activations, and as the lab gives it for the same prompts."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from backend.core.vectors.inner_product import IDENTITY
from backend.core.vectors.pipeline import Pipeline
from backend.errors import StoreError
from backend.settings import StatusThresholds
from backend.store.run import open_run
from backend.views.filter_lab.compute import lab_view
from backend.views.filter_lab.stack import lab_stack
from backend.views.prompts.without import drop_preview, r_without_each
from tests.support.phantom_store import publish_small_phantom
from tests.support.results import results

SET, TRAIT, LAYER = "default", "trait_1", 2


@pytest.fixture
def run(settings):
    _, runs = publish_small_phantom(settings)
    with open_run(settings, runs[0]) as opened:
        yield opened


def from_activations(run, dropped):
    """r of the mean difference of the other prompts, from activations alone."""
    prompts = [p for p in run.prompts(TRAIT) if p.prompt_id not in dropped]
    every = run.prompt_activations(LAYER)
    high, low = (
        np.mean([every[p.prompt_id] for p in prompts if p.pole == pole], axis=0)
        for pole in ("high", "low")
    )
    responses = np.concatenate(list(run.response_chunks(LAYER)))
    along = responses @ (high - low)
    cases = run.scored_cases(TRAIT)
    return np.corrcoef(cases.drift_of(along), cases.behaviour)[0, 1]


def test_r_without_some_prompts_is_that_of_the_activations(run):
    ids = [prompt.prompt_id for prompt in run.prompts(TRAIT)]
    for dropped in ((), (ids[0],), (ids[1], ids[2], ids[-1])):
        found = drop_preview(run, TRAIT, SET, LAYER, dropped)
        assert found.before.value == pytest.approx(from_activations(run, ()), abs=1e-9)
        assert found.after.value == pytest.approx(from_activations(run, dropped), abs=1e-9)
        assert found.difference.value == pytest.approx(
            found.after.value - found.before.value, abs=1e-9
        )
        assert found.difference.low <= found.difference.value <= found.difference.high
        assert sum(found.kept) == len(ids) - len(dropped)
        assert found.best_after[1].value >= found.after.value


def test_the_lab_gives_the_same_number_for_the_same_prompts(settings, run):
    run_id = run.record.run_id
    stack = results(settings).of_runs(lab_stack, [run_id], SET, IDENTITY)
    place, compared = (run_id, TRAIT, LAYER), 0
    plain = Pipeline(filter_reference="mean")
    steps = stack.steps(place, plain)
    for threshold, kept in zip(steps.thresholds.tolist(), steps.kept.tolist(), strict=True):
        if min(kept) < 2:
            continue
        setting = dataclasses.replace(plain, threshold=threshold)
        view = lab_view(stack, stack, setting, place, LAYER, StatusThresholds())
        dropped = [prompt.prompt_id for prompt in view.prompts if not prompt.kept]
        found = drop_preview(run, TRAIT, SET, LAYER, dropped)
        for own, lab in ((found.before, view.before), (found.after, view.after)):
            assert (own.value, own.low, own.high) == pytest.approx(
                (lab.value, lab.low, lab.high), abs=1e-12
            )
        compared += bool(dropped)
    assert compared > 2


def test_r_without_each_prompt_is_r_without_it_alone(run):
    (cell,) = run.cell_products(IDENTITY, TRAIT, SET, LAYER)
    found = r_without_each(cell, run.record.width)
    assert set(found) == set(cell.prompt_ids)
    for number, r in found.items():
        assert r.value == pytest.approx(from_activations(run, {number}), abs=1e-9)


def test_too_few_prompts_are_said(run):
    high = [p.prompt_id for p in run.prompts(TRAIT) if p.pole == "high"]
    found = drop_preview(run, TRAIT, SET, LAYER, high[:-1])
    assert found.after.value is None and "each pole needs 2 prompts" in found.after.reason
    assert found.difference.value is None and found.best_after is None
    assert found.kept[0] == 1
    assert found.before.value is not None


def test_prompts_of_other_traits_do_not_count(run):
    others = list(
        itertools.chain(*([p.prompt_id for p in run.prompts(t)] for t in run.traits if t != TRAIT))
    )
    found = drop_preview(run, TRAIT, SET, LAYER, others)
    assert found.after == found.before and found.difference.value == 0


def test_a_cell_that_is_not_there_is_named(run):
    with pytest.raises(StoreError, match="no prompts of 'trait_1', set 'other'"):
        drop_preview(run, TRAIT, "other", LAYER, ())
