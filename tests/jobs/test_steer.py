"""The job that answers a turn: its pieces are what it gives, and one model is held."""

from __future__ import annotations

import dataclasses

import pytest

from backend.errors import JobError, SteeringError
from backend.jobs.kinds import KINDS
from backend.models import check
from backend.steering import session as held
from backend.steering.answer import Turn
from backend.steering.request import SteerRequest
from backend.steering.vectors import VectorSource, find_vector
from tests.support.damage import OTHER_VECTORS, damage
from tests.support.runs import publish_run
from tests.support.studies import small_study

STEER = KINDS["steer"]


@pytest.fixture
def store(settings, tiny_llama):
    publish_run(settings, small_study(), tiny_llama, "run-1")
    yield settings
    held.HELD.let_go()


class Told:
    """What a job tells; it is cancelled at a check of this number."""

    def __init__(self, cancel_at=None):
        self.pieces, self.stages, self.checks = [], [], 0
        self.cancel_at = cancel_at

    def progress(self, progress):
        self.stages.append(progress.stage)

    def piece(self, value):
        self.check()
        self.pieces.append(value)

    def check(self, *, now=False):
        self.checks += 1
        if self.checks == self.cancel_at:
            raise InterruptedError


REQUEST = SteerRequest(VectorSource("run-1", "haste", layer=2), ("you keep",), most_tokens=8)


def test_pieces_are_the_tokens_of_the_result(store, monkeypatch):
    values = REQUEST.to_json()
    assert SteerRequest.from_json(values) == REQUEST
    STEER.check(store, values)
    told = Told()
    turn = Turn.from_json(STEER.work(store, values, told))
    steps = [step for piece in told.pieces for step in piece["steps"]]
    seconds = [piece["seconds"] for piece in told.pieces]
    assert seconds[0] == 0 and seconds == sorted(seconds)
    assert len(turn.answers) == 3
    for row, answer in enumerate(turn.answers):
        own = [step[row] for step in steps if step[row] is not None]
        assert own == [[t.text, t.before, t.after] for t in answer.tokens] and own
    assert "loading the model" in told.stages
    # The second turn finds the model loaded and its first turn read.
    answered = tuple((answer.text,) for answer in turn.answers)
    further = dataclasses.replace(REQUEST, said=("you keep", "nothing"), answered=answered)
    again = Told()
    second = Turn.from_json(STEER.work(store, further.to_json(), again))
    assert "loading the model" not in again.stages
    assert all(answer.tokens_reused > 0 for answer in second.answers)
    # It is let go where another model would not fit otherwise.
    free = iter([0, 0, 2**40])
    monkeypatch.setattr(check, "_free_bytes", lambda _: next(free))
    folder = store.cache.parent
    monkeypatch.setattr(check, "parameters", lambda _: 100)
    check.check_memory(folder, __import__("torch").float32, "cpu")
    third = Told()
    monkeypatch.undo()
    STEER.work(store, values, third)
    assert "loading the model" in third.stages


def test_a_cancel_takes_effect_at_the_next_token(store):
    told = Told(cancel_at=3)
    with pytest.raises(InterruptedError):
        STEER.work(store, REQUEST.to_json(), told)
    assert told.checks == 3


def test_what_was_asked_of_another_vector_is_not_answered(store):
    digest = find_vector(store, REQUEST.source).digest
    request = dataclasses.replace(REQUEST, asked_of=digest)
    STEER.check(store, request.to_json())
    damage(store, "run-1", OTHER_VECTORS)
    for refused in (STEER.check, lambda *given: STEER.work(*given, Told())):
        with pytest.raises(SteeringError, match="not the one that this was asked of"):
            refused(store, request.to_json())
    STEER.check(store, REQUEST.to_json())


def test_what_is_no_chat_is_refused(store):
    for wrong in (
        {"answered": (("one",),)},
        {"said": ("a", "b"), "answered": ()},
        {"said": ("x" * 60_000,)},
        {"unit": "miles"},
    ):
        with pytest.raises(SteeringError):
            STEER.check(store, dataclasses.replace(REQUEST, **wrong).to_json())
    with pytest.raises(JobError, match="no request to steer"):
        STEER.check(store, {"said": []})
