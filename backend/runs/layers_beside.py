"""Layers derived by several processes of this machine: most of it is Python's work, of which the
threads of one process do one thing at a time."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

from backend.core.vectors.methods import Method
from backend.models.gpus import computing_device
from backend.models.memory import free_bytes
from backend.runs.columns import TableChunks
from backend.runs.derive import LayersHere, behaviours_of
from backend.runs.layer_process import HeldChunks, LayerProcess
from backend.runs.layer_task import HELD, LayerTask, without_texts
from backend.runs.threads import blas_threads, one_thread
from backend.store.run_record import RunRecord
from backend.types import Study

# Where the layers that are left take longer than this, in seconds, others help. Starting takes them
# about one, of which this process loses none.
WORTH = 3.0
MOST_PROCESSES = 8
# Layers that one has at a time, the next as soon as it is done, while this process derives its own.
QUEUED = 2
# A layer takes at least so many seconds for each number of the responses' activations.
_SECONDS_A_NUMBER = 1.5e-7
# Bytes that one takes, about: the libraries; of each response, its products with prompts,
# components and random directions, and its activations, in float64 some three times there and in
# float32 here as long as they are queued.
_OF_LIBRARIES, _OF_RESPONSE, _OF_NUMBER = 500_000_000, 50_000, 32


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
    alone = computing_device(record.device) != "cpu" or len(study.responses) * record.width > HELD
    others = 0 if alone else min(blas_threads(), MOST_PROCESSES) - 1
    each = _OF_LIBRARIES + len(study.responses) * (_OF_RESPONSE + _OF_NUMBER * record.width)
    free = free_bytes("cpu")
    if free is not None:
        others = min(others, free // 2 // each)
    seconds = len(study.responses) * record.width * _SECONDS_A_NUMBER
    deriver = LayersBeside(study, methods, others, seconds)
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
        seconds: how long a layer takes, at the least; measured once one was derived here.
    """

    def __init__(
        self, study: Study, methods: Sequence[Method], others: int, seconds: float
    ) -> None:
        self._here = LayersHere(study, methods, behaviours_of(study))
        self._spec = (study, tuple(method.name for method in methods))
        self._others, self._seconds = others, seconds
        # Derived here before they were wanted: another process was at the one that was.
        self._ahead: dict[int, TableChunks] = {}
        self.processes: list[LayerProcess] = []

    def tables(
        self,
        layers: Sequence[int],
        task: Callable[[int], LayerTask],
        waiting: Callable[[], None],
    ) -> TableChunks:
        """See :class:`Deriver`."""
        wanted = layers[0]
        while wanted not in self._ahead:
            holder = self._holder(wanted)
            if holder is not None and holder.done(wanted):
                found = self._result(holder, wanted)
                if found is not None:
                    return found
            if self._seconds * (len(layers) - 1) > WORTH:
                self._start()
            own = self._shared_out(layers, task)
            if own is not None:
                self._ahead[own] = self._derived(own, task, waiting)
            elif holder is not None:
                holder.wait(wanted, waiting)
        return self._ahead.pop(wanted)

    def close(self) -> None:
        """End the processes, with the layers that they are at. Repeatable."""
        while self.processes:
            self.processes.pop().close()

    def _shared_out(self, layers: Sequence[int], task: Callable[[int], LayerTask]) -> int | None:
        """The layer that this process derives next; others are given those after it. None where
        others are at all that are left."""
        free = [own for own in layers if own not in self._ahead and self._holder(own) is None]
        if not free:
            for layer in layers:
                holder = self._holder(layer)
                if holder is not None and holder.take_back(layer):
                    return layer
            return None
        for layer in free[1:]:
            least = min(self.processes, key=lambda own: len(own.layers), default=None)
            if least is None or len(least.layers) == QUEUED:
                break
            own = task(layer)
            least.give(dataclasses.replace(own, stored=HeldChunks(tuple(own.stored()))))
        return free[0]

    def _holder(self, layer: int) -> LayerProcess | None:
        """Who was given a layer."""
        return next((process for process in self.processes if layer in process.layers), None)

    def _result(self, holder: LayerProcess, layer: int) -> TableChunks | None:
        """What another process made of a layer; None if it has none, or is lost with all it had."""
        found = holder.result(layer)
        if holder.lost:
            self.processes.remove(holder)
            holder.close()
        return found

    def _derived(
        self, layer: int, task: Callable[[int], LayerTask], waiting: Callable[[], None]
    ) -> TableChunks:
        """A layer derived here."""
        started = time.perf_counter()
        with one_thread() if self.processes else nullcontext():
            found = self._here.tables([layer], task, waiting)
        self._seconds = time.perf_counter() - started
        return found

    def _start(self) -> None:
        """Start the others, once: one that has ended is not started again."""
        study, methods = self._spec
        self.processes += [LayerProcess(without_texts(study), methods) for _ in range(self._others)]
        self._others = 0
