"""A chat as the tokens that a model reads, and which of them it wrote itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backend.errors import ExtractionError, MissingChatTemplate
from backend.extraction.spans import render_chat
from backend.models.load import LoadedModel

_NAME = "this chat"
# Private-use characters that no template changes or strips stand in for each message.
_MARK = "\ue000{place}\ue001"


@dataclass(frozen=True)
class Chat:
    """A chat that ends with the user.

    Attributes:
        said: by the user, at least one.
        answered: by the model, to all but the last.
        system: the system prompt; empty for none.
    """

    said: tuple[str, ...]
    answered: tuple[str, ...] = ()
    system: str = ""


@dataclass(frozen=True)
class EncodedChat:
    """A chat as tokens.

    Attributes:
        ids: up to where the model is to answer.
        written: of each, whether it belongs to an earlier answer.
    """

    ids: tuple[int, ...]
    written: tuple[bool, ...]


def encode_chat(loaded: LoadedModel, chat: Chat) -> EncodedChat:
    """The tokens of a chat up to where the model is to answer.

    A model without a chat template continues plain text: what was said and answered, end to end.

    Args:
        loaded: the model.
        chat: ends with the user.

    Raises:
        MissingChatTemplate: there is a system prompt, and no template to put it into.
        ExtractionError: the template refuses, drops or rewrites a message, or nothing is left to
            read.
    """
    with_template = loaded.tokenizer.chat_template is not None
    text, spans = _templated(loaded.tokenizer, chat) if with_template else _plain(loaded, chat)
    encoding = loaded.tokenizer(
        text, add_special_tokens=not with_template, return_offsets_mapping=True, truncation=False
    )
    if not encoding["input_ids"]:
        raise ExtractionError(
            "There is nothing for the model to continue.",
            expected="a text of at least one token.",
            remedy="write something.",
        )
    written = tuple(
        right > left and any(left < end and right > start for start, end in spans)
        for left, right in encoding["offset_mapping"]
    )
    return EncodedChat(tuple(encoding["input_ids"]), written)


def _plain(loaded: LoadedModel, chat: Chat) -> tuple[str, list[tuple[int, int]]]:
    """A chat as plain text, and the characters of its answers."""
    if chat.system:
        raise MissingChatTemplate(
            f"The tokenizer of {loaded.resolved.reference} has no chat template, so it has no "
            "place for a system prompt.",
            expected="an instruct model, or no system prompt.",
            remedy="leave the system prompt empty, or write it at the beginning of the text.",
        )
    text, spans = "", []
    for place, said in enumerate(chat.said):
        text += said
        if place < len(chat.answered):
            spans.append((len(text), len(text) + len(chat.answered[place])))
            text += chat.answered[place]
    return text, spans


def _templated(tokenizer: Any, chat: Chat) -> tuple[str, list[tuple[int, int]]]:
    """A chat in its template, and the characters of its answers.

    What the template itself says is found by rendering marks in place of the messages.
    """
    messages = [{"role": "system", "content": chat.system}] if chat.system else []
    for place, said in enumerate(chat.said):
        messages.append({"role": "user", "content": said})
        if place < len(chat.answered):
            messages.append({"role": "assistant", "content": chat.answered[place]})
    rendered = render_chat(tokenizer, messages, _NAME, answering=True)
    marks = [_MARK.format(place=place) for place in range(len(messages))]
    marked = [one | {"content": mark} for one, mark in zip(messages, marks, strict=True)]
    outline = render_chat(tokenizer, marked, _NAME, answering=True)
    order = sorted(range(len(marks)), key=lambda place: outline.find(marks[place]))
    spans, at, done = [], 0, 0
    for place in order:
        message, mark = messages[place], marks[place]
        start = outline.find(mark)
        literal = outline[done:start]
        begin = at + len(literal)
        own = next(
            (
                text
                for text in (message["content"], message["content"].strip())
                if start >= 0 and rendered.startswith(literal + text, at)
            ),
            None,
        )
        if own is None:
            raise ExtractionError(
                f"The chat template drops or rewrites the {message['role']} message "
                f"{message['content'][:40]!r}.",
                expected="a template that prints every message (ends may be trimmed).",
                remedy="reword the message, or use another model.",
            )
        if message["role"] == "assistant":
            spans.append((begin, begin + len(own)))
        at, done = begin + len(own), start + len(mark)
    return rendered, spans
