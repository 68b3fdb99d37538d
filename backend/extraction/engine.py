"""What every source of activations offers, so that runs do not depend on which one made them.

A new engine is one file with a class that meets :class:`Engine`, and one line in
``backend.runs.engines.ENGINES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backend.core.first_token import FirstTokens
from backend.types import Pooling, Progress, Study

Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Batch:
    """Texts that are pooled together.

    Attributes:
        texts: their indices, ascending: prompts first, then responses, in the study's order.
        tokens: real tokens in them, padding not counted.
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
class SourceRecord:
    """Where activations come from; its fields go into the run's provenance (RunRecord)."""

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
