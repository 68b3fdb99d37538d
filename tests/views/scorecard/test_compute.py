"""The scorecard chooses the best layer, counts statuses and leaves gaps where r is undefined."""

from __future__ import annotations

import dataclasses

from backend.store.catalog import run_list, run_summary
from backend.views.scorecard.compute import (
    layer_to_show,
    newest_by_model,
    runs_differ,
    runs_to_compare,
)
from tests.support import views
from tests.support.phantom_store import publish_small_phantom, publish_small_preset
from tests.support.results import cells
from tests.support.runs import publish_run
from tests.support.studies import small_study


def card_of(settings, prompt_set="default", layer=None):
    return views.card(settings, ["run-1"], prompt_set, layer)


def test_best_layer_counts_and_fixed_layer(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1", (0, 1, 2, 3))
    card = card_of(settings)
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
    fixed = card_of(settings, layer=2)
    assert {(c.layer, c.of_layers) for c in fixed.cells.values()} == {(2, 1)}


def test_geometry_only_is_undefined_not_zero(settings, tiny_llama):
    publish_run(settings, small_study(scenarios=0), tiny_llama, "run-1", (0, 1, 2))
    card = card_of(settings)
    cell = card.cells["run-1", "haste"]
    assert (cell.status, cell.layer, cell.correlation.value) == ("undefined", None, None)
    assert card.counts["run-1"]["undefined"] == 2
    assert card.target == "none"


def test_prompt_sets_are_separate_cells(settings, tiny_llama):
    study = small_study()
    other = tuple(
        dataclasses.replace(p, prompt_set="other", text=f"{p.text} again") for p in study.prompts
    )
    publish_run(
        settings, dataclasses.replace(study, prompts=study.prompts + other), tiny_llama, "run-1"
    )
    one = card_of(settings).cells["run-1", "haste"]
    two = card_of(settings, "other").cells["run-1", "haste"]
    assert one.correlation.value != two.correlation.value
    nothing = card_of(settings, "third")
    assert nothing.cells == {} and set(nothing.counts["run-1"].values()) == {0}


def test_the_layer_to_show_is_the_cells_or_the_middle_one(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1", (0, 1, 2, 3))
    run, card = run_summary(settings, "run-1"), card_of(settings)
    assert layer_to_show(card, run, "haste") == card.cells["run-1", "haste"].layer
    assert layer_to_show(card, run, "calm") == 2
    publish_run(settings, small_study(scenarios=0), tiny_llama, "run-1", (0, 1, 2))
    run = run_summary(settings, "run-1")
    assert layer_to_show(card_of(settings), run, "haste") == 1


def test_models_differ_where_a_trait_works_on_one_alone(settings):
    _, run_ids = publish_small_preset(settings)
    card = views.card(settings, run_ids)
    assert runs_differ(card)
    assert not runs_differ(views.card(settings, run_ids[:1]))
    # Whatever works on the one works on the other: no difference, and none without any cell.
    _, same = publish_small_phantom(settings)
    assert {c.status for c in views.card(settings, same).cells.values()} == {"working"}
    assert not runs_differ(views.card(settings, same))
    assert not runs_differ(views.card(settings, same, "none"))


def test_the_newest_run_of_every_model_is_compared_or_the_newest_of_one(settings, tiny_llama):
    for number in range(4):
        publish_run(settings, small_study(), tiny_llama, f"run-{number}")
    runs = run_list(settings).runs
    names = [run.run_id for run in runs]
    assert [run.run_id for run in newest_by_model(runs)] == names[-1:]
    assert [run.run_id for run in runs_to_compare(runs)] == names[-3:]
    _, others = publish_small_phantom(settings)
    mixed = [run for run in run_list(settings).runs if run.run_id in (*names, *others)]
    expected = [run.run_id for run in mixed if run.run_id in (names[-1], *others)]
    assert [run.run_id for run in runs_to_compare(mixed)] == expected
