"""Activations from a phantom instead of a model: what is known to be planted in them."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from backend.extraction.engine import Batch, PooledBatch, Report, SourceRecord
from backend.phantom.phantom import Phantom
from backend.store.run_record import SIMULATED
from backend.types import Progress, Study

NAME = "phantom"
LIBRARIES = ("numpy", "scipy", "duckdb")
PROMPT_TOKENS = 10


class SimulatedEngine:
    """One model of a phantom.

    Args:
        phantom: what is simulated.
        model: which of its models.
    """

    def __init__(self, phantom: Phantom, model: int) -> None:
        self._phantom = phantom
        self._model = model

    @contextmanager
    def opened(self, study: Study, report: Report) -> Iterator[OpenPhantom]:
        """All its activations; see :class:`backend.extraction.engine.Engine`."""
        report(Progress(f"simulating {len(self._phantom.layers)} layers"))
        yield OpenPhantom(self._phantom, self._model)


class OpenPhantom:
    """Simulated activations; see :class:`backend.extraction.engine.OpenEngine`.

    Args:
        phantom: what is simulated.
        model: which of its models.
    """

    def __init__(self, phantom: Phantom, model: int) -> None:
        drawn = [phantom.activations(model, layer) for layer in phantom.layers]
        self._pooled: NDArray[np.float32] = np.stack(
            [np.concatenate([a.prompts, a.responses]) for a in drawn]
        )
        counts = [PROMPT_TOKENS] * len(phantom.study.prompts)
        self._counts = (*counts, *phantom.lengths.reshape(-1).tolist())
        self.batches = (Batch(tuple(range(self._pooled.shape[1])), int(sum(self._counts))),)
        name = phantom.models[model]
        self.record = SourceRecord(
            model=name,
            model_name=name,
            model_revision="",
            model_source=SIMULATED,
            weights_hash=hashlib.sha256(self._pooled.tobytes()).hexdigest(),
            tokenizer_hash="",
            chat_template_hash="",
            architecture="phantom",
            width=phantom.width,
            depth=phantom.layers[-1],
            layers=phantom.layers,
            pooling="mean",
            batch_tokens=0,
            device="cpu",
            dtype="float32",
            engine=NAME,
            versions={name: version(name) for name in LIBRARIES}
            | {"python": platform.python_version(), "phantom_seed": str(phantom.seed)},
        )

    def pool(self, batch: Batch) -> PooledBatch:
        """The simulated activations of a batch; there are no tokens."""
        rows = list(batch.texts)
        return PooledBatch(self._pooled[:, rows], tuple(self._counts[i] for i in rows), None)
