"""The tokens that a model reads of a text, decoded, with those that are pooled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backend.core.pole_contrast import PoleTokens, pole_contrast
from backend.extraction.spans import EncodedText
from backend.types import POLES, Pooling, Prompt, ReadToken


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


def contrast_notices(
    tokenizer: Any, prompts: Sequence[Prompt], encoded: Sequence[EncodedText], pooling: Pooling
) -> tuple[str, ...]:
    """Sentences on traits whose poles differ in so few tokens that a pooling hardly sees them.

    Args:
        tokenizer: that encoded the prompts.
        prompts: all prompts of a study.
        encoded: the same, encoded.
        pooling: how they are pooled.
    """
    groups: dict[tuple[str, str], dict[str, list[PoleTokens]]] = {}
    for prompt, text in zip(prompts, encoded, strict=True):
        own = tuple(t for t, wanted in zip(text.ids, text.wanted, strict=True) if wanted)
        kept = tuple(t for t, taken in zip(text.ids, text.pooled(pooling), strict=True) if taken)
        group = groups.setdefault((prompt.trait, prompt.prompt_set), {pole: [] for pole in POLES})
        group[prompt.pole].append(PoleTokens(own, kept))
    found: list[str] = []
    for (trait, prompt_set), poles in groups.items():
        contrast = pole_contrast(poles["high"], poles["low"])
        if contrast is not None:
            where = f"{trait}, prompt set {prompt_set}"
            found += contrast.sentences(where, pooling, lambda token: tokenizer.decode([token]))
    return tuple(found)
