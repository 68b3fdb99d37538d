"""The lab shows what follows from the stored activations, cell by cell and for the whole study."""

from __future__ import annotations

import dataclasses
import html

import numpy as np
import pytest
from scipy import stats

from backend.core.behaviour import behaviour_of
from backend.core.cases import Cases
from backend.core.estimate import EFFECTIVE_Z
from backend.core.metrics.registry import in_lab, measure_cell
from backend.core.prompt_cells import PromptCells
from backend.core.statistics.correlation import fisher_interval
from backend.core.statistics.dependent import ALIKE, compare_dependent
from backend.core.statistics.held_out_choice import held_out_choice
from backend.core.status import status_of
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.core.vectors.pipeline import Pipeline
from backend.settings import StatusThresholds
from backend.store.connection import matrix_of
from backend.store.run import Run, open_run
from backend.store.study import load_study
from backend.views.filter_lab import tables
from backend.views.filter_lab.axis import KEEP_ALL, effective
from backend.views.filter_lab.compute import lab_view, prompt_texts, published_layer
from backend.views.filter_lab.intervals import lab_intervals
from backend.views.filter_lab.stack import inner_product_titles, lab_stack
from backend.views.scorecard.compute import scorecard
from tests.support.phantom_store import publish_small_phantom
from tests.support.raw import reading_run
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study

SET = "default"
LIMITS = StatusThresholds()


class Direct:
    """The study from its activations: what a notebook would compute."""

    def __init__(self, settings, ref, runs):
        self.study = load_study(settings, ref)
        self.acts = {}
        for run in runs:
            with reading_run(settings, run) as connection:
                for kind in ("prompt", "response"):
                    for layer in (1, 2, 3):
                        rows = matrix_of(
                            connection,
                            f"SELECT activation FROM {kind}_activations WHERE layer = ?"
                            f" ORDER BY {kind}_id",
                            [layer],
                        )
                        self.acts[run, kind, layer] = rows.astype(np.float64)
        self.behaviours = {
            trait: behaviour_of(self.study.responses, trait, "drift") for trait in self.study.traits
        }

    def prompts(self, run, trait, layer):
        ids = [i for i, prompt in enumerate(self.study.prompts) if prompt.trait == trait]
        high = np.array([self.study.prompts[i].pole == "high" for i in ids])
        return ids, high, self.acts[run, "prompt", layer][ids]

    def drift(self, run, trait, layer, vector):
        behaviour = self.behaviours[trait]
        along = self.acts[run, "response", layer] @ vector
        return along[behaviour.last] - along[behaviour.first], behaviour.values

    def cell(self, run, trait, layer, threshold=-1.0, left_out=False, unit=False, denoise=0):
        """kept, rows and r, or None where a pole keeps fewer than two."""
        _, high, rows = self.prompts(run, trait, layer)
        if unit:
            rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        cosines = np.zeros(len(rows))
        for i in range(len(rows)):
            own = high == high[i]
            if left_out:
                own = own & (np.arange(len(rows)) != i)
            mean = rows[own].mean(axis=0)
            cosines[i] = rows[i] @ mean / np.linalg.norm(rows[i]) / np.linalg.norm(mean)
        kept = cosines >= threshold
        if min((kept & high).sum(), (kept & ~high).sum()) < 2:
            return cosines, kept, None, None
        up, down = rows[kept & high], rows[kept & ~high]
        vector = up.mean(axis=0) - down.mean(axis=0)
        if denoise:
            centred = np.concatenate([up - up.mean(axis=0), down - down.mean(axis=0)])
            top = np.linalg.svd(centred, full_matrices=False)[2][:denoise]
            vector = vector - top.T @ (top @ vector)
        return cosines, kept, vector, np.corrcoef(*self.drift(run, trait, layer, vector))[0, 1]


@pytest.fixture
def phantom(settings):
    ref, runs = publish_small_phantom(settings)
    return settings, runs, Direct(settings, ref, runs)


def stack_of(settings, runs, metric="identity"):
    return results(settings).of_runs(lab_stack, runs, SET, metric)


def view_of(settings, runs, pipeline, place, layer=None):
    base, stack = stack_of(settings, runs), stack_of(settings, runs, pipeline.metric)
    return lab_view(base, stack, pipeline, place, layer, LIMITS)


def steps_of(settings, place, pipeline):
    return stack_of(settings, place[:1], pipeline.metric).steps(place, pipeline)


def intervals_of(settings, place, pipeline):
    run_id, trait, layer = place
    return results(settings).of_run(lab_intervals, run_id, trait, SET, layer, pipeline)


