"""What runs in a worker of a Ray cluster that derives layers: no model, only numbers."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from backend.core.vectors.methods import METHODS, Method
from backend.errors import SteerscopeError
from backend.extraction.ray_program import JoinedWorker, WorkerFault
from backend.runs.columns import TableChunks
from backend.runs.derive import DERIVATION, behaviours_of, layer_tables
from backend.runs.layer_task import LayerTask
from backend.types import Study

# Those that decide derived numbers; they must be the same on every node.
LIBRARIES = ("numpy", "scipy", "scikit-learn", "pyarrow")


@dataclass(frozen=True)
class Spec:
    """What a worker derives.

    Attributes:
        study: of the run; its texts are not needed.
        methods: names of the vectors to build.
        threads: how many a worker uses.
    """

    study: Study
    methods: tuple[str, ...]
    threads: int


@dataclass(frozen=True)
class ReadyDeriver(JoinedWorker):
    """A worker that derives.

    Attributes:
        code: by which version, and the methods that it knows of those that were asked for.
    """

    code: str

    @property
    def alike(self) -> dict[str, object]:
        """See :class:`JoinedWorker`."""
        return {"the version of this program": self.code} | super().alike


@dataclass(frozen=True)
class StoredChunks:
    """Activations of a layer's responses that wait in Ray's store; each call reads them again, a
    part at a time.

    Attributes:
        parts: references of the chunks, in order.
    """

    parts: tuple[Any, ...]

    def __call__(self) -> Iterator[np.ndarray]:
        """The chunks."""
        ray = import_module("ray")
        return (ray.get(part) for part in self.parts)


def code_here(methods: tuple[str, ...]) -> str:
    """What this process would derive by, as :class:`ReadyDeriver` says it.

    Args:
        methods: names of the vectors to build.
    """
    known = {method.name for method in METHODS}
    own = ", ".join(name for name in methods if name in known)
    return f"version {DERIVATION} with {own}"


class RayLayerWorker:
    """One worker.

    Args:
        spec: what it derives.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._study = spec.study
        self._methods: tuple[Method, ...] = ()
        self._behaviours = behaviours_of(spec.study)

    def load(self) -> ReadyDeriver:
        """Set the threads, and say what derives here."""
        ThreadpoolController().limit(limits=self._spec.threads, user_api="blas")
        known = {method.name: method for method in METHODS}
        self._methods = tuple(known[name] for name in self._spec.methods if name in known)
        return ReadyDeriver(
            node=socket.gethostname(),
            pid=os.getpid(),
            versions={name: version(name) for name in LIBRARIES}
            | {"python": platform.python_version()},
            code=code_here(self._spec.methods),
        )

    def work(self, task: LayerTask) -> TableChunks | WorkerFault:
        """Everything stored of one layer.

        Args:
            task: the layer.
        """
        try:
            return layer_tables(task, self._study, self._methods, self._behaviours)
        except SteerscopeError as fault:
            return WorkerFault.of(fault)
