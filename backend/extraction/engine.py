"""Who runs the forward passes. Results do not depend on the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from backend.core.first_token import FirstTokens
from backend.errors import NotEnoughMemory
from backend.extraction.batches import default_budget, plan_batches
from backend.extraction.pooling import Pooled, PooledForward
from backend.extraction.spans import (
    EncodedText,
    check_lengths,
    check_pooling,
    encode_prompt,
    encode_response,
)
from backend.models.load import LoadedModel
from backend.types import Pooling, Prompt, Response


@dataclass(frozen=True)
class ExtractionPlan:
    """What an engine will run, in which batches.

    Attributes:
        texts: every text, prompts first, as the model reads it.
        batches: indices into ``texts``.
    """

    texts: tuple[EncodedText, ...]
    batches: tuple[tuple[int, ...], ...]

    def tokens(self, batch: int) -> int:
        """Real tokens in a batch, padding not counted."""
        return sum(len(self.texts[index].ids) for index in self.batches[batch])


class Pooler(Protocol):
    """Pools batches of encoded texts while it is open."""

    def pool(self, texts: Sequence[EncodedText]) -> Pooled:
        """Pooled activations of a batch."""


class LocalEngine:
    """This process, with its GPU or CPU.

    Args:
        loaded: the model to run.
    """

    name = "local"

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded

    def plan(
        self,
        prompts: Sequence[Prompt],
        responses: Sequence[Response],
        batch_tokens: int,
        pooling: Pooling,
    ) -> ExtractionPlan:
        """Encode all texts and group them into batches.

        Args:
            prompts: template prompts.
            responses: responses with their conversations.
            batch_tokens: padded tokens per batch; 0 chooses by device.
            pooling: how the texts will be pooled.

        Raises:
            ExtractionError: a text cannot be encoded or leaves nothing to pool, or the budget is
                not positive.
        """
        tokenizer = self._loaded.tokenizer
        texts = [encode_prompt(tokenizer, prompt) for prompt in prompts]
        texts += [encode_response(tokenizer, response) for response in responses]
        names = [f"prompt {prompt.text[:40]!r}" for prompt in prompts]
        names += [f"response {r.scenario}/{r.turn or 'single'}" for r in responses]
        check_lengths(texts, names, self._loaded.max_positions)
        check_pooling(texts, names, pooling)
        budget = batch_tokens or default_budget(self._loaded.device)
        return ExtractionPlan(tuple(texts), plan_batches([len(text.ids) for text in texts], budget))

    @contextmanager
    def open(self, layers: Sequence[int], pooling: Pooling) -> Iterator[Pooler]:
        """Make the model ready to pool these layers; restored on leaving.

        Raises:
            LayerOutOfRange: a layer does not exist.
        """
        forward = PooledForward(self._loaded.model, self._loaded.depth, layers, pooling)
        with forward.opened():
            yield _SplittingPooler(forward)


class _SplittingPooler:
    """Halves a batch that does not fit into the device's memory."""

    def __init__(self, forward: PooledForward) -> None:
        self._forward = forward

    def pool(self, texts: Sequence[EncodedText]) -> Pooled:
        """See :class:`Pooler`.

        Raises:
            NotEnoughMemory: a single text does not fit.
        """
        try:
            return self._forward.pool(texts)
        except torch.OutOfMemoryError as fault:
            if len(texts) == 1:
                raise NotEnoughMemory(
                    f"One text of {len(texts[0].ids)} tokens does not fit into device memory.",
                    expected="room for the weights and one text's activations.",
                    remedy="free device memory, choose a smaller dtype or device cpu.",
                ) from fault
        half = len(texts) // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return _joined(self.pool(texts[:half]), self.pool(texts[half:]))


def _joined(one: Pooled, other: Pooled) -> Pooled:
    return Pooled(
        np.concatenate([one.activations, other.activations], axis=1),
        FirstTokens(
            np.concatenate([one.first.norms, other.first.norms], axis=1),
            np.concatenate([one.first.shares, other.first.shares], axis=1),
        ),
    )
