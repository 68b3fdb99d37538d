"""One run from its request to its published file, in steps that can be repeated.

The command line runs the steps in one go, a queue job one by one; both give the same file. All
state that matters is in the work file: a new session on the same run id goes on from the last
committed batch.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from backend.core.metrics.stability import SPLIT_SEED
from backend.core.vectors.methods import METHODS, Method
from backend.errors import StoreError
from backend.extraction.engine import (
    Batch,
    Engine,
    IdentifiedEngine,
    ModelSource,
    OpenEngine,
    Report,
    SourceRecord,
)
from backend.extraction.tokens import contrast_notices
from backend.runs.derive import DERIVATION, derive_layer, derive_over_layers, underived_layers
from backend.runs.engines import SIMULATED_PREFIX, engine_of, methods_of_engine
from backend.runs.rate import Rate
from backend.runs.reuse import Reuse, find_carried, find_reuse
from backend.settings import Settings
from backend.store.changes import changing
from backend.store.connection import discard
from backend.store.run import open_run, run_path
from backend.store.run_record import RunRecord
from backend.store.study import find_study, load_study
from backend.store.work_file import (
    LostSource,
    Taken,
    WorkFile,
    derivation_path,
    work_path,
)
from backend.types import ExtractionRequest, Progress, PromptTokens, Study, StudyRef

logger = logging.getLogger("steerscope.extraction")
# Layers are committed together until this many seconds have passed: where most was taken from
# another run, a layer takes less time than a commit.
DERIVE_SECONDS = 0.5


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


@dataclass(frozen=True)
class _Plan:
    """What is left to extract.

    Attributes:
        batches: of the texts that no earlier run gives, by their indices in the study.
        source: the engine that pools them; None where nothing is left for it.
    """

    batches: tuple[Batch, ...]
    source: OpenEngine | None

    @property
    def made(self) -> SourceRecord:
        """Where the activations come from.

        Raises:
            RuntimeError: no engine is open.
        """
        if self.source is None:
            raise RuntimeError("no engine is open")
        return self.source.record


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
        self._lost: set[str] = set()

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
        started = time.perf_counter()
        path = work_path(self._settings, self._run_id)
        model = None
        if isinstance(self._engine, IdentifiedEngine):
            model = self._engine.source(self._report)
        work = self._opened_again(path, ref, model)
        while work is None:
            work = self._begun(path, ref, model)
        work.add_timing("prepare", time.perf_counter() - started)
        self._work = work
        self._done = set(work.done_batches())
        self._report(self._progress())

    def _opened_again(
        self, path: Path, ref: StudyRef, model: ModelSource | None
    ) -> WorkFile | None:
        """The work file that was begun before; None where there is none."""
        if not path.exists():
            return None
        work = WorkFile(path)
        self._stack.callback(work.close)
        if not work.initialised:
            self._stack.close()
            return None
        work.check_format()
        found, planned = work.run.record, work.planned_texts()
        if model is not None and work.is_extracted():
            self._plan = _Plan((), None)
            made = source_record(model, found)
        else:
            self._plan = self._open(planned)
            made = self._plan.made
        _check_same(found, _run_record(self._run_id, self._study, ref.content_hash, made))
        return work

    def _begun(self, path: Path, ref: StudyRef, model: ModelSource | None) -> WorkFile | None:
        """A new work file with what earlier runs give; None where one of them was lost meanwhile,
        and it is to be tried without that."""
        reuse = Reuse(len(self._study.prompts) + len(self._study.responses))
        if model is not None:
            reuse = find_reuse(
                self._settings, self._study, model.identity, model.layers, self._lost
            )
            self._report(Progress(reuse.sentence))
        known = reuse.known(self._study)
        if model is not None and reuse.record is not None and not reuse.left:
            self._plan = _Plan((), None)
            made = source_record(model, reuse.record)
        else:
            self._plan = self._open([n for n in range(reuse.total) if n not in known])
            made = self._plan.made
        tokens = self._tokens(reuse, made)
        told = contrast_notices(self._study.prompts, tokens, made.pooling) if tokens else ()
        made = dataclasses.replace(made, notices=(*made.notices, *told))
        for notice in made.notices:
            logger.warning("%s", notice)
        record = dataclasses.replace(
            _run_record(self._run_id, self._study, ref.content_hash, made), reused=reuse.counts
        )
        carried = find_carried(
            self._settings, reuse, self._study, record.layers, self._methods, DERIVATION
        )
        work = WorkFile(path)
        self._stack.callback(work.close)
        plan = [(batch.texts, batch.tokens) for batch in self._plan.batches]
        taken = Taken(self._settings, reuse.parts, carried)
        try:
            work.initialise(record, self._study, plan, tokens, taken)
        except LostSource as fault:
            self._lost.add(fault.run_id)
            self._stack.close()
            discard(path)
            return None
        return work

    def _open(self, texts: Sequence[int]) -> _Plan:
        """The engine, open for some of the study's texts, and its batches by their indices there.

        Args:
            texts: indices, ascending: prompts first, then responses.
        """
        study = self._study
        first = len(study.prompts)
        some = dataclasses.replace(
            study,
            prompts=tuple(study.prompts[n] for n in texts if n < first),
            responses=tuple(study.responses[n - first] for n in texts if n >= first),
        )
        source = self._stack.enter_context(self._engine.opened(some, self._report))
        batches = tuple(
            Batch(tuple(texts[n] for n in batch.texts), batch.tokens) for batch in source.batches
        )
        return _Plan(batches, source)

    def _tokens(self, reuse: Reuse, made: SourceRecord) -> tuple[PromptTokens, ...]:
        """The tokens of all prompts of the study; empty where the engine has none."""
        if not reuse.parts:
            return made.prompt_tokens
        found = {number: own for part in reuse.parts for number, own in part.tokens.items()}
        known = reuse.known(self._study)
        count = len(self._study.prompts)
        left = [number for number in range(count) if number not in known]
        if self._plan.source is not None:
            found |= dict(zip(left, made.prompt_tokens, strict=True))
        missing = [number for number in range(count) if number not in found]
        if missing and isinstance(self._engine, IdentifiedEngine):
            own = self._engine.prompt_tokens([self._study.prompts[n] for n in missing])
            found |= dict(zip(missing, own, strict=True))
        return tuple(found[number] for number in range(count))

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
            # Without a batch there are few commits.
            work.publish(run_path(self._settings, self._run_id), compact=bool(work.batches()))
        self.close()
        return run_path(self._settings, self._run_id)

    def close(self) -> None:
        """Close the work file and restore the model; committed batches stay."""
        self._work = None
        self._stack.close()

    def _run_batch(self, work: WorkFile, source: OpenEngine, index: int) -> None:
        batch = source.batches[index]
        started = time.perf_counter()
        pooled = source.pool(batch)
        elapsed = time.perf_counter() - started
        work.commit_batch(index, pooled.activations, pooled.counts, elapsed, pooled.first)
        self._done.add(index)
        self._rate.add(len(batch.texts), batch.tokens, time.perf_counter() - started)
        self._report(self._progress())

    def _opened(self) -> tuple[WorkFile, _Plan]:
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
        ReadOnly: nothing may be made here.
    """
    made = "derive run" if request.derives else "extract run"
    changing(settings, made, request.derives or run_id)
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
    """Some more layers, or what needs all of them; whether something remains."""
    layers = underived_layers(work)
    every = work.run.record.layers
    if layers:
        started = time.perf_counter()
        with work.together():
            for layer in layers:
                stage(f"computing metrics, layer {every.index(layer) + 1} of {len(every)}")
                derive_layer(work, study, layer, methods)
                if time.perf_counter() - started >= DERIVE_SECONDS:
                    break
            work.add_timing("derive", time.perf_counter() - started)
        return True
    if not work.run.derivation_ended():
        stage("comparing layers")
        derive_over_layers(work)
    return False


