"""A loaded model that pools texts, on its GPU or CPU."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray

from backend.core.first_token import FirstTokens
from backend.errors import ExtractionError, NotEnoughMemory
from backend.extraction.apart import apart
from backend.extraction.batches import default_budget, plan_batches
from backend.extraction.engine import LOCAL, Batch, PooledBatch, SourceRecord
from backend.extraction.pooling import Pooled, PooledForward
from backend.extraction.spans import (
    EncodedText,
    check_lengths,
    check_pooling,
    encode_all,
    prompt_name,
    response_name,
)
from backend.extraction.tokens import prompt_tokens
from backend.models.identity import config_hash
from backend.models.load import LoadedModel
from backend.models.model_reference import model_name
from backend.models.notices import model_notices
from backend.types import ExtractionRequest, Pooling, PromptTokens, Study

LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "duckdb")


@contextmanager
def open_model(
    loaded: LoadedModel,
    study: Study,
    request: ExtractionRequest,
    waiting: Callable[[], object] = lambda: None,
) -> Iterator[OpenModel]:
    """A loaded model, hooked to pool the texts of a study; restored on leaving.

    Args:
        loaded: the model.
        study: whose texts are pooled.
        request: layers, pooling and padded tokens per batch (0 chooses by device).
        waiting: called while the texts are encoded; what it raises ends that.

    Raises:
        ExtractionError: a text cannot be encoded or leaves nothing to pool, a layer does not
            exist, or the budget is not positive.
    """
    texts = encode_study(loaded, study, request.pooling, waiting)
    budget = request.batch_tokens or default_budget(loaded.device)
    lengths = [len(text.ids) for text in texts]
    batches = tuple(
        Batch(batch, sum(lengths[index] for index in batch))
        for batch in plan_batches(lengths, budget)
    )
    forward = PooledForward(loaded.model, loaded.depth, request.layers, request.pooling)
    with forward.opened():
        own = texts[: len(study.prompts)]
        tokens = prompt_tokens(loaded.tokenizer, own, request.pooling)
        record = _record(loaded, request, budget, tokens)
        yield OpenModel(texts, names_of(study), batches, record, _SplittingPooler(forward))


class OpenModel:
    """A model that is ready to pool; see :class:`backend.extraction.engine.OpenEngine`.

    Args:
        texts: every text as the model reads it, prompts first.
        names: what they are called.
        batches: of them.
        record: where the activations come from.
        pooler: pools encoded texts.
    """

    def __init__(
        self,
        texts: Sequence[EncodedText],
        names: Sequence[str],
        batches: tuple[Batch, ...],
        record: SourceRecord,
        pooler: _SplittingPooler,
    ) -> None:
        self.texts, self.batches, self.record = texts, batches, record
        self._names = names
        self._pooler = pooler

    def pool(self, batch: Batch) -> PooledBatch:
        """The activations of one batch.

        Raises:
            NotEnoughMemory: a single text does not fit.
            ExtractionError: an activation is not finite.
        """
        texts = [self.texts[index] for index in batch.texts]
        pooled = self._pooler.pool(texts)
        names = [self._names[index] for index in batch.texts]
        check_finite(pooled.activations, self.record.layers, names, self.record.dtype)
        counts = tuple(text.count(self.record.pooling) for text in texts)
        return PooledBatch(pooled.activations, counts, pooled.first)


def encode_study(
    loaded: LoadedModel,
    study: Study,
    pooling: Pooling,
    waiting: Callable[[], object] = lambda: None,
) -> tuple[EncodedText, ...]:
    """Every text of a study as the model reads it, prompts first.

    Args:
        loaded: whose tokenizer and template are used.
        study: the texts.
        pooling: how they will be pooled.
        waiting: called meanwhile; what it raises ends the encoding.

    Raises:
        ExtractionError: a text cannot be encoded, is too long or leaves nothing to pool, or the
            tokenizer or template comes to no end.
    """
    encode = partial(encode_all, loaded.tokenizer, study.prompts, study.responses)
    texts = apart(encode, loaded.resolved.reference, waiting)
    names = names_of(study)
    check_lengths(texts, names, loaded.max_positions)
    check_pooling(texts, names, pooling)
    return texts


def names_of(study: Study) -> tuple[str, ...]:
    """How the texts of a study are named to people, prompts first."""
    prompts = [prompt_name(prompt) for prompt in study.prompts]
    return (*prompts, *(response_name(response) for response in study.responses))


def check_finite(
    activations: NDArray[np.float32], layers: Sequence[int], names: Sequence[str], dtype: str
) -> None:
    """Refuse activations that are no numbers, at the first text and layer that has one.

    Args:
        activations: [layers, texts, d].
        layers: their numbers.
        names: of the texts.
        dtype: number type of the model.

    Raises:
        ExtractionError: some are infinite or undefined.
    """
    bad = np.asarray(~np.isfinite(activations).all(axis=2))
    if not bad.any():
        return
    text = int(np.flatnonzero(bad.any(axis=0))[0])
    layer = layers[int(np.flatnonzero(bad[:, text])[0])]
    several = int(bad.any(axis=0).sum())
    remedy = (
        "extract with --dtype bfloat16 or float32; float16 ends at 65,504, which many models' "
        "activations pass."
        if dtype == "float16"
        else "check that the model's files are whole; with bfloat16, try --dtype float32."
    )
    raise ExtractionError(
        f"The activations of {names[text]} at layer {layer} are not finite in {dtype} "
        f"({several} of {len(names)} texts of this batch).",
        expected="finite numbers; nothing of this batch was kept.",
        remedy=remedy,
    )


def _record(
    loaded: LoadedModel,
    request: ExtractionRequest,
    budget: int,
    tokens: tuple[PromptTokens, ...],
) -> SourceRecord:
    return SourceRecord(
        model=request.model,
        model_name=model_name(request.model),
        model_revision=loaded.resolved.revision or "",
        model_source=loaded.resolved.source,
        weights_hash=loaded.resolved.weights_hash,
        tokenizer_hash=loaded.tokenizer_hash,
        chat_template_hash=loaded.chat_template_hash or "",
        architecture=type(loaded.model).__name__,
        width=loaded.width,
        depth=loaded.depth,
        layers=request.layers,
        pooling=request.pooling,
        batch_tokens=budget,
        device=loaded.device,
        dtype=loaded.dtype,
        engine=LOCAL,
        versions={name: version(name) for name in LIBRARIES}
        | {"python": platform.python_version()},
        notices=model_notices(loaded.resolved.reference, loaded.resolved.folder),
        config_hash=config_hash(loaded.resolved.folder),
        prompt_tokens=tokens,
    )


class _SplittingPooler:
    """Halves a batch that does not fit into the device's memory."""

    def __init__(self, forward: PooledForward) -> None:
        self._forward = forward

    def pool(self, texts: Sequence[EncodedText]) -> Pooled:
        """Pooled activations of a batch.

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
