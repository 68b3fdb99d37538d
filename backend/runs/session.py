"""One run from its request to its published file, in steps that can be repeated.

The command line runs the steps in one go, a queue job one by one; both give the same file. All
state that matters is in the work file: a new session on the same run id goes on from the last
committed batch.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from backend.core.metrics.stability import SPLIT_SEED
from backend.core.vectors.methods import METHODS, Method
from backend.errors import StoreError
from backend.extraction.engine import Batch, Engine, OpenEngine, Report, SourceRecord
from backend.runs.derive import derive_layer, derive_over_layers, underived_layers
from backend.runs.engines import SIMULATED_PREFIX, engine_of, methods_of_engine
from backend.runs.rate import Rate
from backend.settings import Settings
from backend.store.run import open_run, run_path
from backend.store.run_record import RunRecord
from backend.store.study import find_study, load_study
from backend.store.work_file import WorkFile, derivation_path
from backend.types import ExtractionRequest, Progress, Study


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


class ExtractionSession(Session):
    """A run whose activations come from an engine.

    Args:
        settings: where the store is.
        run_id: name of the run; the work file of that name is continued if it exists.
        study: key or name of a published study.
        engine: where the activations come from.
        report: called with the progress whenever it changes.
        methods: which vectors to build.
    """

    def __init__(
        self,
        settings: Settings,
        run_id: str,
        study: str,
        engine: Engine,
        report: Report,
        methods: Sequence[Method] = METHODS,
    ) -> None:
        self._settings = settings
        self._run_id = run_id
        self._study_key = study
        self._engine = engine
        self._report = report
        self._methods = methods
        self._stack = ExitStack()
        self._work: WorkFile | None = None
        self._rate = Rate()

    @property
    def published(self) -> Path | None:
        """The run's file if it is complete already."""
        path = run_path(self._settings, self._run_id)
        return path if path.exists() else None

    def prepare(self) -> None:
        """Open study, engine and work file and agree on the plan. Repeatable.

        Raises:
            SteerscopeError: study, model, device, layer or text is unusable; nothing is kept.
        """
        if self._work is not None:
            return
        self._settings.make_folders()
        ref = find_study(self._settings, self._study_key)
        self._study = load_study(self._settings, ref)
        started = time.perf_counter()
        self._source = self._stack.enter_context(self._engine.opened(self._study, self._report))
        record = _run_record(self._run_id, self._study, ref.content_hash, self._source.record)
        work = WorkFile(self._settings.work / f"{self._run_id}.duckdb")
        self._stack.callback(work.close)
        if work.initialised:
            work.check_format()
            _check_same(work.run.record, record)
        else:
            work.initialise(
                record, self._study, [(batch.texts, batch.tokens) for batch in self._source.batches]
            )
        work.add_timing("prepare", time.perf_counter() - started)
        self._work = work
        self._done = set(work.done_batches())
        self._report(self._progress())

    def extract_some(self, seconds: float) -> bool:
        """Run and commit batches until ``seconds`` have passed, at least one. Repeatable.

        Returns:
            Whether batches remain.
        """
        if self.published is not None:
            return False
        self.prepare()
        work, source = self._opened()
        deadline = time.perf_counter() + seconds
        for index, batch in enumerate(source.batches):
            if index in self._done:
                continue
            self._run_batch(work, source, index, batch)
            if time.perf_counter() >= deadline:
                break
        return len(self._done) < len(source.batches)

    def derive_some(self) -> bool:
        """Derive one more layer, or what needs all of them. Repeatable.

        Returns:
            Whether something remains.
        """
        if self.published is not None:
            return False
        self.prepare()
        work, _ = self._opened()
        return _derive_some(
            work,
            self._study,
            self._methods,
            lambda stage: self._report(self._progress(stage)),
        )

    def publish(self) -> Path:
        """Publish the complete run. Repeatable.

        Returns:
            The published file.
        """
        if self.published is None:
            self.prepare()
            work, _ = self._opened()
            self._report(self._progress("publishing"))
            self._work = None
            work.publish(run_path(self._settings, self._run_id))
        self.close()
        return run_path(self._settings, self._run_id)

    def close(self) -> None:
        """Close the work file and restore the model; committed batches stay."""
        self._work = None
        self._stack.close()

    def _run_batch(self, work: WorkFile, source: OpenEngine, index: int, batch: Batch) -> None:
        started = time.perf_counter()
        pooled = source.pool(batch)
        elapsed = time.perf_counter() - started
        work.commit_batch(index, pooled.activations, pooled.counts, elapsed, pooled.first)
        self._done.add(index)
        self._rate.add(len(batch.texts), batch.tokens, time.perf_counter() - started)
        self._report(self._progress())

    def _opened(self) -> tuple[WorkFile, OpenEngine]:
        if self._work is None:
            raise RuntimeError("prepare() comes first")
        return self._work, self._source

    def _progress(self, stage: str = "extracting") -> Progress:
        batches = self._source.batches
        left = [batch for index, batch in enumerate(batches) if index not in self._done]
        total = sum(len(batch.texts) for batch in batches)
        return Progress(
            stage=stage,
            done=total - sum(len(batch.texts) for batch in left),
            total=total,
            batches_done=len(self._done),
            batches_total=len(batches),
            texts_per_second=self._rate.texts_per_second,
            tokens_per_second=self._rate.tokens_per_second,
            seconds_left=self._rate.seconds_for(sum(batch.tokens for batch in left)),
        )


