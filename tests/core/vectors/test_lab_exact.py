"""The lab's algebra against a direct computation from activations, for random pipelines."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from backend.core.cases import Cases
from backend.core.metrics.registry import METRICS, in_lab, live_metrics
from backend.core.moments import moments
from backend.core.prompt_cells import PromptCells
from backend.core.vectors.cell_stack import stack, take
from backend.core.vectors.centre import geometric_median_weights
from backend.core.vectors.lab import evaluate, threshold_steps
from backend.core.vectors.pipeline import CENTRES, FILTER_REFERENCES, ROW_SCALINGS, Pipeline
from backend.errors import VectorError
from tests.support.activations import WIDTH, cell

LIVE_METRICS = [metric.name for metric in in_lab()]


def stacked(parts):
    grams, masks, found = [], [], []
    for prompts, mask, first, last, drift in parts:
        alignment = np.concatenate([first, last]) @ prompts.T
        count = len(first)
        found.append(
            moments(
                alignment,
                np.arange(count),
                np.arange(count) + count,
                Cases.independent(drift, drift),
            )
        )
        grams.append(prompts @ prompts.T)
        masks.append(mask)
    return stack(grams, masks, found, parts[0][0].shape[1])


def weiszfeld(rows):
    """Geometric median in activation space, by Weiszfeld's own iteration on points."""
    point = rows.mean(axis=0)
    for _ in range(2000):
        distances = np.linalg.norm(rows - point, axis=1)
        before, point = point, (rows / distances[:, None]).sum(axis=0) / (1 / distances).sum()
        if np.abs(point - before).max() <= 1e-13 * np.abs(point).max():
            break
    return point


def direct(pipeline, prompts, mask, first, last, drift):
    """Everything from activations: rows, kept, v and r; None if the filter refuses."""
    rows = prompts.copy()
    if pipeline.row_scaling == "unit":
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    kept = np.ones(len(rows), bool)
    if pipeline.filter_reference != "none":
        for i in range(len(rows)):
            own = mask == mask[i]
            if pipeline.filter_reference == "leave_one_out":
                own = own & (np.arange(len(rows)) != i)
            if pipeline.filter_reference == "median":
                reference = weiszfeld(rows[own])
            else:
                reference = rows[own].mean(axis=0)
            cosine = rows[i] @ reference / np.linalg.norm(rows[i]) / np.linalg.norm(reference)
            kept[i] = cosine >= pipeline.threshold
        if min((kept & mask).sum(), (kept & ~mask).sum()) < 2:
            return None
    high, low = rows[kept & mask], rows[kept & ~mask]
    if pipeline.centre == "mean":
        vector = high.mean(axis=0) - low.mean(axis=0)
    else:
        vector = weiszfeld(high) - weiszfeld(low)
    clean = rows
    if pipeline.denoise:
        centred = np.concatenate([high - high.mean(axis=0), low - low.mean(axis=0)])
        _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
        if pipeline.denoise >= (sizes > 1e-5 * sizes[0]).sum():
            return None
        remove = directions[: pipeline.denoise]
        vector = vector - remove.T @ (remove @ vector)
        clean = rows - (rows @ remove.T) @ remove
    unit = vector / np.linalg.norm(vector)
    r = np.corrcoef((last - first) @ unit, drift)[0, 1]
    return kept, clean, vector, r


def same(found, value, rel, absolute=0.0):
    if np.isnan(value):
        return bool(np.isnan(found))
    return found == pytest.approx(value, rel=rel, abs=absolute)


pipelines = st.builds(
    Pipeline,
    row_scaling=st.sampled_from(ROW_SCALINGS),
    filter_reference=st.sampled_from(FILTER_REFERENCES),
    threshold=st.floats(0.3, 0.95),
    centre=st.sampled_from(CENTRES),
    denoise=st.integers(0, 5),
)


