"""Activations that were taken elsewhere and imported: no model and no tokenizer is at hand."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from backend.extraction.engine import Batch, PooledBatch, Report, SourceRecord
from backend.store.run_record import IMPORTED
from backend.types import Pooling, Progress, Study

NAME = "imported"
LIBRARIES = ("numpy", "scipy", "duckdb")
# Texts of a batch: each is one commit of some tens of megabytes.
BATCH_TEXTS = 256
NO_TOKENS = "How many tokens each is over is not known."


@dataclass(frozen=True, eq=False)
class Precomputed:
    """Pooled activations of every text of a study.

    Attributes:
        activations: [layers, texts, d], float32, finite; prompts first, then responses, in the
            study's order.
        layers: ascending, numbered as everywhere here.
        depth: decoder blocks of the model.
        tokens: over how many tokens each text's activation is, [texts]; None where that is not
            known.
        model: the model that gave them, as the user says.
        pooling: how tokens were pooled, as the user says.
        file: name of the file they came in.
        sha256: of that file.
        left_out: what of the file is not among the activations, and why; empty where all is.
    """

    activations: NDArray[np.float32]
    layers: tuple[int, ...]
    depth: int
    tokens: tuple[int, ...] | None
    model: str
    pooling: Pooling
    file: str
    sha256: str
    left_out: str = ""


class PrecomputedEngine:
    """Imported activations; see :class:`backend.extraction.engine.Engine`.

    Args:
        found: of every text of the study that will be opened.
    """

    def __init__(self, found: Precomputed) -> None:
        self._found = found

    @contextmanager
    def opened(self, study: Study, report: Report) -> Iterator[OpenPrecomputed]:
        """What was imported; nothing is loaded."""
        report(Progress(f"importing {len(self._found.layers)} layers"))
        yield OpenPrecomputed(self._found)


class OpenPrecomputed:
    """Imported activations; see :class:`backend.extraction.engine.OpenEngine`.

    Args:
        found: of every text of the study.
    """

    def __init__(self, found: Precomputed) -> None:
        self._pooled = found.activations
        texts = found.activations.shape[1]
        # A run keeps 0 tokens where their number is not known; no text has none.
        self._counts = found.tokens or (0,) * texts
        self.batches = tuple(
            Batch(
                tuple(range(start, min(start + BATCH_TEXTS, texts))),
                sum(self._counts[start:][:BATCH_TEXTS]),
            )
            for start in range(0, texts, BATCH_TEXTS)
        )
        came = f"The activations were imported from {found.file} (sha256 {found.sha256[:12]})."
        self.record = SourceRecord(
            model=found.model,
            model_name=found.model.rsplit("/", 1)[-1],
            model_revision="",
            model_source=IMPORTED,
            # Of the file: what the activations depend on is not at hand.
            weights_hash=found.sha256,
            tokenizer_hash="",
            chat_template_hash="",
            architecture="not known",
            width=found.activations.shape[2],
            depth=found.depth,
            layers=found.layers,
            pooling=found.pooling,
            batch_tokens=0,
            device="not known",
            dtype="not known",
            engine=NAME,
            versions={name: version(name) for name in LIBRARIES}
            | {"python": platform.python_version()},
            notices=(
                came if found.tokens else f"{came} {NO_TOKENS}",
                *((found.left_out,) if found.left_out else ()),
            ),
        )

    def pool(self, batch: Batch) -> PooledBatch:
        """The activations of a batch; nothing is known of first tokens."""
        rows = list(batch.texts)
        return PooledBatch(self._pooled[:, rows], tuple(self._counts[i] for i in rows), None)
