"""A server on loopback that speaks the interface of OpenAI, and answers as a test says."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

PATH = "/v1/chat/completions"
Reply = dict | Response


def completion(text="", *, finish="stop", refusal=None, tokens=None, second=None) -> dict:
    """A chat completion as OpenAI's interface has it.

    Args:
        text: of the answer.
        finish: why it ends.
        refusal: text of a refusal.
        tokens: likeliest first tokens -> probability; None for no log probabilities.
        second: token that follows the first.
    """
    logprobs = None
    if tokens is not None:
        likeliest = [
            {"token": token, "logprob": math.log(p), "bytes": None} for token, p in tokens.items()
        ]
        content = [{**likeliest[0], "top_logprobs": likeliest}] if likeliest else []
        if second is not None:
            content.append({"token": second, "logprob": 0.0, "bytes": None, "top_logprobs": []})
        logprobs = {"content": content, "refusal": None}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "judge",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text, "refusal": refusal},
                "logprobs": logprobs,
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102},
    }


class Served:
    """A running endpoint.

    Attributes:
        url: base address.
        asked: bodies of the requests, in the order they came.
        keys: what stood in Authorization.
        most_at_once: requests that were in flight together.
    """

    def __init__(self, server: HTTPServer, reply: Callable[[dict], Reply]) -> None:
        self.url = server.url_for("/v1")
        self.asked: list[dict] = []
        self.keys: set[str] = set()
        self.most_at_once = 0
        self.reply = reply
        self._lock = threading.Lock()
        self._now = 0
        server.expect_request(PATH, method="POST").respond_with_handler(self._handle)

    def _handle(self, request: Request) -> Response:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self.asked.append(request.get_json())
            self.keys.add(request.headers["Authorization"])
        try:
            reply = self.reply(request.get_json())
        finally:
            with self._lock:
                self._now -= 1
        if isinstance(reply, Response):
            return reply
        return Response(json.dumps(reply), content_type="application/json")


@contextmanager
def served(reply: Callable[[dict], Reply]) -> Iterator[Served]:
    """An endpoint that answers what a function makes of each request's body."""
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield Served(server, reply)


def after(seconds: float, reply: Reply) -> Reply:
    """A reply that comes late."""
    time.sleep(seconds)
    return reply


def failure(status: int, said: str, **headers: str) -> Response:
    """An error as OpenAI's interface tells it; ``_`` in a header's name is a dash."""
    body = json.dumps({"error": {"message": said, "type": "x", "code": "x"}})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(body, status, named, content_type="application/json")
