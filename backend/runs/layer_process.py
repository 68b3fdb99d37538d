"""A process that derives layers, for one that has more of them than it has time."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from backend.core.vectors.methods import METHODS
from backend.lifeline import end_with_starter, signal_group, start_connected
from backend.runs.columns import TableChunks
from backend.runs.derive import behaviours_of, layer_tables
from backend.runs.layer_task import LayerTask
from backend.types import Study

logger = logging.getLogger("steerscope.runs")
_ROOT = Path(__file__).resolve().parents[2]
_ASK_SECONDS = 0.5
# One thread: it is there because threads of one process wait for each other.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
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
    """Such a process, seen from who started it. It has at most one layer at a time.

    Args:
        study: whose run is derived; its texts are not used.
        methods: names of the vectors to build.
    """

    def __init__(self, study: Study, methods: tuple[str, ...]) -> None:
        self._spec = (study, methods)
        command = [sys.executable, "-m", "backend.runs.layer_process"]
        started = start_connected(command, _ROOT, os.environ | _ONE_THREAD)
        self._process, self._channel = started
        self._told = False
        self.layer: int | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ready(self) -> bool:
        """Whether it has started and has no layer."""
        try:
            if not self._told and self._channel.poll():
                self._channel.recv()
                self._channel.send(self._spec)
                self._told = True
        except _GONE:
            return False
        return self._told and self.layer is None

    def give(self, task: LayerTask) -> None:
        """Have it derive a layer. Args: the layer, with its activations in memory."""
        self.layer = task.layer
        with contextlib.suppress(OSError):  # it has ended, as the result will tell
            self._channel.send(task)

    def result(self, waiting: Callable[[], None]) -> TableChunks | None:
        """Everything stored of its layer; None if it has failed or ended.

        Args:
            waiting: called about each second meanwhile; what it raises ends the waiting.
        """
        layer, self.layer = self.layer, None
        try:
            while not self._channel.poll(_ASK_SECONDS):
                waiting()
            found: TableChunks | None = self._channel.recv()
        except _GONE as fault:
            found = None
            logger.warning("the process that derived layer %s has ended: %r", layer, fault)
        return found

    def close(self) -> None:
        """End it, with the layer that it is at. Repeatable."""
        self._channel.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        signal_group(self._process, signal.SIGKILL)
        self._process.wait()


def _serve(channel: Connection) -> None:
    """The life of the process: says that it is ready, gets its study, then layer after layer."""
    channel.send("ready")
    study, names = channel.recv()
    methods = tuple(method for method in METHODS if method.name in names)
    behaviours = behaviours_of(study)
    while True:
        task = channel.recv()
        found: TableChunks | None = None
        try:
            found = layer_tables(task, study, methods, behaviours)
        except Exception:  # who gave the layer derives it anew, and fails in its own words
            logger.exception("layer %d cannot be derived here", task.layer)
        channel.send(found)


if __name__ == "__main__":
    end_with_starter()
    with contextlib.suppress(*_GONE):
        _serve(Connection(int(sys.argv[1])))
