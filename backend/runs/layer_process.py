"""A process that derives layers, for one that has more of them than it has time."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import numpy as np

from backend.core.vectors.methods import METHODS
from backend.lifeline import end_with_starter, signal_group, start_connected
from backend.runs.array_channel import receive_value, send_value
from backend.runs.columns import TableChunks
from backend.runs.derive import behaviours_of, layer_tables
from backend.runs.layer_task import LayerTask
from backend.store.connection import joined
from backend.types import Study

logger = logging.getLogger("steerscope.runs")
_ROOT = Path(__file__).resolve().parents[2]
_ASK_SECONDS = 0.5
# One thread: it is there because threads of one process wait for each other. Memory is kept from
# one layer for the next: to get it anew each time takes some hundredths of a layer's time.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**40),
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
}
# What a channel raises whose other end is gone, or speaks nonsense as it ended.
_GONE = (EOFError, OSError, pickle.UnpicklingError)


@dataclass(frozen=True)
class HeldChunks:
    """Activations of a layer's responses, in memory; each call gives them again.

    Attributes:
        parts: the chunks, in order.
    """

    parts: tuple[np.ndarray, ...]

    def __call__(self) -> Iterator[np.ndarray]:
        """The chunks."""
        return iter(self.parts)


class LayerProcess:
    """Such a process, seen from who started it. It derives the layers that it is given one after
    the other, whatever its starter does meanwhile.

    Args:
        study: whose run is derived; its texts are not used.
        methods: names of the vectors to build.
    """

    def __init__(self, study: Study, methods: tuple[str, ...]) -> None:
        command = [sys.executable, "-m", "backend.runs.layer_process"]
        started = start_connected(command, _ROOT, os.environ | _ENVIRONMENT)
        self._process, self._channel = started
        # Its one thread waits for what the process says, and gives it the next layer at once.
        self._waiter = ThreadPoolExecutor(1, "layer-process")
        self._begun = self._waiter.submit(self._begin, (study, methods))
        self._layers: dict[int, Future[TableChunks | None]] = {}
        # Whether it is known to have ended by itself.
        self.lost = False

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def layers(self) -> tuple[int, ...]:
        """What it was given and nobody has taken back, in that order."""
        return tuple(self._layers)

    def give(self, task: LayerTask) -> None:
        """Have it derive a layer. Args: the layer, with its activations in memory."""
        self._layers[task.layer] = self._waiter.submit(self._derived, task)

    def take_back(self, layer: int) -> bool:
        """Have it not derive a layer that it has not begun. Args: one that it was given.

        Returns:
            Whether it had not begun; if it had, its result is still to come.
        """
        taken = self._layers[layer].cancel()
        if taken:
            del self._layers[layer]
        return taken

    def done(self, layer: int) -> bool:
        """Whether a layer has a result. Args: one that it was given."""
        return self._layers[layer].done()

    def wait(self, layer: int, waiting: Callable[[], None]) -> None:
        """Wait until a layer has a result.

        Args:
            layer: one that it was given.
            waiting: called about each second meanwhile; what it raises ends the waiting.
        """
        while not wait([self._layers[layer]], _ASK_SECONDS).done:
            waiting()

    def result(self, layer: int) -> TableChunks | None:
        """Everything stored of a layer, once; None if it has failed or the process has ended.

        Args:
            layer: one that has a result.
        """
        try:
            return self._layers.pop(layer).result()
        except _GONE as fault:
            self.lost = True
            logger.warning("the process that derived layer %s has ended: %r", layer, fault)
            return None

    def close(self) -> None:
        """End it, with the layer that it is at. Repeatable."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        signal_group(self._process, signal.SIGKILL)
        self._process.wait()
        self._waiter.shutdown(cancel_futures=True)
        self._channel.close()

    def _begin(self, spec: tuple[Study, tuple[str, ...]]) -> None:
        self._channel.recv()
        self._channel.send(spec)

    def _derived(self, task: LayerTask) -> TableChunks | None:
        self._begun.result()
        send_value(self._channel, task)
        found = receive_value(self._channel)
        return cast("TableChunks | None", found)


def _serve(channel: Connection) -> None:
    """The life of the process: says that it is ready, gets its study, then layer after layer."""
    channel.send("ready")
    study, names = channel.recv()
    methods = tuple(method for method in METHODS if method.name in names)
    behaviours = behaviours_of(study)
    while True:
        task = cast("LayerTask", receive_value(channel))
        found: TableChunks | None = None
        try:
            tables = layer_tables(task, study, methods, behaviours)
            # Of few large arrays, which are sooner there than many small ones.
            found = {table: [joined(chunks)] for table, chunks in tables.items()}
        except Exception:  # who gave the layer derives it anew, and fails in its own words
            logger.exception("layer %d cannot be derived here", task.layer)
        send_value(channel, found)


if __name__ == "__main__":
    end_with_starter()
    with contextlib.suppress(*_GONE):
        _serve(Connection(int(sys.argv[1])))
