"""What runs in a worker of a Ray cluster: one model, loaded once, that pools encoded texts."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from backend.errors import SteerscopeError
from backend.extraction.local import SplittingPooler
from backend.extraction.pooling import Pooled, PooledForward
from backend.extraction.ray_program import JoinedWorker, WorkerFault
from backend.extraction.spans import EncodedText
from backend.models.load import load
from backend.models.resolve import FoundModel, checked, find_model
from backend.settings import Settings
from backend.types import Pooling

# Those that decide the activations; they must be the same on every node.
LIBRARIES = ("torch", "transformers", "numpy")


@dataclass(frozen=True)
class WorkerSpec:
    """What a worker loads.

    Attributes:
        cache: where models are kept, on every node.
        reference: of the model, as the user gave it.
        found: its files on the machine that asks; fetched anew on a node that lacks them.
        layers: wanted ones, ascending.
        pooling: how tokens are pooled.
        device: cpu or cuda.
        dtype: auto, float32, bfloat16 or float16.
        threads: of torch, on a CPU.
    """

    cache: Path
    reference: str
    found: FoundModel
    layers: tuple[int, ...]
    pooling: Pooling
    device: str
    dtype: str
    threads: int


@dataclass(frozen=True)
class LoadedWorker(JoinedWorker):
    """A worker that has loaded its model.

    Attributes:
        architecture: class name of the model.
        device: such as cpu or cuda:0.
        dtype: such as float32.
        weights_hash: sha256 over the weights it has loaded.
        rows: of the model's input embedding; None where it has no such table.
    """

    architecture: str
    device: str
    dtype: str
    weights_hash: str
    rows: int | None

    @property
    def alike(self) -> dict[str, object]:
        """See :class:`JoinedWorker`."""
        return {
            "weights": self.weights_hash,
            "number type": self.dtype,
            "architecture": self.architecture,
        } | super().alike


class RayWorker:
    """One worker.

    Args:
        spec: what it loads.
    """

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._opened = ExitStack()
        self._pooler: SplittingPooler | None = None

    def load(self) -> LoadedWorker | WorkerFault:
        """Load and hook the model."""
        try:
            return self._load()
        except SteerscopeError as fault:
            return WorkerFault.of(fault)

    def work(self, texts: Sequence[EncodedText]) -> Pooled | WorkerFault:
        """Pooled activations of one batch.

        Args:
            texts: as the model reads them.

        Raises:
            RuntimeError: the model is not loaded.
        """
        if self._pooler is None:
            raise RuntimeError("load() comes first")
        try:
            return self._pooler.pool(texts)
        except SteerscopeError as fault:
            return WorkerFault.of(fault)

    def _load(self) -> LoadedWorker:
        spec = self._spec
        if spec.device == "cpu":
            torch.set_num_threads(spec.threads)
        settings = Settings(cache=spec.cache)
        found = spec.found
        if not found.folder.exists():
            found = find_model(spec.reference, settings, lambda *_: None)
        resolved = checked(spec.reference, found, settings, lambda *_: None)
        # Whether a template is needed and there is one was seen where the texts were encoded.
        loaded = load(resolved, device=spec.device, dtype=spec.dtype, need_chat_template=False)
        forward = PooledForward(loaded.model, loaded.depth, spec.layers, spec.pooling)
        self._pooler = SplittingPooler(self._opened.enter_context(forward.opened()))
        return LoadedWorker(
            node=socket.gethostname(),
            pid=os.getpid(),
            architecture=type(loaded.model).__name__,
            device=loaded.runs_on,
            dtype=loaded.dtype,
            weights_hash=resolved.weights_hash,
            rows=loaded.embedding_rows,
            versions={name: version(name) for name in LIBRARIES}
            | {"python": platform.python_version()},
        )
