"""One run from its request to its published file, in steps that can be repeated.

The command line runs the steps in one go, a queue job one by one; both give the same file. All
state that matters is in the work file: a new session on the same run id goes on from the last
committed batch.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from backend.core.vectors.methods import METHODS, Method
from backend.errors import ExtractionError, StoreError
from backend.extraction.engine import Engine, OpenEngine, Report
from backend.poolings import parse_pooling
from backend.runs.carrying import Carrying
from backend.runs.derivation_session import DerivationSession
from backend.runs.derive import DERIVATION
from backend.runs.engines import SIMULATED_PREFIX, engine_of
from backend.runs.layer_task import OpenDeriver
from backend.runs.preparation import Plan, Preparation
from backend.runs.rate import LayerRate, Rate
from backend.runs.steps import Derivers, Session, derive_some
from backend.settings import Settings
from backend.store.changes import changing
from backend.store.run import open_run, run_path
from backend.store.study import find_study, load_study
from backend.store.work_file import WorkFile, work_path
from backend.types import ExtractionRequest, Progress, Study


class ExtractionSession(Session):
    """A run whose activations come from an engine.

    Args:
        settings: where the store is.
        run_id: name of the run; the work file of that name is continued if it exists.
        study: key or name of a published study.
        engine: where the activations come from.
        report: called with the progress whenever it changes.
        methods: which vectors to build.
        elsewhere: opens who computes the layers; None for this machine.
    """

    def __init__(
        self,
        settings: Settings,
        run_id: str,
        study: str,
        engine: Engine,
        report: Report,
        methods: Sequence[Method] = METHODS,
        elsewhere: OpenDeriver | None = None,
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
        self._layer_rate = LayerRate()
        self._derivers = Derivers(elsewhere, report)
        self._carrying: Carrying | None = None

    @property
    def published(self) -> Path | None:
        """The run's file if it is complete already."""
        path = run_path(self._settings, self._run_id)
        return path if path.exists() else None

    def prepare(self) -> None:
        """Agree on the plan and open what it needs: nothing of the model where earlier runs give
        every text. Repeatable.

        Raises:
            SteerscopeError: study, model, device, layer or text is unusable; nothing is kept.
        """
        if self._work is not None:
            return
        self._settings.make_folders()
        ref = find_study(self._settings, self._study_key)
        self._study = load_study(self._settings, ref)
        _check_traits(self._study)
        started = time.perf_counter()
        preparation = Preparation(
            self._settings,
            self._run_id,
            self._study,
            ref.content_hash,
            self._engine,
            self._methods,
            self._report,
            self._stack,
        )
        work, self._plan = preparation.work_file(work_path(self._settings, self._run_id))
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
        work, plan = self._opened()
        if plan.source is None:
            return False
        deadline = time.perf_counter() + seconds
        for index in range(len(plan.batches)):
            if index in self._done:
                continue
            self._run_batch(work, plan.source, index)
            if time.perf_counter() >= deadline:
                break
        return len(self._done) < len(plan.batches)

    def derive_some(self) -> bool:
        """Derive one more layer, or what needs all of them. Repeatable.

        Returns:
            Whether something remains.
        """
        if self.published is not None:
            return False
        self.prepare()
        work, plan = self._opened()
        # Whoever derives has the engine's memory, and the place of its workers.
        plan.close()
        if self._carrying is None and plan.carried is not None:
            work.begin_derivation(DERIVATION)
            self._carrying = Carrying(self._settings, work, plan.carried)
        return derive_some(
            work,
            self._study,
            self._methods,
            self._layer_rate,
            lambda stage, left: self._report(
                dataclasses.replace(self._progress(stage), seconds_left=left)
            ),
            lambda: self._derivers.of(work, self._study, self._methods),
            self._carrying,
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
            self._derivers.close()
            self._work = None
            # Without a batch there are few commits.
            work.publish(run_path(self._settings, self._run_id), compact=bool(work.batches()))
        self.close()
        return run_path(self._settings, self._run_id)

    def close(self) -> None:
        """Close the work file and restore the model; committed batches stay."""
        self._work = None
        if self._carrying is not None:
            self._carrying.wait()
            self._carrying = None
        self._derivers.close()
        self._stack.close()

    def _run_batch(self, work: WorkFile, source: OpenEngine, index: int) -> None:
        batch = source.batches[index - self._plan.first]
        started = time.perf_counter()
        pooled = source.pool(batch)
        elapsed = time.perf_counter() - started
        work.commit_batch(index, pooled.activations, pooled.counts, elapsed, pooled.first)
        self._done.add(index)
        self._rate.add(len(batch.texts), batch.tokens, time.perf_counter() - started)
        self._report(self._progress())

    def _opened(self) -> tuple[WorkFile, Plan]:
        if self._work is None:
            raise RuntimeError("prepare() comes first")
        return self._work, self._plan

    def _progress(self, stage: str = "extracting") -> Progress:
        batches = self._plan.batches
        left = [batch for index, batch in enumerate(batches) if index not in self._done]
        total = len(self._study.prompts) + len(self._study.responses)
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
        UnknownPooling: the request names none.
        StoreError: a published run of this name was made by another request.
        ReadOnly: nothing may be made here.
    """
    made = "derive run" if request.derives else "extract run"
    changing(settings, made, request.derives or run_id)
    kind = engine_of(request)
    elsewhere = kind.deriver(settings, request)
    if request.derives:
        return DerivationSession(settings, request.derives, report, elsewhere)
    parse_pooling(request.pooling)
    _check_published(settings, run_id, request)
    engine = kind.make(settings, request)
    return ExtractionSession(
        settings, run_id, request.study, engine, report, kind.methods, elsewhere
    )


def _check_traits(study: Study) -> None:
    """Refuse a study of nothing: stores of older versions may hold one."""
    if not study.traits:
        raise ExtractionError(
            f"The study {study.name} has no trait, so nothing can be computed from a run of it.",
            expected="a study with prompts of at least one trait.",
            remedy="import the study again with its prompts, or choose another.",
        )


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