SETTINGS = [
    (Pipeline(filter_reference="mean", threshold=0.8), {"threshold": 0.8}),
    (Pipeline(filter_reference="mean", threshold=0.55), {"threshold": 0.55}),
    (
        Pipeline("unit", "leave_one_out", 0.5),
        {"threshold": 0.5, "left_out": True, "unit": True},
    ),
    (Pipeline(filter_reference="mean", threshold=0.4, denoise=1), {"threshold": 0.4, "denoise": 1}),
]


@pytest.mark.parametrize(("pipeline", "choices"), SETTINGS, ids=lambda v: getattr(v, "label", ""))
def test_the_whole_view_is_the_direct_computation(phantom, pipeline, choices):
    settings, runs, direct = phantom
    traits = list(direct.study.traits)
    refused = 0
    for place in [(runs[0], traits[0], 2), (runs[1], traits[2], 3)]:
        view = view_of(settings, runs, pipeline, place)
        ids, high, _ = direct.prompts(*place)
        cosines, kept, _, r = direct.cell(*place, **choices)
        found = {p.prompt_id: p for p in view.prompts}
        for i, own in enumerate(ids):
            assert found[own].cosine == pytest.approx(cosines[i], abs=1e-12)
            assert found[own].kept == kept[i]
            assert found[own].pole == ("high" if high[i] else "low")
        if r is None:
            assert view.after.value is None and "a pole needs 2" in view.refusal
        else:
            assert view.after.value == pytest.approx(r, abs=1e-10)
            assert (view.after.low, view.after.high) == pytest.approx(fisher_interval(r, 60))
        assert view.before.value == pytest.approx(direct.cell(*place)[3], abs=1e-10)
        for change in view.layers:
            expected = direct.cell(place[0], place[1], change.layer, **choices)[3]
            refused += expected is None
            assert (change.after.value is None) == (expected is None)
            if expected is not None:
                assert change.after.value == pytest.approx(expected, abs=1e-10)
    gained = lost = 0
    order = ("working", "close", "failed", "undefined")
    for (run, trait), change in view.card.items():
        before = {n: direct.cell(run, trait, n)[3] for n in (1, 2, 3)}
        after = {n: direct.cell(run, trait, n, **choices)[3] for n in (1, 2, 3)}
        after = {n: r for n, r in after.items() if r is not None}
        assert change.before_layer == max(before, key=before.get)
        assert change.after_layer == (max(after, key=after.get) if after else None)
        statuses = [
            status_of(max(before.values()), LIMITS),
            status_of(max(after.values(), default=None), LIMITS),
        ]
        assert [change.before_status, change.after_status] == statuses
        gained += order.index(statuses[1]) < order.index(statuses[0])
        lost += order.index(statuses[1]) > order.index(statuses[0])
    assert (view.count("gained"), view.count("lost")) == (gained, lost)
    assert len(view.card) == 6


def test_metrics_are_those_of_the_kept_prompts(phantom):
    settings, runs, direct = phantom
    place = (runs[0], "trait_3", 2)
    cosines, *_ = direct.cell(*place)
    threshold = float(np.round(np.sort(cosines)[1] + 1e-6, 6))
    pipeline = Pipeline(filter_reference="mean", threshold=threshold)
    view = view_of(settings, runs, pipeline, place)
    kept = direct.cell(*place, threshold=threshold)[1]
    assert (~kept).sum() >= 2
    _, high, rows = direct.prompts(*place)
    measured = [
        measure_cell(PromptCells.from_activations(rows, high)),
        measure_cell(PromptCells.from_activations(rows[kept], high[kept])),
    ]
    for metric in in_lab():
        for shown, expected in zip(view.metrics[metric.name], measured, strict=True):
            assert shown == pytest.approx(expected[metric.name].value, rel=1e-6)


def test_without_choices_nothing_moves_and_the_card_is_the_scorecard(phantom):
    settings, runs, _ = phantom
    for layer in (None, 2):
        card = results(settings).of_runs(scorecard, runs, SET, layer, LIMITS)
        pipeline = Pipeline(filter_reference="mean", threshold=KEEP_ALL)
        view = view_of(settings, runs, pipeline, (runs[0], "trait_1", 2), layer)
        assert set(view.card) == set(card.cells)
        for key, change in view.card.items():
            stored = card.cells[key]
            assert change.before == change.after and change.move is None
            assert change.after_layer == stored.layer
            assert change.after.value == pytest.approx(stored.correlation.value, abs=1e-12)
            assert change.after.low == pytest.approx(stored.correlation.low, abs=1e-12)
    assert effective(pipeline) == Pipeline()
    base = stack_of(settings, runs)
    for run in runs:
        for trait in ("trait_1", "trait_2"):
            card = results(settings).of_runs(scorecard, [run], SET, None, LIMITS)
            assert published_layer(base, run, trait) == card.cells[run, trait].layer
    assert published_layer(base, runs[0], "no such trait") is None


