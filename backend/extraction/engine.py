"""What every source of activations offers, so that runs do not depend on which one made them.

A new engine is one file with a class that meets :class:`Engine`, and one line in
``backend.runs.engines.ENGINES``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from backend.core.first_token import FirstTokens
from backend.types import Pooling, Progress, Prompt, PromptTokens, Study

Report = Callable[[Progress], None]
# While texts are encoded.
TOKENISING = Progress("tokenising")
# Names of engines in a run's provenance: this process, a Ray cluster, and vLLM.
LOCAL = "local"
RAY = "ray"
VLLM = "vllm"
# Engines that run the same forward pass over the same batches elsewhere -> whose pass it is. Their
# activations are as much the same as those of two machines with one engine.
_SAME_PASS = {RAY: LOCAL}
_SPLIT = re.compile(r"\(tensor parallel ([0-9]+), pipeline parallel ([0-9]+)\)")


@dataclass(frozen=True)
class Batch:
    """Texts that are pooled together.

    Attributes:
        texts: their indices, ascending: prompts first, then responses, in the study's order.
        tokens: real tokens that are read for them, padding not counted; those of a text that begins
            another one are read once, with that.
    """

    texts: tuple[int, ...]
    tokens: int


@dataclass(frozen=True)
class PooledBatch:
    """One batch, pooled.

    Attributes:
        activations: [layers, texts, d], float32, in the order of the layers and texts asked for.
        counts: number of pooled tokens per text, [texts].
        first: the texts' first tokens, [layers, texts]; None where there are no tokens.
    """

    activations: NDArray[np.float32]
    counts: tuple[int, ...]
    first: FirstTokens | None


@dataclass(frozen=True)
class Identity:
    """What an activation depends on besides its text: two runs with the same identity and a layer
    in common have the same activation of a text at that layer, up to rounding.

    Attributes:
        engine: whose forward pass it is (:func:`forward_pass`), wherever it runs.
        weights_hash: sha256 over the weights.
        tokenizer_hash: sha256 of the tokenizer file.
        chat_template_hash: sha256 of the chat template, or empty.
        config_hash: sha256 over the model's architecture.
        pooling: how tokens are pooled.
        dtype: number type of the weights.
    """

    engine: str
    weights_hash: str
    tokenizer_hash: str
    chat_template_hash: str
    config_hash: str
    pooling: Pooling
    dtype: str


def forward_pass(engine: str) -> str:
    """The engine whose forward pass an engine runs: its own, or another's on other machines.

    Args:
        engine: as in a run's provenance.
    """
    return _SAME_PASS.get(engine, engine)


def split_device(device: str, tensor: int, pipeline: int) -> str:
    """What runs a model, as a run's provenance has it: cuda, or cuda (tensor parallel 4, pipeline
    parallel 2).

    Args:
        device: such as cpu or cuda.
        tensor: how many devices share each layer.
        pipeline: how many groups of devices have some of the layers each.
    """
    if tensor * pipeline == 1:
        return device
    return f"{device} (tensor parallel {tensor}, pipeline parallel {pipeline})"


def split_of(device: str) -> tuple[int, int]:
    """How a model was split: tensor and pipeline parallel sizes, 1 each where it was whole.

    Args:
        device: as :func:`split_device` gives it.
    """
    found = _SPLIT.search(device)
    return (int(found[1]), int(found[2])) if found else (1, 1)


@dataclass(frozen=True)
class ModelSource:
    """A model that has an identity, before it is loaded.

    Attributes:
        identity: what its activations depend on.
        layers: wanted ones, ascending.
        batch_tokens: wanted padded tokens per batch; 0 chooses by device.
        model: the reference as the user gave it.
        model_name: short name for columns and axes.
        model_revision: commit of the Hub repository, or empty.
        model_source: hub, folder, gguf or wheel.
        notices: what a reader should know of the model, as sentences.
    """

    identity: Identity
    layers: tuple[int, ...]
    batch_tokens: int
    model: str
    model_name: str
    model_revision: str
    model_source: str
    notices: tuple[str, ...]


@dataclass(frozen=True)
class SourceRecord:
    """Where activations come from; its fields go into the run's provenance (RunRecord).

    ``notices`` are about the model; ``prompt_tokens``, of the study's prompts, are kept beside the
    provenance, and there are none where an engine has no tokens.
    """

    model: str
    model_name: str
    model_revision: str
    model_source: str
    weights_hash: str
    tokenizer_hash: str
    chat_template_hash: str
    architecture: str
    width: int
    depth: int
    layers: tuple[int, ...]
    pooling: Pooling
    batch_tokens: int
    device: str
    dtype: str
    engine: str
    versions: Mapping[str, str]
    notices: tuple[str, ...] = ()
    config_hash: str = ""
    prompt_tokens: tuple[PromptTokens, ...] = ()


class OpenEngine(Protocol):
    """A source that is ready to pool."""

    @property
    def record(self) -> SourceRecord:
        """Where the activations come from."""

    @property
    def batches(self) -> tuple[Batch, ...]:
        """All texts of the study, each in one batch; the same at every opening."""

    def pool(self, batch: Batch) -> PooledBatch:
        """The activations of one batch; the same at every call."""


class Engine(Protocol):
    """A source of pooled activations for the texts of a study."""

    def opened(self, study: Study, report: Report) -> AbstractContextManager[OpenEngine]:
        """Load what is needed; given back on leaving.

        Args:
            study: whose texts are pooled.
            report: told what is being done.

        Raises:
            SteerscopeError: model, device, layer or text is unusable.
        """


@runtime_checkable
class IdentifiedEngine(Engine, Protocol):
    """An engine that says what its activations depend on before it loads anything, so that those
    of an earlier run can be taken instead."""

    def source(self, report: Report) -> ModelSource | None:
        """The model as far as its activations depend on it; None where opening it will fail, or
        where every text is to be extracted anew.

        Args:
            report: told what is being done.

        Raises:
            ModelError: the model cannot be found.
        """

    def prompt_tokens(self, prompts: Sequence[Prompt]) -> tuple[PromptTokens, ...]:
        """The tokens of prompts, for which the tokenizer alone is loaded.

        Args:
            prompts: texts that the engine has pooled before.

        Raises:
            SteerscopeError: the tokenizer cannot be used.
        """
