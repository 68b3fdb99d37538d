"""Which tokens of a text are pooled.

Spans are found by the tokenizer's character offsets in the very string the model reads.
Tokenising a prefix again to count its tokens would shift the span wherever a token merges
across the boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from backend.errors import ExtractionError, SpanNotFound, TextTooLong
from backend.poolings import taken_tokens, takes_one
from backend.types import Message, Pooling, Prompt, Response, chat_values

# Names of texts that an error lists; the others are counted.
SHOWN = 5
# Some chat templates print today's date; a fixed one makes a run repeatable. They ask for it by
# a variable or by a function, which a macro of the same name overrides.
TEMPLATE_DATE = "26 Jul 2024"
_FIXED_DATE = (
    "{%- macro strftime_now(format) -%}{%- if format == '%Y-%m-%d' -%}2024-07-26{%- else -%}"
    + TEMPLATE_DATE
    + "{%- endif -%}{%- endmacro -%}"
)
# Stands in for a text while its place in the template is found; private-use characters that no
# template changes or strips.
_PLACEHOLDER = "\ue000response\ue001"
_MARK = "\ue000{place}\ue001"
# Characters that are told of what a template says.
_SAID = 200
_MEND_TEMPLATE = (
    "mend the template (chat_template.jinja or tokenizer_config.json in its folder), or use "
    "another model"
)
# Why a pooling leaves nothing of a text: what is said of the texts, what was expected, the remedy.
_TOO_SHORT = {
    "mean_rest": (
        "are one token long, and the mean without the first token leaves nothing of them",
        "at least two tokens in every text that the model reads from its first token.",
        "lengthen or remove those texts in the study, or pool by mean or last.",
    ),
    "before": (
        "have no token before them",
        "a chat before every prompt and response, or a tokenizer that begins a text with a token.",
        "give them messages in the study, or pool by mean or last.",
    ),
}
_TOO_FEW = (
    "have fewer tokens than that",
    "as many tokens in every text as the pooling counts from the end.",
    "lengthen or remove those texts in the study, or count fewer tokens.",
)


@dataclass(frozen=True)
class EncodedText:
    """A text as the model reads it.

    Attributes:
        ids: token ids, special tokens included.
        wanted: for each token, whether it is one of the text's own; at least one is.
    """

    ids: tuple[int, ...]
    wanted: tuple[bool, ...]

    def pooled(self, pooling: Pooling) -> tuple[bool, ...]:
        """Which tokens a pooling takes; none where it leaves out all of them.

        Position 0 is that of the sequence: a token that the tokenizer or a chat template puts
        before the text is there instead, and then ``mean_rest`` and ``mean`` are the same.
        """
        return taken_tokens(pooling, self.wanted)

    def count(self, pooling: Pooling) -> int:
        """How many tokens a mean is over; where a single one is taken, how many the text has."""
        return sum(self.wanted if takes_one(pooling) else self.pooled(pooling))


def prompt_name(prompt: Prompt) -> str:
    """How a prompt is named to people: by its first words."""
    return f"prompt {prompt.text[:40]!r}"


def response_name(response: Response) -> str:
    """How a response is named to people: by its scenario and turn."""
    return f"response {response.scenario}/{response.turn or 'single'}"


def encode_all(
    tokenizer: Any, prompts: Sequence[Prompt], responses: Sequence[Response]
) -> tuple[EncodedText, ...]:
    """Encode every text of a study, prompts first.

    Args:
        tokenizer: a fast transformers tokenizer, with a chat template if there are messages.
        prompts: the template prompts.
        responses: the responses.

    Raises:
        ExtractionError: some texts cannot be encoded; all of them are listed at once.
    """
    found: list[EncodedText] = []
    faults: dict[str, list[tuple[str, ExtractionError]]] = {}
    tasks: list[tuple[str, Callable[[], EncodedText]]] = [
        *((prompt_name(p), partial(encode_prompt, tokenizer, p)) for p in prompts),
        *((response_name(r), partial(encode_response, tokenizer, r)) for r in responses),
    ]
    for name, encode in tasks:
        try:
            found.append(encode())
        except ExtractionError as fault:
            faults.setdefault(fault.remedy, []).append((name, fault))
    if faults:
        raise _together(list(faults.values()), len(tasks))
    return tuple(found)


def encode_prompt(tokenizer: Any, prompt: Prompt) -> EncodedText:
    """Encode a template prompt: as plain text, all of whose tokens but special ones are wanted, or
    with messages as a response in its conversation.

    Args:
        tokenizer: a fast transformers tokenizer, with a chat template if there are messages.
        prompt: the prompt.

    Raises:
        ExtractionError: as for a response.
        SpanNotFound: likewise.
    """
    return _encode(tokenizer, prompt.messages, prompt.text, prompt_name(prompt))


def encode_response(tokenizer: Any, response: Response) -> EncodedText:
    """Encode a response inside its chat-templated conversation; only its own tokens are wanted.

    A response without messages is read as plain text, like a prompt. A token that reaches over
    the response's edge (a space merged into its first word) belongs to the response. A special
    token does not, wherever it stands: an end of turn left in the text is no word of it.

    Args:
        tokenizer: a fast transformers tokenizer with a chat template (if there are messages).
        response: the response.

    Raises:
        ExtractionError: the template refuses the conversation, fails on it, or drops or rewrites
            part of it.
        SpanNotFound: the template alters the response beyond trimming its ends, or the response
            has no ordinary token.
    """
    return _encode(tokenizer, response.messages, response.text, response_name(response))


def _encode(tokenizer: Any, messages: Sequence[Message], text: str, name: str) -> EncodedText:
    if not messages:
        return _encode_plain(tokenizer, text, name)
    conversation = chat_values(messages)
    rendered = _render(tokenizer, conversation, text, name)
    start, end = _response_span(tokenizer, conversation, text, rendered, name)
    _check_history(tokenizer, conversation, rendered[:start], name)
    encoding = tokenizer(
        rendered, add_special_tokens=False, return_offsets_mapping=True, truncation=False
    )
    wanted = [
        left < end and right > start and right > left for left, right in encoding["offset_mapping"]
    ]
    return _checked(tokenizer, encoding["input_ids"], wanted, name)


def _together(
    kinds: Sequence[Sequence[tuple[str, ExtractionError]]], total: int
) -> ExtractionError:
    """One error for all texts that cannot be encoded, those of one remedy together.

    Args:
        kinds: per remedy, the texts' names and errors; at least one.
        total: texts in all.
    """
    first = kinds[0][0][1]
    if len(kinds) == 1 and len(kinds[0]) == 1:
        return first
    parts = []
    for faults in kinds:
        names = _listed([name for name, _ in faults])
        parts.append(
            f"{len(faults)} of {total} texts cannot be read: {names}. The first: "
            f"{faults[0][1].what}"
        )
    same = all(type(fault) is type(first) for faults in kinds for _, fault in faults)
    return (type(first) if same else ExtractionError)(
        " ".join(parts),
        expected=" ".join(faults[0][1].expected for faults in kinds),
        remedy=" ".join(faults[0][1].remedy for faults in kinds),
    )


def _listed(texts: Sequence[str]) -> str:
    """The first of some texts, and how many more there are. Args: what each is called."""
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more


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
    shown = _listed([f"{name} ({count} tokens)" for name, count in long])
    raise TextTooLong(
        f"{len(long)} of {len(encoded)} texts are longer than the model's {limit} positions: "
        f"{shown}.",
        expected=f"at most {limit} tokens a text, conversation included.",
        remedy="shorten those conversations in the study, or choose a model with a longer context.",
    )


def check_ids(encoded: Sequence[EncodedText], names: Sequence[str], rows: int | None) -> None:
    """Refuse texts with tokens that a model has no embedding of, naming them all.

    Args:
        encoded: the texts.
        names: of them, for people.
        rows: of the model's input embedding; None where it has no such table.

    Raises:
        ExtractionError: some have one; the tokenizer and the weights do not belong together.
    """
    if rows is None:
        return
    beyond = [(n, max(e.ids)) for n, e in zip(names, encoded, strict=True) if max(e.ids) >= rows]
    if not beyond:
        return
    shown = _listed([f"{name} (token {token})" for name, token in beyond])
    raise ExtractionError(
        f"{len(beyond)} of {len(encoded)} texts have tokens past the {rows} rows of the model's "
        f"input embedding: {shown}.",
        expected=f"token ids from 0 to {rows - 1}, as of the tokenizer that the model was trained "
        "with.",
        remedy="put the tokenizer that belongs to the weights into the model's folder, or use "
        "another model.",
    )


def check_pooling(encoded: Sequence[EncodedText], names: Sequence[str], pooling: Pooling) -> None:
    """Refuse texts of which a pooling leaves nothing, naming them all.

    Raises:
        SpanNotFound: some have no token besides the first, before their own, or so far from the
            end.
    """
    short = [n for n, e in zip(names, encoded, strict=True) if not any(e.pooled(pooling))]
    if not short:
        return
    what, expected, remedy = _TOO_SHORT.get(pooling, _TOO_FEW)
    raise SpanNotFound(
        f"{len(short)} of {len(encoded)} texts {what}: {_listed(short)}.",
        expected=expected,
        remedy=remedy,
    )


def special_tokens(tokenizer: Any) -> frozenset[int]:
    """Ids of a tokenizer's special tokens, wherever they stand. Args: the tokenizer."""
    added = {place for place, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(added | set(tokenizer.all_special_ids))


def _encode_plain(tokenizer: Any, text: str, name: str) -> EncodedText:
    encoding = tokenizer(
        text, add_special_tokens=True, return_special_tokens_mask=True, truncation=False
    )
    wanted = [flag == 0 for flag in encoding["special_tokens_mask"]]
    return _checked(tokenizer, encoding["input_ids"], wanted, name)


def _checked(
    tokenizer: Any, ids: Sequence[int], candidates: Sequence[bool], name: str
) -> EncodedText:
    # The tokenizer's own mask marks only the special tokens that it adds, not those in the text.
    special = special_tokens(tokenizer)
    wanted = tuple(
        wanted and token not in special for wanted, token in zip(candidates, ids, strict=True)
    )
    if not any(wanted):
        raise SpanNotFound(
            f"No token is left to pool in {name}.",
            expected="at least one ordinary token.",
            remedy="check that the text has visible characters the tokenizer knows.",
        )
    return EncodedText(tuple(ids), wanted)


def render_chat(
    tokenizer: Any, messages: Sequence[Mapping[str, str]], name: str, *, answering: bool = False
) -> str:
    """A chat as the string that its model reads; dates in a template are fixed.

    Args:
        tokenizer: with a chat template.
        messages: role and content of each.
        name: of the chat, for people.
        answering: whether it goes on to where the model is to answer.

    Raises:
        ExtractionError: the template refuses the chat, fails on it, or is no template.
    """
    try:
        template = tokenizer.get_chat_template()
        if "strftime_now" in template:
            template = _FIXED_DATE + template
        rendered = tokenizer.apply_chat_template(
            list(messages),
            tokenize=False,
            add_generation_prompt=answering,
            chat_template=template,
            date_string=TEMPLATE_DATE,
        )
    except MemoryError:  # told by where the limit is set
        raise
    except Exception as fault:  # a template is anybody's code, which can raise anything
        raise _template_fault(fault, [message["role"] for message in messages], name) from fault
    return str(rendered)


def chat_ids(tokenizer: Any, chat: Sequence[Message], name: str) -> list[int]:
    """The tokens of a chat up to where the model is to answer.

    Args:
        tokenizer: with a chat template.
        chat: ends with the user.
        name: of the chat, for people.

    Raises:
        ExtractionError: the template refuses the chat, fails on it, or is no template.
    """
    rendered = render_chat(tokenizer, chat_values(chat), name, answering=True)
    return list(tokenizer(rendered, add_special_tokens=False)["input_ids"])


def _template_fault(fault: Exception, roles: Sequence[str], name: str) -> ExtractionError:
    """What a template raised, as an error of the template or of the conversation.

    Args:
        fault: what it raised.
        roles: of the messages.
        name: of the chat, for people.
    """
    from jinja2.exceptions import TemplateError, TemplateSyntaxError

    said = (str(fault).splitlines() or [""])[0][:_SAID].rstrip(".")
    if isinstance(fault, TemplateSyntaxError):
        return ExtractionError(
            f"The model's chat template has a fault in line {fault.lineno}: {said}.",
            expected="a template in the language of Jinja, as transformers reads it.",
            remedy=f"get the model's files anew, {_MEND_TEMPLATE}.",
        )
    # What a template says itself, by raise_exception, is of no narrower kind.
    if type(fault) is not TemplateError:
        told = f"{type(fault).__name__}: {said}" if said else type(fault).__name__
        return ExtractionError(
            f"The model's chat template fails on the conversation of {name} with {told}.",
            expected="a template that renders the conversation of every text.",
            remedy=f"get the model's files anew, {_MEND_TEMPLATE}; if it fails on some texts only, "
            "their conversations can be changed instead.",
        )
    what = f"The model's chat template refuses the conversation of {name}: {said}."
    listed = ", ".join(roles)
    if "system" in roles:
        return ExtractionError(
            what,
            expected=f"roles that the template accepts (here: {listed}).",
            remedy="merge a system message into the first user message, or use another model.",
        )
    return ExtractionError(
        what,
        expected=f"a conversation that the template accepts (roles here: {listed}).",
        remedy="change those conversations as the template says, or use another model.",
    )


def _render(tokenizer: Any, conversation: list[dict[str, str]], text: str, name: str) -> str:
    return render_chat(tokenizer, [*conversation, {"role": "assistant", "content": text}], name)


def _check_history(
    tokenizer: Any, conversation: list[dict[str, str]], before: str, name: str
) -> None:
    """See that all that was said before the response is in what the model reads, in order.

    Only a system message may stand elsewhere: some templates put it into the last user message.

    Args:
        tokenizer: with the template.
        conversation: the messages before the response.
        before: the rendered conversation up to the response.
        name: of the response, for people.

    Raises:
        ExtractionError: the template drops or rewrites a message.
    """
    marked = [
        message | {"content": _MARK.format(place=place)}
        for place, message in enumerate(conversation)
    ]
    outline = _render(tokenizer, marked, _PLACEHOLDER, name)
    texts = [message["content"].strip() for message in conversation]
    marks = [message["content"] for message in marked]
    for text, wanted in ((outline, marks), (before, texts)):
        place = 0
        for message, content in zip(conversation, wanted, strict=True):
            system = message["role"] == "system"
            at = text.find(content, 0 if system else place)
            if at < 0:
                raise ExtractionError(
                    f"The chat template drops or rewrites the {message['role']} message "
                    f"{message['content'][:40]!r} before {name}, so the model would read another "
                    "conversation.",
                    expected="a template that prints every message, in order (ends may be "
                    "trimmed).",
                    remedy="remove thinking tags from earlier messages, put a system message that "
                    "the template drops into the first user message, or use another model.",
                )
            if not system:
                place = at + len(content)


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