def test_steps_hold_between_the_cosines(phantom):
    settings, runs, direct = phantom
    place = (runs[0], "trait_1", 2)
    pipeline = Pipeline(filter_reference="mean")
    steps = steps_of(settings, place, pipeline)
    _, high, _ = direct.prompts(*place)
    cosines = direct.cell(*place)[0]
    assert steps.thresholds == pytest.approx(np.sort(cosines), abs=1e-12)
    below = -1.0
    for i, threshold in enumerate(steps.thresholds):
        _, kept, vector, r = direct.cell(*place, threshold=(below + threshold) / 2)
        assert steps.kept[i].tolist() == [(kept & high).sum(), (kept & ~high).sum()]
        assert np.isnan(steps.r[i]) == (r is None)
        if r is not None:
            assert steps.r[i] == pytest.approx(r, abs=1e-10)
            built = direct.prompts(*place)[2].T @ steps.weights[i]
            assert built == pytest.approx(vector, abs=1e-9)
        below = threshold
    assert np.isnan(steps.r).any() and not np.isnan(steps.r).all()
    stack = stack_of(settings, runs)
    ranged = stack.cosine_range(pipeline)
    finite = ranged.values[np.isfinite(ranged.values)]
    assert ranged.low <= finite.min() and finite.max() < ranged.high
    moved = dataclasses.replace(pipeline, threshold=0.5, denoise=1)
    assert stack.cosine_range(moved) is ranged and not stack.cells.gram.flags.writeable
    assert steps_of(settings, (runs[0], "no such trait", 2), pipeline) is None
    assert steps_of(settings, place, Pipeline()) is None


def test_intervals(phantom):
    settings, runs, direct = phantom
    place = (runs[0], "trait_1", 2)
    steps = steps_of(settings, place, Pipeline(filter_reference="mean"))
    last = np.flatnonzero(~np.isnan(steps.r))[-1]
    filtered = Pipeline(filter_reference="mean", threshold=float(steps.thresholds[last]) - 1e-6)
    found = intervals_of(settings, place, filtered)
    with reading_run(settings, runs[0]) as connection:
        stored = connection.execute(
            "SELECT r, boot_low, boot_high FROM correlations WHERE method = 'mean_difference'"
            " AND trait = 'trait_1' AND layer = 2"
        ).fetchall()[0]
    assert (found.before.value, found.before.low, found.before.high) == pytest.approx(stored)
    _, kept, vector, r = direct.cell(*place, threshold=filtered.threshold)
    assert not kept.all()
    assert found.after.value == pytest.approx(r, abs=1e-10)
    assert found.difference.value == pytest.approx(r - stored[0], abs=1e-10)
    drifts = [direct.drift(*place, v)[0] for v in (vector, direct.cell(*place)[2])]
    between = np.corrcoef(drifts)[0, 1]
    expected = compare_dependent(r, stored[0], between, 60)
    for name in ("low", "high", "p"):
        assert getattr(found.difference, name) == pytest.approx(getattr(expected, name), rel=1e-6)
    built = [direct.cell(*place, threshold=t - 1e-9)[2] for t in steps.thresholds[: last + 1]]
    rows = np.array([direct.drift(*place, v)[0] for v in built])
    behaviour = direct.drift(*place, vector)[1]
    held = held_out_choice(rows, Cases.independent(behaviour, behaviour))
    for name in ("value", "low", "high"):
        assert getattr(found.held_out, name) == pytest.approx(getattr(held, name), abs=1e-9)
    same = intervals_of(settings, place, Pipeline())
    assert same.held_out is None and same.difference.reason == ALIKE
    assert (same.difference.value, same.difference.low, same.difference.high) == (0.0, 0.0, 0.0)
    none = dataclasses.replace(filtered, threshold=1.0)
    refused = intervals_of(settings, place, none)
    assert "a pole needs 2" in refused.after.reason == refused.difference.reason