class DerivationSession(Session):
    """A published run whose derived tables are computed anew from its stored activations, without
    its model. The run takes its own place when all of it is there.

    Args:
        settings: where the store is.
        run_id: a published run.
        report: called with the progress whenever it changes.

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
    """

    def __init__(self, settings: Settings, run_id: str, report: Report) -> None:
        settings.make_folders()
        self._settings = settings
        self._run_id = run_id
        self._report = report
        self._work: WorkFile | None = None
        with open_run(settings, run_id, derived=False) as run:
            self._methods = methods_of_engine(run.record.engine)

    def extract_some(self, seconds: float) -> bool:
        """Nothing: the activations are there."""
        return False

    def derive_some(self) -> bool:
        """Derive one more layer, or what needs all of them. Returns whether something remains."""
        work = self._opened()
        return _derive_some(
            work,
            self._study,
            self._methods,
            lambda stage: self._report(Progress(stage)),
        )

    def publish(self) -> Path:
        """Put the run in its own place. Repeatable."""
        path = run_path(self._settings, self._run_id)
        if derivation_path(self._settings, self._run_id).exists():
            work = self._opened()
            self._report(Progress("publishing"))
            self._work = None
            work.publish(path, replace=True)
        return path

    def close(self) -> None:
        """Close the work file; layers that were committed stay."""
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


def session_of(
    settings: Settings, run_id: str, request: ExtractionRequest, report: Report
) -> Session:
    """The session of a request.

    Args:
        settings: where the store is.
        run_id: name of the job, and of the run that an extraction makes.
        request: what to do.
        report: called with the progress whenever it changes.

    Raises:
        StoreError: a published run of this name was made by another request.
    """
    if request.derives:
        return DerivationSession(settings, request.derives, report)
    _check_published(settings, run_id, request)
    kind = engine_of(request)
    engine = kind.make(settings, request)
    return ExtractionSession(settings, run_id, request.study, engine, report, kind.methods)


def _check_published(settings: Settings, run_id: str, request: ExtractionRequest) -> None:
    """Refuse to answer a request with a published run that another request made."""
    if not run_path(settings, run_id).exists():
        return
    with open_run(settings, run_id, derived=False) as run:
        record = run.record
    ref = find_study(settings, request.study)
    wanted: dict[str, object] = {
        "study_hash": ref.content_hash,
        "model": request.model.removeprefix(SIMULATED_PREFIX),
        "layers": request.layers,
        "pooling": request.pooling,
    }
    if request.dtype != "auto":
        wanted["dtype"] = request.dtype
    if request.batch_tokens:
        wanted["batch_tokens"] = request.batch_tokens
    changed = [name for name, value in wanted.items() if getattr(record, name) != value]
    if changed:
        raise StoreError(
            f"There is a finished run {run_id} with another {', '.join(changed)}.",
            expected="the request that made it, or a new name.",
            remedy="choose another --run-id, or delete that run first.",
        )


def _derive_some(
    work: WorkFile, study: Study, methods: Sequence[Method], stage: Callable[[str], None]
) -> bool:
    """One more layer, or what needs all of them; whether something remains."""
    layers = underived_layers(work)
    every = work.run.record.layers
    if layers:
        stage(f"computing metrics, layer {len(every) - len(layers) + 1} of {len(every)}")
        started = time.perf_counter()
        derive_layer(work, study, layers[0], methods)
        work.add_timing("derive", time.perf_counter() - started)
        return True
    if not work.run.has_best_layers():
        stage("comparing layers")
        derive_over_layers(work)
    return False


def _run_record(run_id: str, study: Study, content_hash: str, source: SourceRecord) -> RunRecord:
    return RunRecord(
        run_id=run_id,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        study_name=study.name,
        study_hash=content_hash,
        target=study.target,
        seed=SPLIT_SEED,
        **{field.name: getattr(source, field.name) for field in dataclasses.fields(source)},
    )


def _check_same(found: RunRecord, wanted: RunRecord) -> None:
    """Refuse to continue a work file with other weights, text or layers."""
    names = (
        "study_hash",
        "weights_hash",
        "tokenizer_hash",
        "chat_template_hash",
        "layers",
        "pooling",
        "dtype",
        "batch_tokens",
    )
    changed = [name for name in names if getattr(found, name) != getattr(wanted, name)]
    if changed:
        raise StoreError(
            f"The unfinished run {found.run_id} was begun with another {', '.join(changed)}.",
            expected="the same study, weights and settings as when it was begun.",
            remedy=f"delete work/{found.run_id}.duckdb in the cache and start the run again.",
        )
