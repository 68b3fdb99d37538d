"""Two runs side by side, against scipy and numpy on stored activations."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from backend.core.statistics.dependent import ALIKE
from backend.settings import StatusThresholds
from backend.store.catalog import run_list
from backend.store.connection import matrix_of
from backend.store.run import open_run
from backend.views.runs.comparison import (
    Side,
    comparable_runs,
    compare,
    default_sides,
    previous_run,
    sides_of,
    what_differs,
)
from backend.views.runs.figures import r_changes
from backend.views.runs.tables import pole_rows, prompt_rows, r_rows
from backend.views.runs.words import answer, change_in_words, changes_of_prompts, sentences
from backend.views.scorecard.compute import scorecard
from tests.support.phantom_store import publish_small_phantom
from tests.support.raw import reading_run
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study

STUDY = small_study(scenarios=16, prompts=6)


def two_sets(study):
    other = tuple(
        dataclasses.replace(p, prompt_set="other", text=f"Now: {p.text}") for p in study.prompts
    )
    return dataclasses.replace(study, prompts=study.prompts + other)


@pytest.fixture
def pair(settings, tiny_folders):
    """Two revisions of a study read by two models; the second has another prompt set too."""
    publish_run(settings, STUDY, tiny_folders["llama"], "run-a", (1, 2, 3))
    publish_run(settings, two_sets(STUDY), tiny_folders["qwen2"], "run-b", (1, 2, 3))
    return settings


def compared(settings, first, second, layer=None):
    sets = (first.prompt_set, second.prompt_set)
    return results(settings).of_runs(compare, (first.run_id, second.run_id), sets, layer)


def stored(settings, run_id, kind, layer):
    with reading_run(settings, run_id) as connection:
        return matrix_of(
            connection,
            f"SELECT activation FROM {kind}_activations WHERE layer = ? ORDER BY {kind}_id",
            [layer],
        ).astype(np.float64)


def poles(study, trait, prompt_set):
    """Indices of the high and the low prompts."""
    return [
        [
            i
            for i, p in enumerate(study.prompts)
            if (p.trait, p.pole, p.prompt_set) == (trait, pole, prompt_set)
        ]
        for pole in ("high", "low")
    ]


def drifts(settings, run_id, study, trait, prompt_set, layer):
    """scenario -> (projection drift, score drift), from stored activations."""
    prompts = stored(settings, run_id, "prompt", layer)
    responses = stored(settings, run_id, "response", layer)
    high, low = poles(study, trait, prompt_set)
    vector = prompts[high].mean(axis=0) - prompts[low].mean(axis=0)
    along = responses @ vector / np.linalg.norm(vector)
    at = {(r.scenario, r.turn): i for i, r in enumerate(study.responses)}
    found = {}
    for scenario in sorted({r.scenario for r in study.responses}):
        last, first = at[scenario, "tN"], at[scenario, "t1"]
        scores = [study.responses[i].scores[trait] for i in (last, first)]
        found[scenario] = (along[last] - along[first], scores[0] - scores[1])
    return found


def zou_and_williams(x, y, z):
    """Difference r_yz - r_xz, Zou's interval and Williams's p, written out anew."""
    n = len(z)
    r1, r2, r12 = (np.corrcoef(*p)[0, 1] for p in ((y, z), (x, z), (x, y)))
    half = stats.norm.ppf(0.975) / math.sqrt(n - 3)
    (l1, u1), (l2, u2) = ([math.tanh(math.atanh(r) + s * half) for s in (-1, 1)] for r in (r1, r2))
    c = ((r12 - r1 * r2 / 2) * (1 - r1**2 - r2**2 - r12**2) + r12**3) / ((1 - r1**2) * (1 - r2**2))
    low = r1 - r2 - math.sqrt((r1 - l1) ** 2 + (u2 - r2) ** 2 - 2 * c * (r1 - l1) * (u2 - r2))
    high = r1 - r2 + math.sqrt((u1 - r1) ** 2 + (r2 - l2) ** 2 - 2 * c * (u1 - r1) * (r2 - l2))
    det = np.linalg.det([[1, r1, r2], [r1, 1, r12], [r2, r12, 1]])
    t = (r1 - r2) * math.sqrt(
        (n - 1) * (1 + r12) / (2 * (n - 1) / (n - 3) * det + ((r1 + r2) / 2) ** 2 * (1 - r12) ** 3)
    )
    return r1 - r2, low, high, 2 * stats.t.sf(abs(t), n - 3)


@pytest.mark.parametrize(
    ("sides", "layer"),
    [
        (("run-a", "default", "run-b", "default"), 2),
        (("run-a", "default", "run-b", "other"), 3),
        (("run-b", "default", "run-b", "other"), 1),
    ],
)
def test_r_and_its_change_are_those_of_scipy(pair, sides, layer):
    run_a, set_a, run_b, set_b = sides
    found = compared(pair, Side(run_a, set_a), Side(run_b, set_b), layer)
    studies = {"run-a": STUDY, "run-b": two_sets(STUDY)}
    ps = []
    for trait in found.traits:
        a = drifts(pair, run_a, studies[run_a], trait.trait, set_a, layer)
        b = drifts(pair, run_b, studies[run_b], trait.trait, set_b, layer)
        x, z = np.array(list(a.values())).T
        y = np.array(list(b.values()))[:, 0]
        assert trait.first.value == pytest.approx(stats.pearsonr(x, z).statistic, abs=1e-9)
        assert trait.second.value == pytest.approx(stats.pearsonr(y, z).statistic, abs=1e-9)
        value, low, high, p = zou_and_williams(x, y, z)
        difference = trait.difference
        shown = (difference.value, difference.low, difference.high, difference.p)
        assert shown == pytest.approx((value, low, high, p), abs=1e-7)
        assert (trait.matched, trait.cases, trait.layers) == (16, (16, 16), (layer, layer))
        ps.append(p)
    adjusted = [trait.adjusted_p for trait in found.traits]
    assert adjusted == pytest.approx(stats.false_discovery_control(ps), abs=1e-7)


def test_measures_of_the_prompts_are_those_of_numpy(pair):
    found = compared(pair, Side("run-a", "default"), Side("run-b", "other"), 2)
    studies = (("run-a", STUDY, "default"), ("run-b", two_sets(STUDY), "other"))
    for trait in found.traits:
        for pole in trait.poles:
            values = []
            for run_id, study, prompt_set in studies:
                members = poles(study, trait.trait, prompt_set)[pole.pole == "low"]
                rows = stored(pair, run_id, "prompt", 2)[members]
                unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
                cosines = (unit @ unit.T)[np.triu_indices(6, 1)]
                variance = rows.var(axis=0).mean()
                values.append(
                    {
                        "mean cosine": cosines.mean(),
                        "within-class variance": variance,
                        "spread": variance * 64 / np.square(rows.mean(axis=0)).sum(),
                    }[pole.measure]
                )
            assert (pole.first, pole.second) == pytest.approx(values, rel=1e-9)
            difference = pole.difference
            assert difference.value == pytest.approx(values[1] - values[0], rel=1e-7)
            assert difference.low < difference.value < difference.high
            assert not pole.paired and pole.prompts == (6, 6)
    same = compared(pair, Side("run-a", "default"), Side("run-b", "default"), 2)
    assert all(pole.paired for trait in same.traits for pole in trait.poles)


def test_best_layers_are_the_scorecards(pair):
    found = compared(pair, Side("run-a", "default"), Side("run-b", "other"))
    cards = [
        results(pair).of_runs(scorecard, [run_id], prompt_set, None, StatusThresholds())
        for run_id, prompt_set in (("run-a", "default"), ("run-b", "other"))
    ]
    for trait in found.traits:
        cells = [
            card.cells[run_id, trait.trait]
            for card, run_id in zip(cards, ("run-a", "run-b"), strict=True)
        ]
        assert trait.layers == tuple(cell.layer for cell in cells)
        rs = (trait.first.value, trait.second.value)
        assert rs == pytest.approx([cell.correlation.value for cell in cells], abs=1e-12)


def test_only_cases_in_both_count(pair, tiny_folders):
    fewer = dataclasses.replace(STUDY, responses=STUDY.responses[:20])
    publish_run(pair, fewer, tiny_folders["llama"], "run-c", (2,))
    found = compared(pair, Side("run-a", "default"), Side("run-c", "default"), 2)
    for trait in found.traits:
        a = drifts(pair, "run-a", STUDY, trait.trait, "default", 2)
        x, z = np.array([a[s] for s in sorted({r.scenario for r in fewer.responses})]).T
        assert (trait.matched, trait.cases) == (10, (16, 10))
        assert trait.first.value == pytest.approx(stats.pearsonr(x, z).statistic, abs=1e-9)


@pytest.mark.long
def test_a_change_that_has_no_meaning_is_undefined_with_its_reason(pair, tiny_folders):
    def reasons(run_id, study, layer=2):
        publish_run(pair, study, tiny_folders["llama"], run_id, (2,))
        found = compared(pair, Side("run-a", "default"), Side(run_id, "default"), layer)
        assert all(
            (trait.difference.low is None) == (trait.difference.reason != ALIKE)
            for trait in found.traits
        )
        return " ".join(str(trait.difference.reason) for trait in found.traits), found

    judged_anew = [
        dataclasses.replace(r, scores={t: 10 - s for t, s in r.scores.items()})
        for r in STUDY.responses[:4]
    ]
    why, found = reasons(
        "rejudged", dataclasses.replace(STUDY, responses=(*judged_anew, *STUDY.responses[4:]))
    )
    assert "2 of 16 matched cases differ between the two studies" in why
    assert all(
        trait.first.value is not None and trait.second.value is not None for trait in found.traits
    )
    rewritten = dataclasses.replace(STUDY.responses[0], text="Something else altogether.")
    why, _ = reasons(
        "rewritten", dataclasses.replace(STUDY, responses=(rewritten, *STUDY.responses[1:]))
    )
    assert "1 of 16 matched cases differ in their texts" in why
    levels = small_study(scenarios=16, prompts=6, turns=False)
    why, _ = reasons("levels", levels)
    assert "A's r is over drifts and B's over levels" in why
    renamed = [dataclasses.replace(r, scenario=f"x{r.scenario}") for r in STUDY.responses]
    why, found = reasons("renamed", dataclasses.replace(STUDY, responses=tuple(renamed)))
    assert "no scenario and responder is scored in both" in why
    assert "undefined" in change_in_words(found.traits[0])
    why, found = reasons("again", STUDY)
    same = found.traits[0].difference
    assert (same.value, same.low, same.high, same.p, same.reason) == (0.0, 0.0, 0.0, None, ALIKE)
    assert "has no test" in change_in_words(found.traits[0])
    why, _ = reasons("none", small_study(scenarios=0, prompts=6))
    assert "the study of B has no scored responses" in why


def test_traits_and_layers_that_one_side_lacks_are_left_out_by_name(pair):
    found = compared(pair, Side("run-a", "other"), Side("run-b", "other"))
    assert found.traits == ()
    assert set(found.left_out) == {"warmth", "haste"}
    assert "A has no prompts of this trait in the chosen set" in found.left_out["warmth"]
    assert any("is not compared" in sentence for sentence in sentences(found))
    found = compared(pair, Side("run-a", "default"), Side("run-b", "default"), 9)
    assert (
        "A and B have no prompts of this trait in the chosen set at layer 9"
        in (found.left_out["haste"])
    )


def test_which_runs_are_compared_and_what_differs(pair, tiny_folders):
    runs = run_list(pair).runs
    newest_first = comparable_runs(runs, "small")
    assert [run.record.run_id for run in newest_first] == ["run-b", "run-a"]
    assert default_sides(newest_first) == (Side("run-a", "default"), Side("run-b", "other"))
    a, b = runs
    assert sides_of(b, b) == (Side("run-b", "default"), Side("run-b", "other"))
    assert sides_of(b, a) == (Side("run-b", "default"), Side("run-a", "default"))
    assert default_sides((a,)) is None and default_sides(()) is None
    assert previous_run(runs, "run-b") == a and previous_run(runs, "run-a") is None
    # The same model's before another's; of those, the one that gave most texts, then the newest.
    same, child, other = (
        dataclasses.replace(of, record=dataclasses.replace(of.record, run_id=name, reused=reused))
        for of, name, reused in (
            (a, "same", {}),
            (a, "child", {"same": 40, "run-a": 43}),
            (b, "other", {}),
        )
    )
    every = (a, b, same, other, child)
    assert previous_run(every, "child") == a
    assert previous_run(every, "same") == a and previous_run(every, "other") == b
    assert default_sides(comparable_runs(every, "small"))[0].run_id == "run-a"
    plain = dataclasses.replace(child, record=dataclasses.replace(child.record, reused={}))
    assert previous_run((*every[:-1], plain), "child") == same
    differs = what_differs((a, "default"), (b, "other"))
    # A set that came with a revision, and a model with its weights, are one change each.
    assert len(differs) == 2
    assert differs[0].startswith("prompt set: default → other (study revision: ")
    assert differs[1].startswith("model: llama → qwen2 (weights: ")
    assert what_differs((b, "default"), (b, "other")) == ("prompt set: default → other",)
    assert what_differs((b, "other"), (b, "other")) == ()


def one_trait_rewritten(study):
    """The first high prompt of ``haste`` replaced, and the second twice there."""
    prompts = list(study.prompts)
    places = [i for i, p in enumerate(prompts) if (p.trait, p.pole) == ("haste", "high")]
    prompts[places[0]] = dataclasses.replace(prompts[places[0]], text="entirely new words")
    return dataclasses.replace(study, prompts=tuple(prompts)), study.prompts[places[0]].text


def test_traits_that_changed_come_first_and_others_are_not_tested(pair, tiny_folders):
    study, removed = one_trait_rewritten(STUDY)
    publish_run(pair, study, tiny_folders["llama"], "run-d", (1, 2, 3))
    found = compared(pair, Side("run-a", "default"), Side("run-d", "default"), "before")
    assert [(t.trait, t.unchanged) for t in found.traits] == [("haste", False), ("warmth", True)]
    changed, same = found.traits
    assert changed.layers[0] == changed.layers[1]
    assert changed.adjusted_p == pytest.approx(changed.difference.p)  # a family of one
    assert same.adjusted_p is None
    (high,) = [change for change in changed.prompts if change.pole == "high"]
    assert (high.removed, high.added, high.kept) == ((removed,), ("entirely new words",), 5)
    assert prompt_rows(changed) == [
        {"change": "− removed", "pole": "high", "prompt": removed},
        {"change": "+ added", "pole": "high", "prompt": "entirely new words"},
    ]
    assert "high pole 1 removed, 1 added, 5 kept" in changes_of_prompts(changed)
    assert answer(found).startswith("1 trait changed: ")
    assert answer(found).endswith("1 unchanged, not tested.")
    assert sentences(found)[-1] == "Unchanged, not tested: warmth."
    assert len(pole_rows(found, "spread")) == 2
    again = compared(pair, Side("run-a", "default"), Side("run-a", "default"), 2)
    assert answer(again).startswith("Nothing changed")


def test_before_takes_the_best_layer_of_a_that_both_have(pair, tiny_folders):
    publish_run(pair, two_sets(STUDY), tiny_folders["llama"], "run-e", (1, 3))
    found = compared(pair, Side("run-a", "default"), Side("run-e", "other"), "before")
    with open_run(pair, "run-a") as run:
        for trait in found.traits:
            rs = {c.key.layer: c.correlation.value for c in run.cells(trait.trait)}
            assert trait.layers == (max((1, 3), key=lambda layer: rs[layer]),) * 2
            assert trait.first.value == pytest.approx(rs[trait.layers[0]], abs=1e-12)


def test_charts_tables_and_sentences_hold_the_numbers_of_the_query(settings):
    _, (first, second) = publish_small_phantom(settings)
    found = compared(settings, Side(first, "default"), Side(second, "default"))
    figure = r_changes(found)
    drawn = {y: x for trace in figure.data for x, y in zip(trace.x, trace.y, strict=True)}
    assert [drawn[row] for row in range(len(found.traits))] == [
        trait.difference.value for trait in found.traits
    ]
    for row, trait, sentence in zip(r_rows(found), found.traits, sentences(found), strict=True):
        assert row["r of A"].startswith(f"{trait.first.value:+.2f} [{trait.first.low:+.2f}")
        assert f"from {trait.first.value:+.2f} (layer {trait.layers[0]})" in sentence
        assert f"to {trait.second.value:+.2f}" in sentence and "matched cases" in sentence
        sure = trait.adjusted_p < 0.05
        assert ("no change is shown" in sentence) == (not sure)
    rows = pole_rows(found, "spread")
    assert len(rows) == 2 * len(found.traits)
    assert rows[0]["prompts"] == "6, the same"
