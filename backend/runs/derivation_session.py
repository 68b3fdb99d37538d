"""A published run whose derived tables are computed anew, without its model."""

from __future__ import annotations

from pathlib import Path

from backend.extraction.engine import Report
from backend.runs.engines import methods_of_engine
from backend.runs.layer_task import OpenDeriver
from backend.runs.rate import LayerRate
from backend.runs.steps import Derivers, Session, derive_some
from backend.settings import Settings
from backend.store.run import open_run, run_path
from backend.store.work_file import WorkFile, derivation_path
from backend.types import Progress


class DerivationSession(Session):
    """A published run whose derived tables are computed anew from its stored activations, without
    its model. The run takes its own place when all of it is there.

    Args:
        settings: where the store is.
        run_id: a published run.
        report: called with the progress whenever it changes.
        elsewhere: opens who computes the layers; None for this machine.

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        run_id: str,
        report: Report,
        elsewhere: OpenDeriver | None = None,
    ) -> None:
        settings.make_folders()
        self._settings = settings
        self._run_id = run_id
        self._report = report
        self._work: WorkFile | None = None
        self._layer_rate = LayerRate()
        self._derivers = Derivers(elsewhere, report)
        with open_run(settings, run_id, derived=False) as run:
            self._methods = methods_of_engine(run.record.engine)

    def extract_some(self, seconds: float) -> bool:
        """Nothing: the activations are there."""
        return False

    def derive_some(self) -> bool:
        """Derive one more layer, or what needs all of them. Returns whether something remains."""
        work = self._opened()
        return derive_some(
            work,
            self._study,
            self._methods,
            self._layer_rate,
            lambda stage, left: self._report(Progress(stage, seconds_left=left)),
            lambda: self._derivers.of(work, self._study, self._methods),
        )

    def publish(self) -> Path:
        """Put the run in its own place. Repeatable."""
        path = run_path(self._settings, self._run_id)
        if derivation_path(self._settings, self._run_id).exists():
            work = self._opened()
            self._report(Progress("publishing"))
            self._derivers.close()
            self._work = None
            work.publish(path, replace=True)
        return path

    def close(self) -> None:
        """Close the work file; layers that were committed stay."""
        self._derivers.close()
        if self._work is not None:
            self._work.close()
            self._work = None

    def _opened(self) -> WorkFile:
        if self._work is None:
            self._report(Progress("copying the run"))
            source = run_path(self._settings, self._run_id)
            self._work = WorkFile.of_published(
                source, derivation_path(self._settings, self._run_id)
            )
            self._study = self._work.run.study()
        return self._work
