"""A study's identity: its content, whatever file format and row order it came in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backend.types import Message, Prompt, Response, Study


def content_hash(study: Study) -> str:
    """First 12 hex digits of sha256 over the study's content.

    The name, the file format, the way a number is written (7 or 7.0) and the order of rows do
    not enter.

    Args:
        study: a valid study.
    """
    content = {
        "title": study.title,
        "description": study.description,
        "licence": study.licence,
        "provenance": study.provenance,
        "score_range": [float(bound) for bound in study.score_range],
        "traits": [[trait, text] for trait, text in study.traits.items()],
        "prompts": sorted(map(_prompt, study.prompts)),
        "responses": sorted((_response(r) for r in study.responses), key=json.dumps),
    }
    digest = hashlib.sha256()
    for part in _canonical(content):
        digest.update(part.encode())
    return digest.hexdigest()[:12]


def _canonical(content: Mapping[str, Any]) -> Iterator[str]:
    """Compact JSON of the content with sorted keys, in parts: a study may be large."""
    for number, (key, value) in enumerate(sorted(content.items())):
        yield f"{',' if number else '{'}{_json(key)}:"
        if isinstance(value, list):
            yield "["
            for place, item in enumerate(value):
                yield f"{',' if place else ''}{_json(item)}"
            yield "]"
        else:
            yield _json(value)
    yield "}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _prompt(prompt: Prompt) -> list[str]:
    # As with responses: what few studies have enters only where it is there.
    more = [] if prompt.pair is None else [prompt.pair]
    if prompt.messages:
        more = [prompt.pair or "", _json(_chat(prompt.messages))]
    return [prompt.trait, prompt.pole, prompt.prompt_set, prompt.text, *more]


def _chat(messages: Sequence[Message]) -> list[list[str]]:
    return [[message.role, message.content] for message in messages]


def _response(response: Response) -> list[Any]:
    # What few studies have enters only where it is there, so that the others keep their hash.
    more: dict[str, Any] = {}
    if response.group is not None:
        more["group"] = response.group
    if response.repeats:
        more["repeats"] = sorted([t, sorted(values)] for t, values in response.repeats.items())
    return [
        response.scenario,
        response.turn or "",
        response.responder,
        response.text,
        _chat(response.messages),
        sorted([trait, float(score)] for trait, score in response.scores.items()),
        *([more] if more else []),
    ]
