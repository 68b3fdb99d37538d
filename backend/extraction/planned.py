"""A study as a model reads it, in batches: the same for every engine that runs a model."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from backend.errors import ExtractionError
from backend.extraction.apart import apart
from backend.extraction.batches import default_budget, plan_batches
from backend.extraction.engine import TOKENISING, Batch, PooledBatch, Report, SourceRecord
from backend.extraction.pooling import Pooled
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
from backend.models.load import ModelReader
from backend.models.model_reference import model_name
from backend.models.notices import model_notices
from backend.types import ExtractionRequest, Pooling, PromptTokens, Study

LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "duckdb")


@dataclass(frozen=True)
class PlannedStudy:
    """The texts of a study as a model reads them, and how they are batched.

    Attributes:
        texts: every text, prompts first.
        names: what they are called, for people.
        batches: of them.
        budget: padded tokens of a batch.
        tokens: of the prompts.
    """

    texts: tuple[EncodedText, ...]
    names: tuple[str, ...]
    batches: tuple[Batch, ...]
    budget: int
    tokens: tuple[PromptTokens, ...]

    def texts_of(self, batch: Batch) -> tuple[EncodedText, ...]:
        """The texts of one batch, in its order."""
        return tuple(self.texts[index] for index in batch.texts)

    def checked(self, batch: Batch, pooled: Pooled, record: SourceRecord) -> PooledBatch:
        """A batch as it is kept.

        Args:
            batch: which.
            pooled: its activations.
            record: where they come from.

        Raises:
            ExtractionError: an activation is not finite.
        """
        names = [self.names[index] for index in batch.texts]
        check_finite(pooled.activations, record.layers, names, record.dtype)
        counts = tuple(text.count(record.pooling) for text in self.texts_of(batch))
        return PooledBatch(pooled.activations, counts, pooled.first)


def plan_study(
    reader: ModelReader,
    study: Study,
    request: ExtractionRequest,
    device: str,
    report: Report = lambda _: None,
) -> PlannedStudy:
    """The texts of a study as a model reads them, in batches.

    Args:
        reader: the model's tokenizer and template.
        study: the texts.
        request: pooling and padded tokens per batch (0 chooses by device).
        device: such as cpu or cuda:0.
        report: told while the texts are encoded; what it raises ends that.

    Raises:
        ExtractionError: a text cannot be encoded or leaves nothing to pool, or the budget is not
            positive.
    """
    report(TOKENISING)
    texts = encode_study(reader, study, request.pooling, partial(report, TOKENISING))
    budget = request.batch_tokens or default_budget(device)
    batches = plan_batches([text.ids for text in texts], budget, reader.rope_switch)
    tokens = prompt_tokens(reader.tokenizer, texts[: len(study.prompts)], request.pooling)
    return PlannedStudy(texts, names_of(study), batches, budget, tokens)


def model_record(
    reader: ModelReader,
    request: ExtractionRequest,
    planned: PlannedStudy,
    *,
    engine: str,
    architecture: str,
    device: str,
    dtype: str,
    versions: Mapping[str, str] | None = None,
) -> SourceRecord:
    """Where the activations of a model come from.

    Args:
        reader: the model without its weights.
        request: what was asked for.
        planned: the texts.
        engine: kind of the engine.
        architecture: class name of the model.
        device: that runs it.
        dtype: number type of the weights.
        versions: of libraries, where they are not those of this process.
    """
    here = {name: version(name) for name in LIBRARIES} | {"python": platform.python_version()}
    return SourceRecord(
        model=request.model,
        model_name=model_name(request.model),
        model_revision=reader.resolved.revision or "",
        model_source=reader.resolved.source,
        weights_hash=reader.resolved.weights_hash,
        tokenizer_hash=reader.tokenizer_hash,
        chat_template_hash=reader.chat_template_hash or "",
        architecture=architecture,
        width=reader.width,
        depth=reader.depth,
        layers=request.layers,
        pooling=request.pooling,
        batch_tokens=planned.budget,
        device=device,
        dtype=dtype,
        engine=engine,
        versions=here | dict(versions or {}),
        notices=model_notices(reader.resolved.reference, reader.resolved.folder),
        config_hash=config_hash(reader.resolved.folder),
        prompt_tokens=planned.tokens,
    )


def encode_study(
    reader: ModelReader,
    study: Study,
    pooling: Pooling,
    waiting: Callable[[], object] = lambda: None,
) -> tuple[EncodedText, ...]:
    """Every text of a study as the model reads it, prompts first.

    Args:
        reader: whose tokenizer and template are used.
        study: the texts.
        pooling: how they will be pooled.
        waiting: called meanwhile; what it raises ends the encoding.

    Raises:
        ExtractionError: a text cannot be encoded, is too long or leaves nothing to pool, or the
            tokenizer or template comes to no end.
    """
    encode = partial(encode_all, reader.tokenizer, study.prompts, study.responses)
    texts = apart(encode, reader.resolved.reference, waiting)
    names = names_of(study)
    check_lengths(texts, names, reader.max_positions)
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
