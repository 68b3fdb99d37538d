"""An endpoint that limits, fails, breaks or refuses, and a key that is told nowhere."""

from __future__ import annotations

import time

import pytest
from werkzeug import Response

from backend.asking.endpoint import KEY_VARIABLE, Endpoint, connected
from backend.asking.question import Question
from backend.errors import EndpointError
from backend.types import Message
from tests.support.endpoint import completion, failure, served

KEY = "sk-secret-0123456789"
QUESTION = Question((Message("system", "Be short."), Message("user", "How warm?")), 0.5, 3, 7)


@pytest.fixture(scope="module")
def open_server():
    """One server and one client for all tests: to make a client takes half a second."""
    with pytest.MonkeyPatch.context() as patch, served(lambda _: {}) as server:
        patch.setenv(KEY_VARIABLE, KEY)
        with connected(Endpoint(server.url, "judge", retries=2)) as connection:
            yield server, connection


@pytest.fixture
def ask(open_server):
    """Ask a server that replies so: the answer, and the bodies of the requests."""
    server, connection = open_server

    def asking(reply, question=QUESTION):
        server.reply, before = reply, len(server.asked)
        return connection.ask(question), server.asked[before:]

    return asking


def in_turn(*replies):
    waiting = list(replies)
    return lambda _: waiting.pop(0)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def test_what_is_asked_and_what_comes_back(ask, open_server):
    answer, asked = ask(lambda _: completion("7", finish="length"))
    assert asked == [
        {
            "model": "judge",
            "messages": [
                {"role": "system", "content": "Be short."},
                {"role": "user", "content": "How warm?"},
            ],
            "temperature": 0.5,
            "seed": 3,
            "max_tokens": 7,
        }
    ]
    assert open_server[0].keys == {f"Bearer {KEY}"}
    assert (answer.text, answer.finish, answer.refused) == ("7", "length", False)
    assert (answer.tokens_in, answer.tokens_out) == (100, 2)
    assert answer.probabilities == {} and answer.at > "2026"


def test_probabilities_of_the_first_token(ask):
    question = Question((Message("user", "?"),), most_tokens=2, probabilities=True)
    reply = completion("80", tokens={"80": 0.7, " 80": 0.1, "No": 0.2}, second="!")
    answer, (asked,) = ask(lambda _: reply, question)
    assert asked["logprobs"] is True and asked["top_logprobs"] == 20
    assert answer.probabilities == pytest.approx({"80": 0.7, " 80": 0.1, "No": 0.2})
    assert answer.second_token == "!"


def test_refusals_are_marked(ask):
    assert ask(lambda _: completion(None, refusal="I cannot."))[0].refused
    assert ask(lambda _: completion("", finish="content_filter"))[0].refused
    assert ask(lambda _: completion(None))[0].text == ""


def test_a_rate_limit_is_waited_for_as_long_as_the_server_says(ask):
    began = time.monotonic()
    answer, asked = ask(in_turn(failure(429, "slow down", Retry_After="1"), completion("7")))
    assert time.monotonic() - began >= 1.0
    assert answer.text == "7" and len(asked) == 2 and answer.seconds >= 1.0


def test_faults_of_the_server_are_tried_again(ask):
    broken = Response('{"choices": [', content_type="application/json")
    again = {"retry_after_ms": "10"}
    answer, asked = ask(
        in_turn(
            failure(500, "oops", **again), failure(503, "busy", **again), broken, completion("7")
        )
    )
    assert answer.text == "7" and len(asked) == 4


def test_the_length_is_told_by_the_name_that_the_model_knows():
    # Of a client of its own, as it remembers the name.
    said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    with (
        served(in_turn(failure(400, said), completion("7"), completion("8"))) as server,
        connected(Endpoint(server.url, "judge")) as connection,
    ):
        assert [connection.ask(QUESTION).text for _ in range(2)] == ["7", "8"]
    assert ["max_tokens" in body for body in server.asked] == [True, False, False]
    assert [body.get("max_completion_tokens") for body in server.asked] == [None, 7, 7]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (failure(401, f"Incorrect API key provided: {KEY}"), "refused the key: .*\\[key\\]"),
        (failure(403, "no"), "refused the key"),
        (failure(404, "no such model"), "refused a request: .*no such model"),
        (failure(400, f"bad {KEY}"), "refused a request: .*bad \\[key\\]"),
        (failure(429, "limit", retry_after_ms="1"), "still limits the rate after 2 retries"),
        (failure(500, "oops", retry_after_ms="1"), "failed after 2 retries"),
        (Response("{", content_type="application/json"), "3 times with what is no JSON"),
        (Response(f"<p>{KEY}", content_type="text/html"), "text instead of JSON"),
        ({"choices": []}, "without a choice"),
        ({"choices": "x"}, "without a choice"),
        ({"choices": [{"message": {"content": 7}, "logprobs": {"content": "x"}}]}, "another form"),
        ([1], "without a choice"),
    ],
)
def test_what_cannot_be_mended_by_waiting_is_told_without_the_key(ask, reply, said):
    with pytest.raises(EndpointError, match=said) as raised:
        ask(lambda _: reply)
    fault = raised.value
    while fault is not None:
        assert KEY not in f"{fault} {vars(fault)}"
        fault = fault.__cause__


def test_a_key_that_comes_back_is_taken_out(ask):
    reply = completion(f"my key is {KEY}", tokens={KEY: 0.9}, second=KEY)
    answer, _ = ask(lambda _: reply, Question(QUESTION.messages, probabilities=True))
    assert answer.text == "my key is [key]"
    assert list(answer.probabilities) == ["[key]"] and answer.second_token == "[key]"


def test_a_server_that_is_not_there_is_named():
    with connected(Endpoint("http://127.0.0.1:9/v1", "judge", retries=0)) as connection:  # noqa: SIM117
        with pytest.raises(
            EndpointError, match=r"127.0.0.1:9/v1 \(model judge\) cannot be reached"
        ):
            connection.ask(QUESTION)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://host/v1", "no address"),
        ("localhost:8000", "no address"),
        (f"https://me:{KEY}@host/v1", "holds a user"),
        (f"https://host/v1?key={KEY}", "holds a user, a password or a query"),
        ("http://gpu.example.org/v1", "without encryption"),
    ],
)
def test_addresses_that_would_give_the_key_away_are_refused(url, said):
    with pytest.raises(EndpointError, match=said) as raised:
        Endpoint(url, "judge")
    assert KEY not in str(raised.value)


def test_without_a_key_a_server_of_ones_own_may_be_anywhere(monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE)
    Endpoint("http://gpu.example.org/v1", "judge")
    with (
        served(lambda _: completion("7")) as server,
        connected(Endpoint(server.url, "judge")) as connection,
    ):
        connection.ask(QUESTION)
    assert server.keys == {"Bearer none"}
