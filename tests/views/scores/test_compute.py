"""Distributions, stability, partial correlations and counts against numpy, scipy, pingouin."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats

from backend.core.statistics.reliability import judge_reliability
from backend.core.study_cell import StudyCell
from backend.errors import SteerscopeError, StoreError
from backend.views.diagnosis.compute import diagnose_run
from backend.views.scores.compute import score_columns, score_findings
from backend.views.scores.feasibility import feasibility, score_scale
from backend.views.scores.links import score_links
from backend.views.scores.tables import reliability_rows
from backend.views.study_tests.compression import compression_finding
from backend.views.study_tests.compute import findings_of_study
from tests.support.drifts import drifts_of
from tests.support.phantom_store import publish_small_phantom
from tests.support.raw import reading_run
from tests.support.results import results
from tests.support.runs import publish_run
from tests.support.studies import small_study, two_responders


def scores_of(study, trait, turn):
    return np.array([r.scores[trait] for r in study.responses if r.turn == turn])


def counted(histogram):
    pairs = zip(histogram.centres, histogram.counts, strict=True)
    return {round(centre, 9): count for centre, count in pairs if count}


def test_columns_are_the_studys_scores(settings, tiny_llama):
    study = small_study(scenarios=30)
    publish_run(settings, study, tiny_llama, "run", (1,))
    columns = results(settings).of_run(score_columns, "run")
    assert [c.trait for c in columns] == ["warmth", "haste"]
    for column in columns:
        first, last = (scores_of(study, column.trait, turn) for turn in ("t1", "tN"))
        both = np.concatenate([first, last])
        assert column.cases == 30 and np.diff(column.last.centres) == pytest.approx(0.5)
        assert counted(column.first) == Counter(first) and counted(column.last) == Counter(last)
        assert counted(column.drift) == Counter(last - first)
        assert counted(column.every) == Counter(both)
        assert column.drift.sd.value == pytest.approx(np.std(last - first, ddof=1))
        assert column.floor.value == pytest.approx(np.mean(both == 0))
        assert column.ceiling.value == pytest.approx(np.mean(both == 10))
        assert column.distinct == len(set(both))
        assert column.rounding.share == pytest.approx(2 * 0.25 / 12 / (last - first).var())
        expected = stats.pearsonr(first, last)
        assert column.stability.value == pytest.approx(expected.statistic)
        assert (column.stability.low, column.stability.high) == pytest.approx(
            tuple(expected.confidence_interval())
        )


def test_a_continuum_is_binned_and_loses_no_score(settings, tiny_llama):
    rng = np.random.default_rng(4)
    study = small_study(scenarios=30)
    responses = tuple(
        dataclasses.replace(r, scores={t: float(rng.uniform(0, 10)) for t in study.traits})
        for r in study.responses
    )
    study = dataclasses.replace(study, name="fine", responses=responses)
    publish_run(settings, study, tiny_llama, "fine", (1,))
    column = results(settings).of_run(score_columns, "fine")[0]
    first, last = (scores_of(study, column.trait, turn) for turn in ("t1", "tN"))
    expected, _ = np.histogram(first, bins=20, range=(0, 10))
    assert column.first.counts == tuple(expected)
    drift = last - first
    low = column.drift.centres[0] - 0.25
    high = column.drift.centres[-1] + 0.25
    expected, _ = np.histogram(drift, bins=len(column.drift.counts), range=(low, high))
    assert column.drift.counts == tuple(expected) and sum(expected) == 30


def test_marks_name_floors_and_coarse_scores(settings, tiny_llama):
    study = small_study(scenarios=20)
    values = {"warmth": lambda i: 0.0 if i % 3 else 4.0, "haste": lambda i: 4.0 + (i % 3 == 0)}
    responses = tuple(
        dataclasses.replace(r, scores={t: make(i) for t, make in values.items()})
        for i, r in enumerate(study.responses)
    )
    publish_run(
        settings, dataclasses.replace(study, name="m", responses=responses), tiny_llama, "m", (1,)
    )
    warmth, haste = results(settings).of_run(score_columns, "m")
    assert warmth.marks == ("at the floor", "compressed") and haste.marks == ("compressed",)


@pytest.mark.parametrize(
    ("count", "make", "marks"),
    [
        (20, lambda i: 10.0 * (i % 2), ("compressed",)),
        (20, lambda i: 5 + 1e-7 * i * i, ("stuck at one value",)),
        (9, lambda i: 10.0 * (i % 2), ("too few to tell",)),
    ],
)
def test_marks_are_those_of_the_diagnosis(settings, tiny_llama, count, make, marks):
    study = small_study(scenarios=count, turns=False)
    responses = tuple(
        dataclasses.replace(r, scores={"warmth": make(i)}) for i, r in enumerate(study.responses)
    )
    publish_run(settings, dataclasses.replace(study, responses=responses), tiny_llama, "m", (1,))
    store = results(settings)
    (warmth,) = store.of_run(score_columns, "m")
    assert warmth.marks == marks
    (found,) = store.of_run(diagnose_run, "m", "default", "warmth", 1, store.thresholds)
    causes = {"compressed": "compressed", "stuck at one value": "floor"}
    named = {causes[mark] for mark in marks if mark in causes}
    assert {j.cause for j in found.supported} & {"floor", "compressed"} == named


def test_repeated_scores_give_the_reliability_of_what_r_is_over(settings, tiny_llama):
    """Every response of the first 15 scenarios is scored three times on one trait."""
    rng = np.random.default_rng(9)
    study = small_study(scenarios=20)
    responses = []
    for i, r in enumerate(study.responses):
        again = tuple(np.clip(r.scores["warmth"] + rng.normal(0, 1, 3), 0, 10).tolist())
        scores = r.scores | {"warmth": float(np.mean(again))}
        repeats = {"warmth": again}
        responses.append(dataclasses.replace(r, scores=scores, repeats=repeats) if i < 30 else r)
    study = dataclasses.replace(study, name="twice", responses=tuple(responses))
    publish_run(settings, study, tiny_llama, "twice", (1,))
    warmth, haste = results(settings).of_run(score_columns, "twice")
    by_turn = [np.array([r.repeats["warmth"] for r in responses[turn:30:2]]) for turn in (0, 1)]
    expected = judge_reliability(by_turn[1] - by_turn[0], np.zeros(15, np.intp), every=False)
    assert warmth.reliability.used == expected.single and expected.single.n == 15
    assert warmth.reliability.scorings == 3
    assert haste.reliability.used.value is None
    (row,) = reliability_rows([warmth, haste])
    assert row["trait"] == "warmth" and row["over"] == "drifts" and row["cases"] == "15"
    assert row["mean of 3, 95%"].startswith(f"{expected.mean.value:+.2f} [")
    assert row["highest possible r, 95%"].startswith(f"{expected.single.value**0.5:+.2f} [")
    nobody = results(settings).of_run(score_columns, "twice", "author")[0]
    assert nobody.reliability.used == expected.single


def test_one_responder_at_a_time(settings, tiny_llama):
    study = two_responders()
    publish_run(settings, study, tiny_llama, "two", (1,))
    assert results(settings).of_run(score_scale, "two").responders == ("author", "someone")
    own = results(settings).of_run(score_columns, "two", "someone")[0]
    expected = [
        r.scores["warmth"] for r in study.responses if r.responder == "someone" and r.turn == "tN"
    ]
    assert own.cases == 20 and own.last.mean == pytest.approx(np.mean(expected))
    assert results(settings).of_run(score_columns, "two")[0].cases == 40


def test_levels_have_no_drift_and_none_has_nothing(settings, tiny_llama):
    publish_run(settings, small_study(turns=False), tiny_llama, "level", (1,))
    column = results(settings).of_run(score_columns, "level")[0]
    assert column.first is None and column.drift is None
    assert column.stability.value is None and "no turn" in column.stability.reason
    links = results(settings).of_run(score_links, "level", "default", "haste", 1)
    assert links.target == "level" and links.rows[0].estimate.value is not None
    publish_run(settings, small_study(scenarios=0), tiny_llama, "none", (1,))
    assert results(settings).of_run(score_columns, "none") == ()
    links = results(settings).of_run(score_links, "none", "default", "haste", 1)
    assert links.line is None and "at least 3" in links.rows[0].estimate.reason
    with pytest.raises(StoreError, match="layer 9"):
        results(settings).of_run(score_links, "level", "default", "haste", 9)


def test_links_are_scipys_and_pingouins_on_the_activations(settings):
    _, (run_id, _) = publish_small_phantom(settings)
    links = results(settings).of_run(score_links, run_id, "default", "trait_2", 2)
    drifts, behaviour = drifts_of(settings, run_id, "trait_2")
    with reading_run(settings, run_id) as connection:
        tokens = dict(
            connection.execute(
                "SELECT response_id, tokens FROM response_activations WHERE layer = 2"
            ).fetchall()
        )
        ids = connection.execute(
            "SELECT first_response, last_response, scenario FROM behaviours"
            " WHERE trait = 'trait_2' ORDER BY case_id"
        ).fetchall()
    length = np.array([tokens[last] - tokens[first] for first, last, _ in ids])
    assert links.cases.scenarios == tuple(scenario for *_, scenario in ids)
    np.testing.assert_allclose(links.projection, drifts[2], atol=1e-5)
    np.testing.assert_array_equal(links.cases.length, length)
    frame = pd.DataFrame({"x": drifts[2], "y": behaviour, "c": length})
    rows = [row.estimate for row in links.rows]
    for found, (a, b) in zip((rows[0], *rows[2:]), ("xy", "xc", "yc"), strict=True):
        expected = stats.pearsonr(frame[a], frame[b])
        assert found.value == pytest.approx(expected.statistic, abs=1e-5)
        assert (found.low, found.high) == pytest.approx(
            tuple(expected.confidence_interval()), abs=1e-5
        )
    partial = pingouin.partial_corr(frame, "x", "y", "c").iloc[0]
    assert rows[1].value == pytest.approx(partial["r"], abs=1e-5)
    assert rows[1].n == len(frame)
    slope = stats.linregress(drifts[2], behaviour).slope
    assert links.line.slope.value == pytest.approx(slope, rel=1e-5)


def test_counts_at_thresholds(settings, tiny_llama):
    study = small_study(scenarios=30)
    publish_run(settings, study, tiny_llama, "run", (1,))
    scale = results(settings).of_run(score_scale, "run")
    assert (scale.at_least, scale.at_most, scale.step) == (6.0, 2.0, 0.5)
    found = results(settings).of_run(feasibility, "run", 7.5, 1.0)
    for trait in study.traits:
        scores = np.array([r.scores[trait] for r in study.responses])
        counts = found.counts["author", trait]
        assert counts.high == (scores >= 7.5).sum() and counts.low == (scores <= 1).sum()
    with pytest.raises(SteerscopeError, match="both poles"):
        results(settings).of_run(feasibility, "run", 3.0, 3.0)


def test_the_studys_tests_need_several_models(settings):
    _, run_ids = publish_small_phantom(settings)
    both, ranks = score_findings(
        results(settings).of_runs(findings_of_study, run_ids, "default", settings.thresholds)
    )
    given = [row for row in both.rows if "given behaviour sd" in row.name]
    assert given[0].estimate.value is not None
    assert ranks.rows[-1].estimate.n == 6
    cells = [
        StudyCell("alone", str(i), 1, r, *[None] * 6, behaviour_sd=sd)
        for i, (r, sd) in enumerate([(0.1, 2.0), (0.4, 1.0), (0.2, 1.5), (0.3, 2.5), (0.2, 1.0)])
    ]
    (row,) = [r for r in compression_finding(cells).rows if "given behaviour sd" in r.name]
    assert row.estimate.value is None and "several models" in row.estimate.reason
