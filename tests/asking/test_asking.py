"""Many questions: each once, several at once, kept as they come, after any end."""

from __future__ import annotations

import json
import threading

import pytest

from backend.asking.answers import answers_path, open_answers, read_answers
from backend.asking.asking import ask_all
from backend.asking.endpoint import Endpoint
from backend.asking.forecast import Price, forecast
from backend.asking.question import Answer, Question
from backend.errors import EndpointError, UnreadableFile
from backend.types import Message
from tests.support.endpoint import after, completion, failure, served


def unheard(progress):
    raise AssertionError(f"nobody is waited for, but: {progress.stage}")


def questions(count, **values):
    return [Question((Message("user", f"number {i}"),), **values) for i in range(count)]


def texts(body):
    return body["messages"][-1]["content"]


def echo(body):
    return completion(texts(body).upper())


def test_every_question_has_its_answer_and_is_asked_once(settings):
    asked = [*questions(12), *questions(4)]
    told = []
    with served(echo) as server:
        endpoint = Endpoint(server.url, "judge")
        answers = ask_all(settings, endpoint, asked, told.append, at_once=3)
        assert {q.key: f"NUMBER {i}" for i, q in enumerate(asked[:12])} == {
            key: answer.text for key, answer in answers.items()
        }
        assert sorted(map(texts, server.asked)) == sorted(f"number {i}" for i in range(12))
        assert [(p.done, p.total) for p in told] == [(i, 12) for i in range(13)]
        # Another temperature, seed or length is another question.
        again = [*questions(12), *questions(1, seed=1), *questions(1, temperature=1.0)]
        ask_all(settings, endpoint, again, told.append)
        assert len(server.asked) == 14


def test_as_many_at_once_as_wanted(settings):
    together = threading.Barrier(4, timeout=20)

    def reply(body):
        together.wait()
        return echo(body)

    with served(reply) as server:
        ask_all(settings, Endpoint(server.url, "judge"), questions(8), lambda _: None, at_once=4)
    assert server.most_at_once == 4


def test_what_is_answered_is_kept_when_another_question_fails(settings):
    asked = questions(6)
    failing = True

    def reply(body):
        if failing and texts(body) == "number 2":
            return failure(400, "no")
        return after(0.2, echo(body)) if texts(body) in ("number 1", "number 3") else echo(body)

    with served(reply) as server:
        endpoint = Endpoint(server.url, "judge")
        with pytest.raises(EndpointError, match="refused a request"):
            ask_all(settings, endpoint, asked, lambda _: None, at_once=4)
        # Those in flight with it are waited for: they are paid for.
        kept = read_answers(settings, endpoint)
        assert {asked[i].key for i in (0, 1, 3)} <= kept.keys()
        before, failing = len(server.asked), False
        ask_all(settings, endpoint, asked, lambda _: None, at_once=4)
        assert len(server.asked) - before == 6 - len(kept)


def test_half_a_line_is_asked_again_and_harms_no_other(settings):
    asked = questions(4)
    with served(echo) as server:
        endpoint = Endpoint(server.url, "judge")
        ask_all(settings, endpoint, asked, lambda _: None)
        path = answers_path(settings, endpoint)
        whole = path.read_bytes()
        path.write_bytes(whole[:-30])
        assert len(read_answers(settings, endpoint)) == 3
        assert len(ask_all(settings, endpoint, asked, lambda _: None)) == 4
        assert len(server.asked) == 5
    for line in path.read_text("utf-8").splitlines():
        json.loads(line)


def test_a_line_that_is_no_answer_is_named(settings):
    with served(echo) as server:
        endpoint = Endpoint(server.url, "judge")
        ask_all(settings, endpoint, questions(2), lambda _: None)
    path = answers_path(settings, endpoint)
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([*lines[:2], "{}", *lines[2:], ""]), "utf-8")
    with pytest.raises(UnreadableFile, match=r"Line 3 of .* holds no answer"):
        read_answers(settings, endpoint)


def test_two_who_ask_the_same_model_wait_for_each_other(settings):
    endpoint = Endpoint("http://127.0.0.1:9/v1", "judge")
    stages = []

    def leave(progress):
        stages.append(progress.stage)
        if len(stages) == 2:
            raise InterruptedError

    with open_answers(settings, endpoint, unheard):
        with pytest.raises(InterruptedError), open_answers(settings, endpoint, leave):
            raise AssertionError("both ask")
        # Another model's answers are in another file.
        with open_answers(settings, Endpoint(endpoint.url, "other"), unheard):
            pass
    assert stages == ["waiting for another job or command that asks judge"] * 2
    with open_answers(settings, endpoint, unheard):
        pass


def test_a_forecast_counts_what_is_left():
    asked = [*questions(10, most_tokens=5), *questions(3, most_tokens=5)]
    whole = forecast(asked, {}, 2)
    assert (whole.questions, whole.left, whole.seconds) == (10, 10, None)
    # "number 0": 8 characters, at 4 each.
    assert (whole.tokens_in, whole.most_tokens_out) == (20, 50)
    kept = {asked[i].key: Answer("7", seconds=3.0) for i in range(4)}
    left = forecast(asked, kept, 2, count=len)
    assert (left.left, left.tokens_in, left.most_tokens_out) == (6, 48, 30)
    assert left.seconds == pytest.approx(6 * 3.0 / 2)
    assert Price(2.0, 10.0).of(3_000_000, 500_000) == pytest.approx(11.0)