def source_record(model: ModelSource, before: RunRecord) -> SourceRecord:
    """Where the activations of a run come from that extracts nothing.

    Args:
        model: as it is now.
        before: of the run that gives most of them; its device and libraries made them.
    """
    return SourceRecord(
        model=model.model,
        model_name=model.model_name,
        model_revision=model.model_revision,
        model_source=model.model_source,
        weights_hash=model.identity.weights_hash,
        tokenizer_hash=model.identity.tokenizer_hash,
        chat_template_hash=model.identity.chat_template_hash,
        architecture=before.architecture,
        width=before.width,
        depth=before.depth,
        layers=model.layers,
        pooling=model.identity.pooling,
        batch_tokens=model.batch_tokens or before.batch_tokens,
        device=before.device,
        dtype=model.identity.dtype,
        engine=model.identity.engine,
        versions=before.versions,
        notices=model.notices,
        config_hash=model.identity.config_hash,
    )


def _run_record(run_id: str, study: Study, content_hash: str, source: SourceRecord) -> RunRecord:
    return RunRecord(
        run_id=run_id,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        study_name=study.name,
        study_hash=content_hash,
        target=study.target,
        seed=SPLIT_SEED,
        **{
            entry.name: getattr(source, entry.name)
            for entry in dataclasses.fields(source)
            if entry.name != "prompt_tokens"
        },
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
