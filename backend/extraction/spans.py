"""Which tokens of a text are pooled.

Spans are found by the tokenizer's character offsets in the very string the model reads.
Tokenising a prefix again to count its tokens would shift the span wherever a token merges
across the boundary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import ExtractionError, SpanNotFound, TextTooLong
from backend.types import Prompt, Response

# Some chat templates print today's date; a fixed one makes a run repeatable. They ask for it by
# a variable or by a function, which a macro of the same name overrides.
TEMPLATE_DATE = "26 Jul 2024"
_FIXED_DATE = (
    "{%- macro strftime_now(format) -%}{%- if format == '%Y-%m-%d' -%}2024-07-26{%- else -%}"
    + TEMPLATE_DATE
    + "{%- endif -%}{%- endmacro -%}"
)
# Stands in for the response while its place in the template is found; private-use characters
# that no template changes or strips.
_PLACEHOLDER = "\ue000response\ue001"


@dataclass(frozen=True)
class EncodedText:
    """A text as the model reads it.

    Attributes:
        ids: token ids, special tokens included.
        wanted: for each token, whether it is pooled; at least one is.
    """

    ids: tuple[int, ...]
    wanted: tuple[bool, ...]

    @property
    def wanted_count(self) -> int:
        """How many tokens are pooled."""
        return sum(self.wanted)


def encode_prompt(tokenizer: Any, prompt: Prompt) -> EncodedText:
    """Encode a template prompt as plain text; all but special tokens are pooled.

    Args:
        tokenizer: a fast transformers tokenizer.
        prompt: the prompt.

    Raises:
        SpanNotFound: the text has no ordinary token.
    """
    return _encode_plain(tokenizer, prompt.text, f"prompt {prompt.text[:60]!r}")


def encode_response(tokenizer: Any, response: Response) -> EncodedText:
    """Encode a response inside its chat-templated conversation; only its own tokens are pooled.

    A response without messages is read as plain text, like a prompt. A token that reaches over
    the response's edge (a space merged into its first word) belongs to the response.

    Args:
        tokenizer: a fast transformers tokenizer with a chat template (if there are messages).
        response: the response.

    Raises:
        ExtractionError: the template refuses the conversation.
        SpanNotFound: the template alters the response beyond trimming its ends.
    """
    name = f"response {response.scenario}/{response.turn or 'single'}"
    if not response.messages:
        return _encode_plain(tokenizer, response.text, name)
    conversation = [{"role": m.role, "content": m.content} for m in response.messages]
    rendered = _render(tokenizer, conversation, response.text, name)
    start, end = _response_span(tokenizer, conversation, response.text, rendered, name)
    encoding = tokenizer(
        rendered, add_special_tokens=False, return_offsets_mapping=True, truncation=False
    )
    wanted = tuple(
        left < end and right > start and right > left for left, right in encoding["offset_mapping"]
    )
    return _checked(encoding["input_ids"], wanted, name)


def check_lengths(encoded: Sequence[EncodedText], names: Sequence[str], limit: int | None) -> None:
    """Refuse texts longer than the model's positions, naming them all.

    Raises:
        TextTooLong: some are; a truncated conversation would silently be another conversation.
    """
    if limit is None:
        return
    long = [(n, len(e.ids)) for n, e in zip(names, encoded, strict=True) if len(e.ids) > limit]
    if not long:
        return
    shown = ", ".join(f"{name} ({count} tokens)" for name, count in long[:5])
    more = f" and {len(long) - 5} more" if len(long) > 5 else ""
    raise TextTooLong(
        f"{len(long)} of {len(encoded)} texts are longer than the model's {limit} positions: "
        f"{shown}{more}.",
        expected=f"at most {limit} tokens a text, conversation included.",
        remedy="shorten those conversations in the study, or choose a model with a longer context.",
    )


def _encode_plain(tokenizer: Any, text: str, name: str) -> EncodedText:
    encoding = tokenizer(
        text, add_special_tokens=True, return_special_tokens_mask=True, truncation=False
    )
    wanted = tuple(flag == 0 for flag in encoding["special_tokens_mask"])
    return _checked(encoding["input_ids"], wanted, name)


def _checked(ids: Sequence[int], wanted: tuple[bool, ...], name: str) -> EncodedText:
    if not any(wanted):
        raise SpanNotFound(
            f"No token is left to pool in {name}.",
            expected="at least one ordinary token.",
            remedy="check that the text has visible characters the tokenizer knows.",
        )
    return EncodedText(tuple(ids), wanted)


def _render(tokenizer: Any, conversation: list[dict[str, str]], text: str, name: str) -> str:
    from jinja2.exceptions import TemplateError

    template = tokenizer.get_chat_template()
    if "strftime_now" in template:
        template = _FIXED_DATE + template
    try:
        rendered = tokenizer.apply_chat_template(
            [*conversation, {"role": "assistant", "content": text}],
            tokenize=False,
            chat_template=template,
            date_string=TEMPLATE_DATE,
        )
    except TemplateError as fault:
        roles = ", ".join(m["role"] for m in conversation)
        raise ExtractionError(
            f"The model's chat template refuses the conversation of {name}: {fault}.",
            expected=f"roles that the template accepts (here: {roles}, then the assistant).",
            remedy="merge a system message into the first user message, or use another model.",
        ) from fault
    return str(rendered)


def _response_span(
    tokenizer: Any, conversation: list[dict[str, str]], text: str, rendered: str, name: str
) -> tuple[int, int]:
    """Character span of the response in the rendered conversation."""
    outline = _render(tokenizer, conversation, _PLACEHOLDER, name)
    place = outline.rfind(_PLACEHOLDER)
    before, after = outline[:place], outline[place + len(_PLACEHOLDER) :]
    end = len(rendered) - len(after)
    fits = place >= 0 and rendered.startswith(before) and rendered.endswith(after)
    if not fits or rendered[len(before) : end].strip() != text.strip():
        raise SpanNotFound(
            f"The chat template changes the text of {name}, so its tokens cannot be told apart.",
            expected="a template that prints the response as it is (ends may be trimmed).",
            remedy="remove template markers (such as thinking tags) from the response's text.",
        )
    body = rendered[len(before) : end]
    lead = len(body) - len(body.lstrip())
    return len(before) + lead, len(before) + len(body.rstrip())
