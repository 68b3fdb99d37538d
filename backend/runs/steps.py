"""The steps of a job on one run, whichever it is, and how layers are derived in them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from backend.core.vectors.methods import Method
from backend.extraction.engine import Report
from backend.runs.carrying import Carrying
from backend.runs.derive import derive_layers, derive_over_layers, underived_layers
from backend.runs.layer_task import Deriver, OpenDeriver
from backend.runs.layers_beside import layers_beside
from backend.runs.rate import LayerRate
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


class Derivers:
    """Who computes the layers of a session, opened when the first layer is to be derived.

    Args:
        elsewhere: opens it; None for this machine.
        report: told what is waited for.
    """

    def __init__(self, elsewhere: OpenDeriver | None, report: Report) -> None:
        self._elsewhere, self._report = elsewhere, report
        self._stack = ExitStack()
        self._open: Deriver | None = None

    def of(self, work: WorkFile, study: Study, methods: Sequence[Method]) -> Deriver:
        """Who computes the layers of a run."""
        if self._open is None:
            record = work.run.record
            opening: AbstractContextManager[Deriver] = layers_beside(study, methods, record)
            if self._elsewhere is not None:
                opening = self._elsewhere(study, methods, record.device, self._report)
            self._open = self._stack.enter_context(opening)
        return self._open

    def close(self) -> None:
        """End it; layers that it is at are lost."""
        self._open = None
        self._stack.close()


def derive_some(
    work: WorkFile,
    study: Study,
    methods: Sequence[Method],
    rate: LayerRate,
    stage: Callable[[str, float | None], None],
    deriver: Callable[[], Deriver],
    carrying: Carrying | None = None,
) -> bool:
    """Derive some more layers, or what needs all of them. Repeatable.

    Args:
        work: a work file with all its activations.
        study: its study.
        methods: which vectors to build.
        rate: told how long each layer took.
        stage: told what is done now, and how many seconds the layers left will take.
        deriver: opens who computes them, before the first layer.
        carrying: what is on its way from another run.

    Returns:
        Whether something remains.

    Raises:
        StoreError: nothing was stored of a layer, which would be derived again for ever.
    """
    layers = underived_layers(work)
    every = work.run.record.layers
    if layers and carrying is not None and not carrying.leaves([*study.traits]):
        carrying.wait()
        layers = underived_layers(work)
    if layers:
        who = deriver()
        begun: list[float] = []
        said: list[tuple[str, float | None]] = []

        def begin(layer: int) -> None:
            begun.append(time.perf_counter())
            if len(begun) > 1:
                rate.add(begun[-1] - begun[-2])
            text = f"computing metrics, layer {every.index(layer) + 1} of {len(every)}"
            said.append((text, rate.seconds_for(len(layers) - len(begun) + 1)))
            stage(*said[-1])

        def waiting() -> None:
            stage(*said[-1])

        derive_layers(work, study, layers, methods, DERIVE_SECONDS, begin, who, waiting, carrying)
        rate.add(time.perf_counter() - begun[-1])
        return True
    if not work.run.derivation_ended():
        stage("comparing layers", None)
        derive_over_layers(work)
    return False
