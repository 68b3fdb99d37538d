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
class LoadedWorker:
    """A worker that has loaded its model.

    Attributes:
        node: name of its machine.
        pid: of its process there.
        architecture: class name of the model.
        device: such as cpu or cuda:0.
        dtype: such as float32.
        weights_hash: sha256 over the weights it has loaded.
        versions: library -> version there.
    """

    node: str
    pid: int
    architecture: str
    device: str
    dtype: str
    weights_hash: str
    versions: dict[str, str]


@dataclass(frozen=True)
class WorkerFault:
    """An error of a worker that a user can mend; such an error cannot be pickled itself.

    Attributes:
        kind: its class.
        what: what was found to be wrong.
        expected: what would have been right.
        remedy: what to do about it.
    """

    kind: type[SteerscopeError]
    what: str
    expected: str
    remedy: str

    @property
    def error(self) -> SteerscopeError:
        """The error, to be raised where it is read."""
        return self.kind(self.what, expected=self.expected, remedy=self.remedy)


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
            return _told(fault)

    def pool(self, texts: Sequence[EncodedText]) -> Pooled | WorkerFault:
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
            return _told(fault)

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
            device=loaded.device,
            dtype=loaded.dtype,
            weights_hash=resolved.weights_hash,
            versions={name: version(name) for name in LIBRARIES}
            | {"python": platform.python_version()},
        )


def _told(fault: SteerscopeError) -> WorkerFault:
    return WorkerFault(type(fault), fault.what, fault.expected, fault.remedy)
