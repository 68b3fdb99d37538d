"""The tokens that a model reads of a text, decoded, with those that are pooled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.core.pole_contrast import PoleTokens, clearly_apart, pole_contrast
from backend.extraction.spans import EncodedText
from backend.types import POLES, Pooling, Prompt, PromptTokens, ReadToken


def read_tokens(tokenizer: Any, encoded: EncodedText, pooling: Pooling) -> tuple[ReadToken, ...]:
    """The tokens of an encoded text, in order.

    Args:
        tokenizer: that encoded it.
        encoded: a prompt, or a response in its conversation.
        pooling: how it is pooled.
    """
    return tuple(
        ReadToken(tokenizer.decode([token]), pooled)
        for token, pooled in zip(encoded.ids, encoded.pooled(pooling), strict=True)
    )


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
    """Sentences on traits whose poles differ in so few tokens that a pooling hardly sees them.

    Args:
        prompts: all prompts of a study.
        tokens: of the same.
        pooling: how they are pooled.
    """
    if pooling == "before":  # what is read stands before the prompt's own tokens
        return ()
    groups: dict[tuple[str, str], dict[str, list[PoleTokens]]] = {}
    for prompt, own in zip(prompts, tokens, strict=True):
        group = groups.setdefault((prompt.trait, prompt.prompt_set), {pole: [] for pole in POLES})
        group[prompt.pole].append(PoleTokens(own.ids, (own.last,)))
    spelled = {own.last: own.last_text for own in tokens}
    found: list[str] = []
    for (trait, prompt_set), poles in groups.items():
        if poles["high"] and poles["low"] and clearly_apart(poles["high"], poles["low"]):
            continue
        contrast = pole_contrast(poles["high"], poles["low"])
        if contrast is not None:
            where = f"{trait}, prompt set {prompt_set}"
            found += contrast.sentences(where, pooling, spelled.__getitem__)
    return tuple(found)
