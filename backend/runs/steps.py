"""The steps of a job on one run, whichever it is, and how layers are derived in them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from backend.core.vectors.methods import Method
from backend.runs.derive import derive_layers, derive_over_layers, underived_layers
from backend.store.work_file import WorkFile
from backend.types import Study

# Layers are committed together until this many seconds have passed.
DERIVE_SECONDS = 2.0


class Session(ABC):
    """The steps of one job, in this process. Each can be repeated after a crash."""

    @abstractmethod
    def extract_some(self, seconds: float) -> bool:
        """Run and commit batches until ``seconds`` have passed. Returns whether batches remain."""

    @abstractmethod
    def derive_some(self) -> bool:
        """Derive one more layer, or what needs all of them. Returns whether something remains."""

    @abstractmethod
    def publish(self) -> Path:
        """Publish the complete run. Returns its file."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held; what was committed stays."""

    def run(self) -> Path:
        """All steps in one go. Returns the published file."""
        try:
            while self.extract_some(60.0):
                pass
            while self.derive_some():
                pass
            return self.publish()
        finally:
            self.close()


def derive_some(
    work: WorkFile, study: Study, methods: Sequence[Method], stage: Callable[[str], None]
) -> bool:
    """Derive some more layers, or what needs all of them. Repeatable.

    Args:
        work: a work file with all its activations.
        study: its study.
        methods: which vectors to build.
        stage: told what is done.

    Returns:
        Whether something remains.
    """
    layers = underived_layers(work)
    every = work.run.record.layers
    if layers:
        started = time.perf_counter()

        def begin(layer: int) -> None:
            stage(f"computing metrics, layer {every.index(layer) + 1} of {len(every)}")

        with work.together():
            derive_layers(work, study, layers, methods, DERIVE_SECONDS, begin)
            work.add_timing("derive", time.perf_counter() - started)
        return True
    if not work.run.derivation_ended():
        stage("comparing layers")
        derive_over_layers(work)
    return False
