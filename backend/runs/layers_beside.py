"""Layers derived by several processes of this machine: most of it is Python's work, of which the
threads of one process do one thing at a time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

from backend.core.vectors.methods import Method
from backend.models.memory import free_bytes
from backend.runs.columns import TableChunks
from backend.runs.derive import LayersHere, behaviours_of
from backend.runs.layer_process import HeldChunks, LayerProcess
from backend.runs.layer_task import HELD, LayerTask, without_texts
from backend.runs.threads import blas_threads, one_thread
from backend.store.run_record import RunRecord
from backend.types import Study

# Where the layers that are left take longer than this, in seconds, others help. Starting takes them
# one or two, of which this process loses none.
WORTH = 4.0
MOST_PROCESSES = 8
# Bytes that one takes, about: the libraries; of each response, its products with prompts,
# components and random directions, and its activations in float64 some three times.
_OF_LIBRARIES, _OF_RESPONSE, _OF_NUMBER = 500_000_000, 50_000, 24


@contextmanager
def layers_beside(
    study: Study, methods: Sequence[Method], record: RunRecord
) -> Iterator[LayersBeside]:
    """Who derives the layers of a run on this machine.

    Args:
        study: whose run is derived.
        methods: which vectors to build.
        record: of the run.
    """
    # A GPU computes the products of activations where there is one, and large layers are read in
    # parts: both are this process's alone.
    alone = record.device.startswith("cuda") or len(study.responses) * record.width > HELD
    others = 0 if alone else min(blas_threads(), MOST_PROCESSES) - 1
    each = _OF_LIBRARIES + len(study.responses) * (_OF_RESPONSE + _OF_NUMBER * record.width)
    free = free_bytes("cpu")
    if free is not None:
        others = min(others, free // 2 // each)
    deriver = LayersBeside(study, methods, others)
    try:
        yield deriver
    finally:
        deriver.close()


class LayersBeside:
    """Layers derived in this process and in others; see :class:`Deriver`. The tables are those
    that this process would make with one thread.

    Args:
        study: whose run is derived.
        methods: which vectors to build.
        others: how many processes may be started.
    """

    def __init__(self, study: Study, methods: Sequence[Method], others: int) -> None:
        self._here = LayersHere(study, methods, behaviours_of(study))
        self._spec = (study, tuple(method.name for method in methods))
        self._others = others
        self.processes: list[LayerProcess] = []

    def tables(
        self,
        layers: Sequence[int],
        task: Callable[[int], LayerTask],
        waiting: Callable[[], None],
    ) -> TableChunks:
        """See :class:`Deriver`."""
        wanted, *after = layers
        for process in self.processes:
            if process.layer == wanted:
                found = process.result(waiting)
                if found is not None:
                    return found
                self.processes.remove(process)
                process.close()
                break
        self._give(after, task)
        started = time.perf_counter()
        with one_thread() if self.processes else nullcontext():
            found = self._here.tables([wanted], task, waiting)
        if not self.processes and (time.perf_counter() - started) * len(after) > WORTH:
            self._start()
        return found

    def close(self) -> None:
        """End the processes, with the layers that they are at. Repeatable."""
        while self.processes:
            self.processes.pop().close()

    def _give(self, layers: Sequence[int], task: Callable[[int], LayerTask]) -> None:
        """Have those that have none derive some layers, the first ones first."""
        held = {process.layer for process in self.processes}
        left = [layer for layer in layers if layer not in held]
        idle = [process for process in self.processes if process.ready()]
        for process, layer in zip(idle, left, strict=False):
            own = task(layer)
            chunks = HeldChunks(tuple(own.stored()))
            process.give(dataclasses.replace(own, stored=chunks))

    def _start(self) -> None:
        """Start the others, once: one that has ended is not started again."""
        study, methods = self._spec
        self.processes = [LayerProcess(without_texts(study), methods) for _ in range(self._others)]
        self._others = 0
