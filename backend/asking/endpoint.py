"""An OpenAI-compatible endpoint, by the client of the ``openai`` package.

The key comes from the environment alone, and is taken out of whatever comes back, so that it can
stand in no file, log or message.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import logging
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from backend.asking.question import Answer, Question
from backend.errors import EndpointError
from backend.types import chat_values

if TYPE_CHECKING:
    import openai

KEY_VARIABLE = "OPENAI_API_KEY"
# The most that OpenAI gives, and vLLM by default.
_TOP = 20
_BROKEN_AGAIN = 3
# Sent where no key is set, as the client wants one: servers of one's own ask for none.
_NO_KEY = "none"


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers.

    Attributes:
        url: base address of its interface, such as ``http://localhost:8000/v1``.
        model: name of the model there.
        retries: how often a request is sent again after a rate limit, a fault of the server or a
            lost connection; with Retry-After as the server says, else with growing pauses.
        seconds: longest wait for one answer.
    """

    url: str
    model: str
    retries: int = 8
    seconds: float = 300.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EndpointError(
                f"{_without_secrets(self.url)[:120]!r} is no address of an endpoint.",
                expected="one such as https://api.openai.com/v1 or http://localhost:8000/v1.",
                remedy="give the base address with --endpoint; the client adds /chat/completions.",
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise EndpointError(
                "The address of the endpoint holds a user, a password or a query.",
                expected="a plain address: it is kept with the scores.",
                remedy=f"give the key in the environment variable {KEY_VARIABLE} instead.",
            )
        if not self.model.strip() or not self.model.isprintable():
            raise EndpointError(
                f"{self.model!r} names no model.",
                expected="the name by which the endpoint knows it.",
                remedy="name it with --model.",
            )
        if os.environ.get(KEY_VARIABLE) and parts.scheme == "http" and not _loopback(self.url):
            raise EndpointError(
                f"The key in {KEY_VARIABLE} would travel to {parts.hostname} without encryption.",
                expected="https://, or http:// on this machine.",
                remedy=f"use https://, or unset {KEY_VARIABLE} if this server asks for no key.",
            )


class Connection:
    """An open endpoint; several threads may ask at once.

    Args:
        endpoint: where.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        # Imported here: it takes a second, and few commands ask a model.
        import openai

        # They say every request at INFO, with its address.
        for name in ("httpx", "httpx2", "openai"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._endpoint = endpoint
        self._key = os.environ.get(KEY_VARIABLE) or ""
        self._client = openai.OpenAI(
            base_url=endpoint.url,
            api_key=self._key or _NO_KEY,
            max_retries=endpoint.retries,
            timeout=endpoint.seconds,
        )
        self._length = "max_tokens"

    def ask(self, question: Question) -> Answer:
        """The answer to one question.

        Args:
            question: what is asked.

        Raises:
            EndpointError: it cannot be asked, or not now.
        """
        began = time.monotonic()
        completion = self._completion(question)
        try:
            return self._answer(completion, time.monotonic() - began)
        except (AttributeError, TypeError, ValueError, OverflowError):
            # The client makes an object of any JSON, whatever it lacks.
            raise self._fault(
                "answered in another form than a chat completion", "use another endpoint."
            ) from None

    def _answer(self, completion: object, seconds: float) -> Answer:
        choice = next(iter(getattr(completion, "choices", None) or ()), None)
        message = getattr(choice, "message", None)
        if choice is None or message is None:
            raise self._fault("answered without a choice", "use another endpoint or model.")
        content = getattr(choice.logprobs, "content", None) or []
        usage = getattr(completion, "usage", None)
        return Answer(
            text=self._hide(message.content or getattr(message, "refusal", None) or ""),
            finish=self._hide(str(choice.finish_reason or "")),
            refused=bool(getattr(message, "refusal", None))
            or choice.finish_reason == "content_filter",
            probabilities=self._probabilities(content[0]) if content else {},
            second_token=self._hide(content[1].token) if len(content) > 1 else "",
            tokens_in=getattr(usage, "prompt_tokens", None),
            tokens_out=getattr(usage, "completion_tokens", None),
            seconds=round(seconds, 3),
            at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _probabilities(self, first: Any) -> dict[str, float]:
        """Token -> probability; the same token may come twice, as bytes that differ."""
        found: dict[str, float] = {}
        for entry in first.top_logprobs or ():
            token = self._hide(entry.token)
            found[token] = found.get(token, 0.0) + math.exp(entry.logprob)
        return found

    def _completion(self, question: Question) -> object:
        """What the client makes of the endpoint's reply. A reply that is no JSON is asked for
        again, as the client does not."""
        for last in (False,) * (_BROKEN_AGAIN - 1) + (True,):
            try:
                completion = self._request(question)
            except json.JSONDecodeError:
                if last:
                    raise self._fault(
                        f"answered {_BROKEN_AGAIN} times with what is no JSON",
                        "look whether the address ends as the server wants it, such as in /v1.",
                    ) from None
                continue
            if not isinstance(completion, str):  # what the client makes of a page of HTML
                return completion
        raise self._fault(
            "answered with text instead of JSON",
            "look whether the address ends as the server wants it, such as in /v1.",
        )

    def _request(self, question: Question) -> object:
        import openai

        wanted: dict[str, Any] = {self._length: question.most_tokens}
        if question.probabilities:
            wanted |= {"logprobs": True, "top_logprobs": _TOP}
        try:
            return self._client.chat.completions.create(
                model=self._endpoint.model,
                messages=chat_values(question.messages),  # type: ignore[arg-type]
                temperature=question.temperature,
                seed=question.seed,
                **wanted,
            )
        except openai.BadRequestError as fault:
            if "max_completion_tokens" in str(fault) and self._length == "max_tokens":
                # Newer models of OpenAI know the length by this name alone, older servers not.
                self._length = "max_completion_tokens"
                return self._request(question)
            raise self._told(fault) from None
        except openai.APIError as fault:
            raise self._told(fault) from None

    def _told(self, fault: openai.APIError) -> EndpointError:
        """A fault of the client, as a user can mend it. Its cause is left out: what a server says
        may hold the key that it was sent."""
        import openai

        if isinstance(fault, openai.APITimeoutError):
            return self._fault("did not answer in time", "try later; what was answered is kept.")
        if isinstance(fault, openai.APIConnectionError):
            return self._fault("cannot be reached", "start the server, or correct the address.")
        said = self._hide(str(fault))[:300]
        if isinstance(fault, openai.AuthenticationError | openai.PermissionDeniedError):
            return self._fault(
                f"refused the key: {said}", f"set {KEY_VARIABLE} in the environment."
            )
        if isinstance(fault, openai.RateLimitError):
            return self._fault(
                f"still limits the rate after {self._endpoint.retries} retries: {said}",
                "wait, or ask fewer at once (--at-once); what was answered is kept.",
            )
        if isinstance(fault, openai.InternalServerError):
            return self._fault(
                f"failed after {self._endpoint.retries} retries: {said}",
                "try later; what was answered is kept.",
            )
        return self._fault(
            f"refused a request: {said}", "change what it names, or use another model."
        )

    def _fault(self, what: str, remedy: str) -> EndpointError:
        return EndpointError(
            f"{self._endpoint.url} (model {self._endpoint.model}) {what}",
            expected="an answer of an OpenAI-compatible endpoint (/chat/completions).",
            remedy=remedy,
        )

    def _hide(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


@contextmanager
def connected(endpoint: Endpoint) -> Iterator[Connection]:
    """The endpoint, open.

    Args:
        endpoint: where; nothing is sent before the first question.
    """
    connection = Connection(endpoint)
    try:
        yield connection
    finally:
        connection.close()


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _without_secrets(url: str) -> str:
    return url.rpartition("@")[2].partition("?")[0]
