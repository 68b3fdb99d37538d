"""The tokens that a model reads of a text, decoded, with those that are pooled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.core.pole_contrast import (
    PoleTokens,
    clearly_apart,
    pole_contrast,
    unread_contrast,
)
from backend.extraction.spans import EncodedText
from backend.poolings import taken_tokens, takes_first
from backend.types import POLES, Pooling, Prompt, PromptTokens, ReadToken

# What a tokenizer puts for the bytes of a character that lacks some, of which it has four at most.
_UNFINISHED = "\ufffd"
_LONGEST_CHARACTER = 3


def read_tokens(tokenizer: Any, encoded: EncodedText, pooling: Pooling) -> tuple[ReadToken, ...]:
    """The tokens of an encoded text, in order.

    Args:
        tokenizer: that encoded it.
        encoded: a prompt, or a response in its conversation.
        pooling: how it is pooled.
    """
    return tuple(
        ReadToken(text, pooled)
        for text, pooled in zip(
            token_texts(tokenizer, encoded.ids), encoded.pooled(pooling), strict=True
        )
    )


def token_texts(tokenizer: Any, ids: Sequence[int]) -> tuple[str, ...]:
    """What each token of a text stands for; together they are the text, special tokens included.

    A token by itself is not enough: some tokenizers leave out the space before a text's first
    word, and the bytes of one character may be several tokens. Such a character stands at the last
    of them, and the others stand for nothing.

    Args:
        tokenizer: that made the ids.
        ids: of the tokens, in order.
    """

    def spelled(start: int, stop: int) -> str:
        return str(tokenizer.decode(list(ids[start:stop]), clean_up_tokenization_spaces=False))

    found: list[str] = []
    # Each token is spelled with those from ``start``, and what those before it spell is taken off.
    start = read = 0
    for place in range(len(ids)):
        before, now = spelled(start, read), spelled(start, place + 1)
        unfinished = now.endswith(_UNFINISHED) and place + 1 < len(ids)
        if unfinished and place - read < _LONGEST_CHARACTER:
            found.append("")
            continue
        found.append(now[len(before) :])
        start, read = read, place + 1
    return tuple(found)


def after_text(tokenizer: Any, ids: Sequence[int]) -> tuple[str, ...]:
    """What single tokens stand for where text is before them, so that a space is not lost.

    Args:
        tokenizer: whose tokens they are.
        ids: of the tokens.
    """
    before = tokenizer("a", add_special_tokens=False)["input_ids"]
    return tuple(token_texts(tokenizer, [*before, token])[-1] for token in ids)


def prompt_tokens(
    tokenizer: Any, encoded: Sequence[EncodedText], pooling: Pooling
) -> tuple[PromptTokens, ...]:
    """What is kept of the tokens of each prompt.

    Args:
        tokenizer: that encoded the prompts.
        encoded: the prompts, each with a token to pool.
        pooling: how they are pooled.
    """
    found = []
    for text in encoded:
        own = tuple(t for t, wanted in zip(text.ids, text.wanted, strict=True) if wanted)
        kept = [t for t, taken in zip(text.ids, text.pooled(pooling), strict=True) if taken]
        found.append(PromptTokens(own, kept[-1], tokenizer.decode([kept[-1]])))
    return tuple(found)


def contrast_notices(
    prompts: Sequence[Prompt], tokens: Sequence[PromptTokens], pooling: Pooling
) -> tuple[str, ...]:
    """Sentences on traits whose poles differ in so few tokens that a pooling hardly sees them, or
    in none that it sees.

    Args:
        prompts: all prompts of a study.
        tokens: of the same.
        pooling: how they are pooled.
    """
    groups: dict[tuple[str, str], dict[str, list[PoleTokens]]] = {}
    for prompt, own in zip(prompts, tokens, strict=True):
        group = groups.setdefault((prompt.trait, prompt.prompt_set), {pole: [] for pole in POLES})
        group[prompt.pole].append(_pole_tokens(prompt, own, pooling))
    spelled = {own.last: own.last_text for own in tokens}
    found: list[str] = []
    for (trait, prompt_set), poles in groups.items():
        where = f"{trait}, prompt set {prompt_set}"
        high, low = poles["high"], poles["low"]
        unread = unread_contrast(high, low, where, pooling, spelled.__getitem__)
        if unread is not None:
            found.append(unread)
            continue
        # The token before a text is the template's; what it has read stands in the chat.
        if pooling == "before" or (high and low and clearly_apart(high, low)):
            continue
        contrast = pole_contrast(high, low)
        if contrast is not None:
            found += contrast.sentences(where, pooling, spelled.__getitem__)
    return tuple(found)


def _pole_tokens(prompt: Prompt, own: PromptTokens, pooling: Pooling) -> PoleTokens:
    """A prompt as it is compared with those of the other pole."""
    # Whether its first token is at position 0 is not kept; it is read in any case.
    taken = taken_tokens("mean" if pooling == "mean_rest" else pooling, [True] * len(own.ids))
    end = max((place + 1 for place, one in enumerate(taken) if one), default=0)
    text = prompt.text.strip()
    # The text tells more than all of its ordinary tokens, in which special ones are left out.
    read = text if end == len(own.ids) else own.ids[:end]
    return PoleTokens(
        ids=own.ids[:end] if takes_first(pooling) else own.ids,
        pooled=(own.last,),
        chat=prompt.messages,
        read=(prompt.messages, read, own.last),
        whole=(prompt.messages, text),
    )
