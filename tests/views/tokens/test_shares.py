"""Contributions to the projection, to r and to the residual sum to the run's own numbers."""

from __future__ import annotations

import numpy as np
import pytest

from backend.core.vectors.pipeline import Pipeline
from backend.runs.directions import DirectionKey
from backend.runs.token_view import TokenRequest, token_view
from backend.store.run import open_run
from backend.views.evidence.compute import evidence
from backend.views.tokens import words
from backend.views.tokens.compute import first_layer, shares, steps, vector_cases
from backend.views.tokens.tables import kind_of, span_rows, step_rows, token_rows
from tests.support.runs import publish_run
from tests.support.studies import long_study, small_study, two_responders

MEAN = DirectionKey("warmth", "mean_difference")


def opened(settings, model, study, responses, layer=2):
    publish_run(settings, study, model, "run-1", (1, 2))
    view = token_view(
        settings, TokenRequest("run-1", "default", (MEAN,), (layer,), tuple(responses))
    )
    with open_run(settings, "run-1") as run:
        cases = vector_cases([run], (), MEAN, "default", layer)
        found = evidence(run, "warmth", "default", layer, Pipeline())
        stored = run.cells("warmth", "default", layer)[0].correlation
    return view, cases, found, stored


@pytest.mark.parametrize("make", [small_study, two_responders])
def test_tokens_of_every_case_sum_to_r_and_to_the_residuals(settings, tiny_llama, make):
    study = make()
    count = len(study.responses)
    view, cases, found, stored = opened(settings, tiny_llama, study, range(count))
    assert cases.r.value == pytest.approx(stored.value, abs=1e-9)
    of_r, of_x = np.zeros(len(found.cases)), np.zeros(len(found.cases))
    residuals = {number: case.residual for case in found.cases for number in case.responses}
    places = {number: i for i, case in enumerate(found.cases) for number in case.responses}
    for text in view.texts:
        role = cases.role(text.response_id)
        plain = shares(view, text, 0, 2)
        pooled = float(text.projections[0, 0])
        assert plain.total == pytest.approx(pooled - view.means[0, 0], abs=1e-9)
        assert plain.values.sum() == pytest.approx(plain.total) and plain.rest == 0
        own = shares(view, text, 0, 2, "r", role)
        of_r[places[text.response_id]] += own.values.sum()
        assert own.values.sum() + own.rest == pytest.approx(role.term)
        left = shares(view, text, 0, 2, "residual", role)
        of_x[places[text.response_id]] += left.values.sum()
        assert left.total == pytest.approx(residuals[text.response_id], abs=1e-6)
        assert left.values.sum() + left.rest == pytest.approx(left.total)
    # Both turns of a case together are its term of r, and all cases are r.
    assert of_r.sum() == pytest.approx(stored.value, abs=1e-4)
    y = np.array([case.y for case in found.cases])
    if found.several:
        who = np.array([case.responder for case in found.cases])
        means = {one: y[who == one].mean() for one in set(who)}
        y = y - np.array([means[one] for one in who])
    else:
        y = y - y.mean()
    assert y + of_x == pytest.approx([case.residual for case in found.cases], abs=1e-4)


def test_a_turn_between_has_no_part_in_r_and_velocities_are_changes(settings, tiny_llama):
    view, cases, _, _ = opened(settings, tiny_llama, long_study(), range(5))
    said = [cases.role(number) for number in range(5)]
    assert [isinstance(role, str) for role in said] == [False, True, True, True, False]
    assert "not the first or the last turn" in said[1]
    assert shares(view, view.texts[1], 0, 2, "r") is None
    found = steps(view, 0, 2)
    along = [float(text.projections[0, 0]) for text in view.texts]
    assert [step.projection for step in found] == along
    assert found[0].velocity is None
    assert [step.velocity for step in found[1:]] == pytest.approx(np.diff(along))
    assert step_rows(found)[1]["velocity since the turn before"].startswith(("+", "-"))
    assert "no part in r" in words.role_line(cases, said[1])
    assert "first turn of its case" in words.role_line(cases, said[0])


def test_spans_are_of_pooled_tokens_and_every_token_has_a_row(settings, tiny_llama):
    view, _, _, _ = opened(settings, tiny_llama, long_study(), range(2))
    for text in view.texts:
        found = shares(view, text, 0, 2, longest=3)
        for span in (*found.raising, *found.lowering):
            assert span.stop - span.start <= 3 and text.pooled[span.start : span.stop].all()
            assert span.text == "".join(text.tokens[span.start : span.stop])
            assert span.total == pytest.approx(found.values[span.start : span.stop].sum())
        assert all(span.total > 0 for span in found.raising)
        assert all(span.total < 0 for span in found.lowering)
        assert len(span_rows(found)) == len(found.raising) + len(found.lowering)
        rows = token_rows(view, text, 2, [found])
        assert len(rows) == len(text.tokens) - text.begins
        shown = "contribution, warmth, Mean difference"
        assert sum(row.get(shown, 0) for row in rows) == pytest.approx(found.total)
    kinds = {kind_of(view.texts[0], place) for place in range(len(view.texts[0].tokens))}
    assert kinds == {"pooled", "special", "chat"}
    assert "is the projection that the run holds" in words.agreement(view)
    assert "on average" in words.projection_line(view, view.texts[0], 0, 2)


def test_a_vector_that_is_not_there_has_a_reason_and_no_numbers(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1", (1, 2))
    gone = DirectionKey("warmth", name="gone")
    with open_run(settings, "run-1") as run:
        cases = vector_cases([run], (), gone, "default", 2)
        assert first_layer([run], (), gone, "default") in (1, 2)
    assert cases.reason == "the vector was removed" and cases.role(0) == cases.reason