@pytest.mark.long
@settings(max_examples=300, deadline=None)
@given(pipelines, st.integers(0, 10_000))
@pytest.mark.slow
def test_a_result_equals_the_direct_computation(pipeline, seed):
    parts = [cell(seed), cell(seed + 1, high=5, low=9), cell(seed + 2, high=4, low=4, scale=100.0)]
    found = evaluate(pipeline, stacked(parts))
    for c, part in enumerate(parts):
        expected = direct(pipeline, *part)
        n = len(part[0])
        if expected is None:
            assert c in found.refusals and np.isnan(found.r[c])
            continue
        assert c not in found.refusals, found.refusals
        kept, clean, vector, r = expected
        assert found.kept[c, :n].tolist() == kept.tolist() and not found.kept[c, n:].any()
        assert found.r[c] == pytest.approx(r, rel=1e-6, abs=1e-9)
        built = part[0].T @ found.weights[c, :n]
        assert np.linalg.norm(built - vector) <= 1e-6 * np.linalg.norm(vector)
        space = PromptCells.of_gram(clean[kept] @ clean[kept].T, part[1][kept], WIDTH, vector)
        within = 0.5 * (
            clean[kept & part[1]].var(axis=0).mean() + clean[kept & ~part[1]].var(axis=0).mean()
        )
        assert found.metrics["separation"][c] == pytest.approx(np.linalg.norm(vector), rel=1e-6)
        assert found.metrics["snr"][c] == pytest.approx(np.linalg.norm(vector) / within, rel=1e-5)
        measured = live_metrics(space)
        for name in set(LIVE_METRICS) - {"separation", "snr", "fisher_ratio"}:
            value = measured[name][0]
            assert same(found.metrics[name][c], value, rel=1e-6, absolute=1e-6), name


def test_without_choices_every_live_metric_is_the_registrys():
    parts = [cell(3), cell(4, high=1, low=6), cell(5, high=2, low=2)]
    found = evaluate(Pipeline(), stacked(parts))
    for c, (prompts, mask, *_) in enumerate(parts):
        space = PromptCells.from_activations(prompts, mask)
        measured = live_metrics(space)
        for name in LIVE_METRICS:
            value = measured[name][0]
            assert same(found.metrics[name][c], value, rel=1e-9), name


def test_metrics_of_some_cells_are_those_of_all():
    cells = stacked([cell(13), cell(14), cell(15)])
    pipeline = Pipeline(filter_reference="mean", threshold=0.5)
    every, one = evaluate(pipeline, cells), evaluate(pipeline, cells, np.array([1]))
    assert np.array_equal(every.r, one.r, equal_nan=True)
    for name in LIVE_METRICS:
        assert one.metrics[name][1] == every.metrics[name][1]
        assert np.isnan(one.metrics[name][[0, 2]]).all()


def test_the_lab_names_what_it_leaves_out():
    left_out = {metric.name for metric in METRICS} - set(LIVE_METRICS)
    assert left_out == {
        "dominance",
        "dominant_coordinate",
        "participation_ratio",
        "split_half_stability",
        "effective_prompts",
        "pair_agreement",
        "pairs_astray",
    }


def test_the_geometric_median_minimises_the_sum_of_distances():
    rows = cell(6)[0][:8, :5]
    weights = geometric_median_weights((rows @ rows.T)[None], np.ones((1, 8), bool))[0]
    found = rows.T @ weights

    def cost(point):
        return np.linalg.norm(rows - point, axis=1).sum()

    best = minimize(
        cost,
        rows.mean(axis=0),
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 20_000},
    )
    assert cost(found) <= best.fun + 1e-9
    assert found == pytest.approx(best.x, abs=1e-4)


def test_the_order_of_prompts_and_the_scale_do_not_matter():
    prompts, mask, first, last, drift = cell(7)
    order = np.random.default_rng(0).permutation(len(mask))
    pipeline = Pipeline("unit", "leave_one_out", 0.6, "geometric_median", 2)
    found = evaluate(
        pipeline,
        stacked(
            [
                (prompts, mask, first, last, drift),
                (prompts[order], mask[order], first, last, drift),
                (1e4 * prompts, mask, 1e4 * first, 1e4 * last, drift),
            ]
        ),
    )
    assert found.r == pytest.approx([found.r[0]] * 3, rel=1e-9)
    assert found.kept[1].tolist() == found.kept[0][order].tolist()
    assert found.kept[2].tolist() == found.kept[0].tolist()


