"""Which responses enter the r of a trait."""

from __future__ import annotations

from backend.core.behaviour import behaviour_of
from backend.types import Response


def test_drift_pairs_turns_of_one_scenario_and_responder():
    responses = [
        Response("s2", "b", "tN", "a", scores={"t": 6.0}),
        Response("s2", "a", "t1", "a", scores={"t": 2.0}),
        Response("s1", "c", "t1", "a", scores={"t": 5.0}),
        Response("s1", "d", "tN", "a", scores={"t": 1.0}),
        Response("s1", "e", "tN", "b", scores={"t": 9.0}),  # no t1 by b
        Response("s3", "f", "t1", "a", scores={"t": 3.0}),
        Response("s3", "g", "tN", "a", scores={"other": 3.0}),  # not scored on t
    ]
    found = behaviour_of(responses, "t", "drift")
    assert found.scenarios == ("s1", "s2")
    assert found.first.tolist() == [2, 1]
    assert found.last.tolist() == [3, 0]
    assert found.values.tolist() == [-4.0, 4.0]


def test_level_takes_every_scored_response():
    responses = [
        Response("s2", "b", scores={"t": 6.0}),
        Response("s1", "a", scores={"t": 2.0}),
        Response("s3", "c", scores={}),
    ]
    found = behaviour_of(responses, "t", "level")
    assert found.first is None
    assert found.scenarios == ("s1", "s2")
    assert found.values.tolist() == [2.0, 6.0]


def test_no_responses_no_cases():
    assert len(behaviour_of([], "t", "none").values) == 0