def test_ticks_of_dependent_cases_say_what_they_are_worth(settings):
    """Three responders of one scenario make one group, as wide as the cell's mean difference."""
    _, runs = publish_small_phantom(settings, responders=3)
    place = (runs[0], "trait_1", 2)
    pipeline = Pipeline(filter_reference="mean", threshold=0.4)
    view = view_of(settings, runs, pipeline, place)
    with open_run(settings, runs[0]) as run:
        (row,) = run.correlations(MEAN_DIFFERENCE, "trait_1", SET, 2)
        (stored,) = (b for b in run.best_layers(MEAN_DIFFERENCE, SET) if b.trait == "trait_1")
        behind = run.scored_cases("trait_1")
        drifts = run.drifts(MEAN_DIFFERENCE, "trait_1")[MEAN_DIFFERENCE, "trait_1", SET][0]
    worth = row.correlation.effective
    assert worth < 180 and (row.correlation.n, row.correlation.groups) == (180, 60)
    half = stats.t.ppf(0.975, 59) / np.sqrt(worth - 3)
    for found in (view.before, view.after):
        assert (found.n, found.groups) == (180, 60) and found.interval_method == EFFECTIVE_Z
        assert found.effective == pytest.approx(worth)
        ends = np.tanh(np.arctanh(found.value) + np.array([-half, half]))
        assert (found.low, found.high) == pytest.approx(ends)
    assert row.bootstrap.groups == stored.held_out.groups == 60
    live = held_out_choice(
        np.stack([drifts[at] for at in sorted(drifts)]), behind.cases(behind.last)
    )
    for name in ("value", "low", "high", "p", "n", "groups", "effective"):
        assert getattr(stored.held_out, name) == pytest.approx(getattr(live, name), rel=1e-9)
    at_rest = intervals_of(settings, place, pipeline)
    assert {e.groups for e in (at_rest.before, at_rest.after, at_rest.held_out)} == {60}
    said = f"n = 180 in 60 groups, worth {worth:.0f} independent ones"
    headline = html.unescape(tables.headline(view, ""))
    assert said in headline and "Cases of one group are dependent." in headline
    shown = html.unescape(tables.intervals_table(at_rest)).replace("\xa0", " ")
    assert said in shown and "jackknife over groups" in shown and "Williams" not in shown


def test_an_interval_that_is_missing_in_the_lab_says_why(phantom):
    settings, runs, _ = phantom
    stack = stack_of(settings, runs)
    place = stack.keys[0]
    for groups, worth, why in ((3, 60.0, "at least 4 groups"), (0, 3.5, "worth at least 4")):
        cells = dataclasses.replace(
            stack.cells,
            groups=np.full(len(stack.keys), groups),
            effective=np.full(len(stack.keys), worth),
            z_half=np.full(len(stack.keys), np.nan),
        )
        bare = dataclasses.replace(stack, cells=cells)
        found = lab_view(bare, bare, Pipeline(), place, None, LIMITS).after
        assert found.value is not None and found.low is None and why in found.reason


def test_another_metric_has_its_own_cases(phantom):
    settings, runs, direct = phantom
    place = (runs[1], "trait_2", 1)
    pipeline = Pipeline(metric="standardised")
    view = view_of(settings, runs, pipeline, place)
    responses = direct.acts[place[0], "response", 1]
    _, high, rows = direct.prompts(*place)
    vector = (rows[high].mean(axis=0) - rows[~high].mean(axis=0)) / responses.var(axis=0)
    r = np.corrcoef(*direct.drift(*place, vector))[0, 1]
    assert view.after.value == pytest.approx(r, abs=1e-9)
    found = intervals_of(settings, place, pipeline)
    assert found.after.value == pytest.approx(r, abs=1e-9)
    titles = results(settings).of_runs(inner_product_titles, runs)
    assert next(iter(titles)) == "identity" and "lda" in titles
    note = results(settings).of_run(Run.inner_product_note, runs[1], "standardised", "trait_2", 1)
    assert "variance over responses" in note
    texts = results(settings).of_run(prompt_texts, runs[1], "trait_2", SET)
    assert set(texts) == {prompt.prompt_id for prompt in view.prompts}


def test_a_metric_that_is_missing_is_said(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=4), tiny_llama, "run-1")
    place = ("run-1", "haste", 2)
    view = view_of(settings, ("run-1",), Pipeline(metric="standardised"), place)
    assert "has no metric standardised" in view.refusal and view.after.value is None
    assert view.before.value is not None
    assert all(after is None for _, after in view.metrics.values())
    assert {change.after_status for change in view.card.values()} == {"undefined"}
    stack = stack_of(settings, ("run-1",), "standardised")
    assert len(stack.cells) == 0 and len(stack.missing) == 4
    found = intervals_of(settings, place, Pipeline("unit", "mean", 0.5, metric="standardised"))
    assert found.before.value is None and "at least 10 scenarios" in found.before.reason
    assert "has no metric standardised" in found.after.reason == found.difference.reason
    assert found.held_out is None


def test_geometry_alone_can_be_filtered(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "run-1")
    place = ("run-1", "haste", 2)
    view = view_of(settings, ("run-1",), Pipeline(filter_reference="mean", threshold=0.2), place)
    assert "at least 3" in view.after.reason and view.metrics["separation"][1] is not None
    found = intervals_of(settings, place, Pipeline())
    assert found.after.value is None and found.difference.value is None