def test_a_filter_that_keeps_too_few_refuses():
    found = evaluate(Pipeline(filter_reference="mean", threshold=0.999), stacked([cell(8)]))
    assert "a pole needs 2" in found.refusals[0]
    assert np.isnan(found.r[0]) and all(np.isnan(v[0]) for v in found.metrics.values())


def test_cells_may_differ_in_width():
    parts = [cell(11), cell(12, width=25)]
    mixed = stacked(parts)
    mixed = dataclasses.replace(mixed, width=np.array([WIDTH, 25.0]))
    pipeline = Pipeline(filter_reference="mean", threshold=0.4)
    both = evaluate(pipeline, mixed)
    for c, part in enumerate(parts):
        one = evaluate(pipeline, stacked([part]))
        taken = evaluate(pipeline, take(mixed, np.array([c])))
        for name in LIVE_METRICS:
            expected = pytest.approx(one.metrics[name][0], rel=1e-12)
            assert both.metrics[name][c] == expected and taken.metrics[name][0] == expected


@pytest.mark.parametrize(
    "choice", [{"row_scaling": "big"}, {"threshold": 1.5}, {"denoise": -1}, {"centre": "mode"}]
)
def test_impossible_choices_are_named(choice):
    with pytest.raises(VectorError, match=str(next(iter(choice.values())))):
        Pipeline(**choice)


@pytest.mark.parametrize("centre", CENTRES)
@pytest.mark.parametrize("reference", [name for name in FILTER_REFERENCES if name != "none"])
@pytest.mark.parametrize("rows", ROW_SCALINGS)
def test_every_step_is_the_lab_at_its_threshold(rows, reference, centre):
    one = stacked([cell(5, high=9, low=7)])
    for denoise in (0, 1):
        pipeline = Pipeline(rows, reference, centre=centre, denoise=denoise)
        steps = threshold_steps(pipeline, one)
        assert len(steps.thresholds) == steps.of == 16
        for place, threshold in enumerate(steps.thresholds):
            now = evaluate(dataclasses.replace(pipeline, threshold=float(threshold)), one)
            np.testing.assert_allclose(steps.weights[place], now.weights[0], atol=1e-14)
            found = (steps.r[place], steps.low[place], steps.high[place])
            wanted = (now.r[0], now.low[0], now.high[0])
            np.testing.assert_allclose(found, wanted, atol=1e-12)
            kept = [int((now.kept & pole).sum()) for pole in (one.high, one.low)]
            assert steps.kept[place].tolist() == kept


def test_steps_of_a_prompt_without_direction_are_refused():
    prompts, mask, first, last, drift = cell(6)
    prompts[3] = 0.0
    one = stacked([(prompts, mask, first, last, drift)])
    for rows in ROW_SCALINGS:
        steps = threshold_steps(Pipeline(rows, "mean"), one)
        now = evaluate(Pipeline(rows, "mean", threshold=0.1), one)
        assert now.refusals and np.isnan(steps.r).all() and not steps.weights.any()


def test_costly_steps_of_many_prompts_are_computed_at_some_thresholds():
    one = stacked([cell(7, high=110, low=110, width=300)])
    every = threshold_steps(Pipeline(filter_reference="mean"), one)
    some = threshold_steps(Pipeline(filter_reference="mean", denoise=1), one)
    assert every.of == some.of == len(every.thresholds) == 220
    assert len(some.thresholds) == 16
    assert {every.thresholds[0], every.thresholds[-1]} <= set(some.thresholds)
    threshold = float(some.thresholds[4])
    now = evaluate(Pipeline(filter_reference="mean", threshold=threshold, denoise=1), one)
    np.testing.assert_allclose(some.r[4], now.r[0], atol=1e-12)
