"""r of every prompt set of a run."""

from __future__ import annotations

import dataclasses

import pytest
from scipy import stats

from backend.store.run import open_run
from backend.views.runs.prompt_sets import results_by_set, set_rows
from tests.support.raw import reading_run
from tests.support.runs import publish_run
from tests.support.studies import small_study


def test_r_of_every_set_is_that_of_its_projections(settings, tiny_llama):
    study = small_study()
    some = [p for p in study.prompts if p.trait == "warmth" and p.text.split()[1] != "0"]
    more = tuple(dataclasses.replace(prompt, prompt_set="score_60") for prompt in some)
    publish_run(
        settings,
        dataclasses.replace(study, prompts=(*study.prompts, *more)),
        tiny_llama,
        "run-1",
    )
    with open_run(settings, "run-1") as run:
        found = results_by_set(run)
    assert [(one.trait, one.prompt_set, one.high, one.low) for one in found] == [
        ("warmth", "default", 5, 5),
        ("warmth", "score_60", 4, 4),
        ("haste", "default", 5, 5),
    ]
    with reading_run(settings, "run-1") as file:
        for one in found:
            pairs = file.execute(
                "SELECT l.projection - f.projection, b.value FROM behaviours b"
                " JOIN projections l ON l.response_id = b.last_response AND l.trait = b.trait"
                " JOIN projections f ON f.response_id = b.first_response AND f.trait = b.trait"
                " AND f.layer = l.layer AND f.method = l.method AND f.prompt_set = l.prompt_set"
                " WHERE b.trait = ? AND l.prompt_set = ? AND l.layer = ?"
                " AND l.method = 'mean_difference'",
                [one.trait, one.prompt_set, one.result.layer],
            ).fetchall()
            r = stats.pearsonr(*zip(*pairs, strict=True)).statistic
            assert one.result.correlation.value == pytest.approx(r)
    rows = set_rows(found)
    assert (
        rows[1]["prompts, high + low"] == "4 + 4"
        and ", n = 12" in rows[1]["r at it (inflated by selection)"]
    )
    empty = dataclasses.replace(found[0], result=None)
    assert set_rows((empty,))[0]["best layer"] == "–"
