"""Turns of a run: numbers as from its activations, by numpy, scipy and pandas."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from backend.core.estimate import Estimate
from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.errors import StoreError
from backend.phantom.drawn import DrawnPhantom
from backend.phantom.plan import plan_of
from backend.runs.phantom_run import publish_phantom
from backend.store.run import open_run
from backend.types import Response
from backend.views.trajectories import words
from backend.views.trajectories.compute import (
    END,
    MOST_DRAWN,
    TurnMean,
    drift_r,
    trajectories,
    turn_r,
)
from backend.views.trajectories.figures import drift_figure, trajectory_figure
from backend.views.trajectories.tables import (
    drift_rows,
    mean_rows,
    missing,
    over_turns_rows,
    turn_rows,
)
from tests.support.runs import publish_run
from tests.support.studies import long_study, small_study

CELL = ("haste", "default", 2)


def uneven():
    """Fourteen conversations of 3 to 5 turns; two turns are not scored on haste."""
    study = long_study()
    kept = []
    for r in study.responses:
        number = int(r.scenario[1:])
        if number % 3 == 0 and r.turn in ("t4", "t5"):
            continue
        unscored = (number, r.turn) in ((1, "t2"), (2, "t5"))
        scores = {"warmth": r.scores["warmth"]} if unscored else r.scores
        kept.append(dataclasses.replace(r, scores=scores))
    return dataclasses.replace(study, responses=tuple(reversed(kept)))


@pytest.fixture
def study():
    return uneven()


@pytest.fixture
def run(settings, tiny_llama, study):
    publish_run(settings, study, tiny_llama, "run-1", (2,))
    with open_run(settings, "run-1") as opened:
        yield opened


def frame_of(run, study):
    """Every turn of the study with its projection straight from the activations."""
    every = run.prompt_activations(2)
    high, low = (
        np.mean([every[p.prompt_id] for p in run.prompts("haste") if p.pole == pole], axis=0)
        for pole in ("high", "low")
    )
    unit = (high - low) / np.linalg.norm(high - low)
    along = np.concatenate(list(run.response_chunks(2))) @ unit
    return pd.DataFrame(
        {
            "c": [r.scenario for r in study.responses],
            "t": [int(r.turn[1:]) for r in study.responses],
            "x": along,
            "y": [r.scores.get("haste", np.nan) for r in study.responses],
        }
    )


def test_points_are_those_of_the_activations(run, study):
    found, frame = trajectories(run, *CELL), frame_of(run, study)
    assert found.turns == ("t1", "t2", "t3", "t4", "t5")
    assert len(found.conversations) == 14
    by_place = frame.set_index(["c", "t"])
    for one in found.conversations:
        turns = [int(point.turn[1:]) for point in one.points]
        assert turns == sorted(frame.t[frame.c == one.scenario])
        for point, turn in zip(one.points, turns, strict=True):
            known = by_place.loc[one.scenario, turn]
            assert point.projection == pytest.approx(known.x, abs=1e-5)
            assert point.score == (None if np.isnan(known.y) else known.y)
            assert study.responses[point.response_id].scenario == one.scenario
    ids = range(len(study.responses))
    texts = {text.response_id: text for text in run.scored_texts("haste", ids, 8)}
    rows = turn_rows(found.conversations, texts)
    assert len(rows) == len(study.responses)
    assert [row["score"] for row in rows].count("not scored") == 2
    first = found.conversations[0].points[0].response_id
    assert rows[0]["text"] == study.responses[first].text[:8] + "…"


def test_means_have_students_interval_over_conversations(run, study):
    found, frame = trajectories(run, *CELL), frame_of(run, study)
    for turn, one in enumerate(found.means, start=1):
        own = frame[frame.t == turn]
        for estimate, values in ((one.projection, own.x), (one.score, own.y.dropna())):
            known = stats.ttest_1samp(values, 0).confidence_interval()
            assert estimate.value == pytest.approx(values.mean(), abs=1e-5)
            assert (estimate.low, estimate.high) == pytest.approx(tuple(known), abs=1e-4)
            assert estimate.n == len(values)
    assert [row["conversations"] for row in mean_rows(found)] == ["14", "14", "14", "9", "9"]


def test_changes_are_since_the_first_turn_of_each(run, study):
    found, frame = trajectories(run, *CELL, "change"), frame_of(run, study).sort_values("t")
    since = frame[["x", "y"]] - frame.groupby("c")[["x", "y"]].transform("first")
    for turn, one in enumerate(found.means, start=1):
        own = since[frame.t == turn]
        assert one.projection.value == pytest.approx(own.x.mean(), abs=1e-5)
        assert one.score.value == pytest.approx(own.y.mean(), abs=1e-9)
    drift = since[["x", "y"]].groupby(frame.c).last()
    last = frame.groupby("c").tail(1).set_index("c")
    scored = ~last.y.isna()
    for estimate, values in zip(found.moved, (drift.x, drift.y), strict=True):
        known = stats.ttest_1samp(values[scored], 0).confidence_interval()
        assert estimate.value == pytest.approx(values[scored].mean(), abs=1e-5)
        assert (estimate.low, estimate.high) == pytest.approx(tuple(known), abs=1e-4)
    assert found.moved == trajectories(run, *CELL).moved


def test_r_over_turns_is_pandas(run, study):
    frame = frame_of(run, study).dropna()
    found = turn_r(run, *CELL)
    assert (found.turns, found.conversations) == (len(frame), 14)
    inner = frame[["x", "y"]] - frame.groupby("c")[["x", "y"]].transform("mean")
    means = frame.groupby("c")[["x", "y"]].mean()
    r = found.pearson
    assert r.every.value == pytest.approx(frame.x.corr(frame.y), abs=1e-5)
    assert r.within.value == pytest.approx(inner.x.corr(inner.y), abs=1e-5)
    assert r.between.value == pytest.approx(means.x.corr(means.y), abs=1e-5)
    assert r.every.groups == r.within.groups == 14
    assert [row["groups"] for row in over_turns_rows(found)] == ["14"] * 4


@pytest.mark.parametrize(("start", "stop"), [("t1", "t3"), ("t2", "t4"), ("t4", "t2"), ("t3", END)])
def test_drift_between_any_two_turns_is_scipys(run, study, start, stop):
    frame = frame_of(run, study)
    wide = {t: frame[frame.t == t].set_index("c")[["x", "y"]] for t in range(1, 6)}
    first = wide[int(start[1:])]
    if stop == END:
        last = frame.sort_values("t").groupby("c").tail(1)
        last = last[last.t > int(start[1:])].set_index("c")[["x", "y"]]
    else:
        last = wide[int(stop[1:])]
    drift = (last - first).dropna()
    found = drift_r(run, *CELL, start, stop)
    known = stats.pearsonr(drift.x, drift.y)
    assert found.r.n == len(drift)
    assert found.r.value == pytest.approx(known.statistic, abs=1e-5)
    assert found.r.p == pytest.approx(known.pvalue, abs=1e-4)


def test_from_first_to_last_is_the_r_of_the_run(run):
    found = drift_r(run, *CELL)
    (stored,) = run.correlations(MEAN_DIFFERENCE, *CELL)
    # c02 has a last turn that is not scored on haste.
    assert found.r.n == 13
    for own, kept in ((found.r, stored.correlation), (found.bootstrap, stored.bootstrap)):
        assert (own.value, own.low, own.high) == pytest.approx((kept.value, kept.low, kept.high))
    assert "This is the r of the other pages" in words.drift_answer(found)
    assert "BCa" in words.interval_beside(found)
    by_stop = dict(found.by_stop)
    assert list(by_stop) == ["t2", "t3", "t4", "t5"]
    assert by_stop["t3"] == drift_r(run, *CELL, "t1", "t3").r
    assert [row["to"] for row in drift_rows(found)] == list(by_stop)
    assert "nothing can drift" in drift_r(run, *CELL, "t2", "t2").r.reason


def test_two_responders_are_two_conversations_of_one_group(settings, tiny_llama, study):
    other = tuple(
        dataclasses.replace(r, responder="someone", text=f"{r.text} indeed")
        for r in study.responses
    )
    both = dataclasses.replace(study, responses=study.responses + other)
    publish_run(settings, both, tiny_llama, "run-2", (2,))
    with open_run(settings, "run-2") as run:
        found, drift = trajectories(run, *CELL), drift_r(run, *CELL)
        over = turn_r(run, *CELL)
        (stored,) = run.correlations(MEAN_DIFFERENCE, *CELL)
    assert len(found.conversations) == 28
    assert found.means[0].projection.groups == 14
    assert over.pearson.within.groups == 14 and over.conversations == 28
    assert (drift.r.value, drift.r.low) == pytest.approx(
        (stored.correlation.value, stored.correlation.low)
    )
    names = words.conversation_names(found)
    assert sorted(names.values())[:2] == ["c00, author", "c00, someone"]


def test_notable_conversations_are_the_extremes_of_the_drift(run, study):
    found, frame = trajectories(run, *CELL), frame_of(run, study).sort_values("t")
    drift = frame.groupby("c").x.last() - frame.groupby("c").x.first()
    rises, falls, middle = (one.scenario for one in found.chosen(found.notable))
    assert (rises, falls) == (drift.idxmax(), drift.idxmin())
    assert middle == drift.sort_values().index[7]
    keys = [one.key for one in found.conversations]
    assert len(found.chosen(keys)) == MOST_DRAWN and found.chosen(["no", keys[3]])[0].key == keys[3]


def test_the_chart_shows_mean_band_lines_and_texts(run, study):
    found = trajectories(run, *CELL)
    chosen = found.chosen(found.notable)
    ids = [point.response_id for one in chosen for point in one.points]
    texts = {text.response_id: text for text in run.scored_texts("haste", ids, 220)}
    figure = trajectory_figure(found, chosen, words.conversation_names(found), texts)
    band, line = figure.data[0], figure.data[1]
    assert list(line.y) == [one.projection.value for one in found.means]
    assert max(y for y in band.y if y is not None) == max(m.projection.high for m in found.means)
    own = [trace for trace in figure.data if trace.legendgroup == chosen[0].key]
    assert [list(trace.y) for trace in own] == [
        [point.projection for point in chosen[0].points],
        [point.score for point in chosen[0].points],
    ]
    text = study.responses[chosen[0].points[0].response_id].text
    assert text.split()[0] in own[0].customdata[0] and chosen[0].scenario in own[0].customdata[0]
    assert [axis.title.text for axis in (figure.layout.yaxis, figure.layout.yaxis2)] == [
        "projection<br>(activation units)",
        "score<br>(0 to 10)",
    ]
    assert list(figure.layout.xaxis2.ticktext) == list(found.turns)
    assert len(trajectory_figure(found).data) == 4


FEW = "an interval needs at least 4 groups of dependent cases, not 3"


def bare(found):
    """An estimate as it is of too few groups."""
    return Estimate(found.value, None, None, None, found.n, FEW, groups=3)


def test_why_there_is_no_interval_is_said_once_and_not_in_cells(run):
    found, over, drift = trajectories(run, *CELL), turn_r(run, *CELL), drift_r(run, *CELL)
    assert missing(found, over, drift) == ""
    few = dataclasses.replace(
        found,
        means=tuple(TurnMean(m.turn, bare(m.projection), bare(m.score)) for m in found.means),
        moved=(bare(found.moved[0]), bare(found.moved[1])),
    )
    every = dataclasses.replace(
        over, pearson=dataclasses.replace(over.pearson, every=bare(over.pearson.every))
    )
    stops = dataclasses.replace(drift, by_stop=tuple((t, bare(one)) for t, one in drift.by_stop))
    assert missing(few) == missing(stops) == missing(few, stops) == f"No interval: {FEW}."
    assert missing(every) == f"No interval (all turns): {FEW}."
    assert missing(few, every).startswith("No interval (projection at t1, score at t1, projection")
    assert "and 7 more)" in missing(few, every)
    rows = [*mean_rows(few), *over_turns_rows(every), *drift_rows(stops)]
    assert not any(FEW in value for row in rows for value in row.values())
    said = words.moved(few)
    assert said.count(FEW) == 1 and "95%" not in said and said.endswith(f"intervals: {FEW}.")
    none = dataclasses.replace(over.pearson, every=Estimate.undefined(2, "too few"))
    over_none = over_turns_rows(dataclasses.replace(over, pearson=none))
    assert over_none[0]["value, 95% interval, p"] == "undefined: too few"


def test_a_chart_of_a_small_part_of_the_scale_says_so(run):
    found = dataclasses.replace(trajectories(run, *CELL), scale=(0.0, 100.0))
    assert words.part_of_scale(found) == ""  # the band shows how sure the means are
    means = tuple(TurnMean(m.turn, m.projection, bare(m.score)) for m in found.means)
    few = dataclasses.replace(found, means=means)
    values = [m.score.value for m in means]
    said = words.part_of_scale(few)
    assert f"means from {min(values):.3g} to {max(values):.3g} of 0 to 100." in said
    assert words.part_of_scale(dataclasses.replace(few, scale=(min(values), max(values)))) == ""
    change = trajectories(run, *CELL, "change")
    assert words.part_of_scale(change) == ""
    assert trajectory_figure(change).layout.yaxis2.title.text.endswith("<br>(scale 0 to 10)")


def test_names_stay_text_in_the_chart(run):
    found = trajectories(run, *CELL)
    chosen = found.conversations[:1]
    figure = trajectory_figure(found, chosen, {chosen[0].key: "<b>x</b>"})
    assert figure.data[-1].name == "&lt;b&gt;x&lt;/b&gt;"
    assert "<b>x" not in figure.data[-1].customdata[0].replace("<b>&lt;", "")


def test_r_of_drifts_is_drawn_with_intervals_and_gaps(run):
    found = drift_r(run, *CELL)
    (points,) = drift_figure(found).data
    known = [one for _, one in found.by_stop]
    assert list(points.x) == [2, 3, 4, 5] and list(points.y) == [one.value for one in known]
    assert list(points.error_y.array) == pytest.approx([one.high - one.value for one in known])
    gap = dataclasses.replace(
        found, by_stop=(*found.by_stop, ("t6", drift_r(run, *CELL, "t2", "t2").r))
    )
    (note,) = drift_figure(gap).layout.annotations
    assert note.text == "undefined" and "nothing can drift" in note.hovertext


@pytest.mark.parametrize("turns", [True, False])
def test_studies_of_two_turns_or_none_say_so(settings, tiny_llama, turns):
    publish_run(settings, small_study(turns=turns), tiny_llama, "run-1", (2,))
    with open_run(settings, "run-1") as run:
        found, over, drift = trajectories(run, *CELL), turn_r(run, *CELL), drift_r(run, *CELL)
    if turns:
        assert found.turns == ("t1", "tN") and "This study has two turns" in words.extent(found)
        assert list(drift_figure(drift).data[0].x) == [2]
        assert over.pearson.within.value is not None
    else:
        assert found.turns == () and found.conversations == () and found.notable == ()
        assert "there are 0" in drift.r.reason and drift.by_stop == ()
        assert all(
            getattr(over.pearson, side).value is None for side in ("every", "between", "within")
        )
        assert "no change can be averaged" in words.moved(found)


def test_turns_without_scores_still_have_projections(settings, tiny_llama, study):
    silent = tuple(dataclasses.replace(r, scores={"warmth": 5.0}) for r in study.responses)
    publish_run(settings, dataclasses.replace(study, responses=silent), tiny_llama, "run-3", (2,))
    with open_run(settings, "run-3") as run:
        found, over, drift = trajectories(run, *CELL), turn_r(run, *CELL), drift_r(run, *CELL)
    assert found.means[0].projection.value is not None
    assert found.means[0].score.reason == "there are no values"
    assert "undefined" in words.over_turns_answer(over) and "undefined" in words.drift_answer(drift)
    assert len(trajectory_figure(found, found.conversations[:1]).data) == 6


def test_a_cell_that_is_not_there_is_refused(run):
    for cell in (("haste", "default", 77), ("haste", "no set", 2), ("no trait", "default", 2)):
        with pytest.raises(StoreError, match="has no cell"):
            trajectories(run, *cell)


def test_planted_r_of_a_phantom_of_six_turns(settings):
    """A phantom shares half of its behaviour's variance between turns, so r is planted
    between and within conversations, and in the drift of two middle turns."""
    plan = plan_of(
        "six",
        4,
        ("none",),
        models=1,
        traits=1,
        layers=1,
        scenarios=150,
        prompts=20,
        width=96,
        turns=6,
    )
    phantom = DrawnPhantom(plan)
    _, (run_id,) = publish_phantom(settings, phantom, lambda _: None)
    study = phantom.study
    assert {r.turn for r in study.responses} == {f"t{n}" for n in range(1, 7)}
    acts = phantom.activations(0, 1)
    v = acts.prompts[:20].mean(axis=0) - acts.prompts[20:].mean(axis=0)
    x = (acts.responses.astype(float) @ v / np.linalg.norm(v)).reshape(150, 6)
    y = np.array([r.scores["trait_1"] for r in study.responses]).reshape(150, 6)
    with open_run(settings, run_id) as run:
        found = turn_r(run, "trait_1", "default", 1).pearson
        drift = drift_r(run, "trait_1", "default", 1, "t2", "t5").r
    for own, (a, b) in (
        (found.within, [(v - v.mean(axis=1, keepdims=True)).ravel() for v in (x, y)]),
        (found.between, [v.mean(axis=1) for v in (x, y)]),
        (drift, [v[:, 4] - v[:, 1] for v in (x, y)]),
    ):
        assert own.value == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-5)
        assert own.low > 0.2
    # Both halves are read equally well, but the mean of six turns has less noise.
    assert found.between.value > found.within.value > 0.3


def test_a_response_keeps_the_history_that_the_study_writes(run, study):
    first: Response = study.responses[0]
    (kept,) = run.responses([0])
    assert (kept.messages, kept.turn) == (first.messages, first.turn)
    assert len(kept.messages) == 2 * int(first.turn[1:]) - 1
