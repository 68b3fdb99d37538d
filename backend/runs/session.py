"""One extraction from request to published run, in steps that can be repeated.

The command line runs the steps in one go, a queue job one by one; both give the same file. All
state that matters is in the work file: a new session on the same run id goes on from the last
committed batch.
"""

from __future__ import annotations

import datetime
import platform
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from backend.core.geometry.stability import SPLIT_SEED
from backend.errors import StoreError
from backend.extraction.batches import default_budget
from backend.extraction.engine import ExtractionPlan, LocalEngine, Pooler
from backend.jobs.requests import model_name
from backend.models.load import LoadedModel, load
from backend.models.resolve import resolve
from backend.runs.best_layers import derive_best_layers
from backend.runs.derive import derive_layer
from backend.runs.rate import Rate
from backend.settings import Settings
from backend.store.run import run_path
from backend.store.run_record import RunRecord
from backend.store.study import find_study, load_study
from backend.store.work_file import WorkFile
from backend.types import ExtractionRequest, Progress, Study

LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "duckdb")
Report = Callable[[Progress], None]


class ExtractionSession:
    """The steps of one run, in this process.

    Args:
        settings: where the store is.
        run_id: name of the run; the work file of that name is continued if it exists.
        request: what to extract.
        report: called with the progress whenever it changes.
    """

    def __init__(
        self, settings: Settings, run_id: str, request: ExtractionRequest, report: Report
    ) -> None:
        self._settings = settings
        self._run_id = run_id
        self._request = request
        self._report = report
        self._stack = ExitStack()
        self._work: WorkFile | None = None
        self._rate = Rate()

    @property
    def published(self) -> Path | None:
        """The run's file if it is complete already."""
        path = run_path(self._settings, self._run_id)
        return path if path.exists() else None

    def prepare(self) -> None:
        """Load study and model, open the work file and agree on the plan. Repeatable.

        Raises:
            SteerscopeError: study, model, device, layer or text is unusable; nothing is kept.
        """
        if self._work is not None:
            return
        self._settings.make_folders()
        ref = find_study(self._settings, self._request.study)
        self._study = load_study(self._settings, ref)
        started = time.perf_counter()
        loaded = self._load()
        engine = LocalEngine(loaded)
        self._report(Progress("tokenising"))
        self._plan = engine.plan(
            self._study.prompts,
            self._study.responses,
            self._request.batch_tokens,
            self._request.pooling,
        )
        pooler = self._stack.enter_context(engine.open(self._request.layers, self._request.pooling))
        record = self._record(loaded, ref.content_hash, engine.name)
        work = WorkFile(self._settings.work / f"{self._run_id}.duckdb")
        self._stack.callback(work.close)
        if work.initialised:
            work.check_format()
            _check_same(work.record(), record)
        else:
            batches = [
                (batch, self._plan.tokens(index)) for index, batch in enumerate(self._plan.batches)
            ]
            work.initialise(record, self._study, batches)
        work.add_timing("prepare", time.perf_counter() - started)
        self._work, self._pooler = work, pooler
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
        work, pooler, plan = self._opened()
        deadline = time.perf_counter() + seconds
        for index, batch in enumerate(plan.batches):
            if index in self._done:
                continue
            self._run_batch(work, pooler, index, batch)
            if time.perf_counter() >= deadline:
                break
        return len(self._done) < len(plan.batches)

    def derive_some(self) -> bool:
        """Compute and commit what pages need for one more layer, then the best layers. Repeatable.

        Returns:
            Whether something remains.
        """
        if self.published is not None:
            return False
        self.prepare()
        work, _, _ = self._opened()
        layers = [layer for layer in self._request.layers if layer not in work.derived_layers()]
        if layers:
            done = len(self._request.layers) - len(layers)
            self._report(
                self._progress(
                    f"computing metrics, layer {done + 1} of {len(self._request.layers)}"
                )
            )
            started = time.perf_counter()
            derive_layer(work, self._study, layers[0])
            work.add_timing("derive", time.perf_counter() - started)
            return True
        if not work.has_best_layers():
            self._report(self._progress("comparing layers"))
            derive_best_layers(work)
        return False

    def publish(self) -> Path:
        """Publish the complete run. Repeatable.

        Returns:
            The published file.
        """
        if self.published is None:
            self.prepare()
            work, _, _ = self._opened()
            self._report(self._progress("publishing"))
            self._work = None
            work.publish(run_path(self._settings, self._run_id))
        self.close()
        return run_path(self._settings, self._run_id)

    def run(self) -> Path:
        """All steps in one go.

        Returns:
            The published file.
        """
        try:
            while self.extract_some(60.0):
                pass
            while self.derive_some():
                pass
            return self.publish()
        finally:
            self.close()

    def close(self) -> None:
        """Close the work file and restore the model; committed batches stay."""
        self._work = None
        self._stack.close()

    def _load(self) -> LoadedModel:
        def stage(text: str, fraction: float | None) -> None:
            share = "" if fraction is None else f" ({fraction:.0%})"
            self._report(Progress(f"{text}{share}"))

        resolved = resolve(self._request.model, self._settings, stage)
        self._report(Progress("loading the model"))
        return load(
            resolved,
            device=self._request.device,
            dtype=self._request.dtype,
            need_chat_template=any(response.messages for response in self._study.responses),
        )

    def _run_batch(
        self, work: WorkFile, pooler: Pooler, index: int, batch: tuple[int, ...]
    ) -> None:
        texts = [self._plan.texts[text] for text in batch]
        started = time.perf_counter()
        pooled = pooler.pool(texts)
        elapsed = time.perf_counter() - started
        counts = [text.count(self._request.pooling) for text in texts]
        work.commit_batch(index, pooled.activations, counts, elapsed, pooled.first)
        self._done.add(index)
        self._rate.add(len(texts), self._plan.tokens(index), time.perf_counter() - started)
        self._report(self._progress())

    def _opened(self) -> tuple[WorkFile, Pooler, ExtractionPlan]:
        if self._work is None:
            raise RuntimeError("prepare() comes first")
        return self._work, self._pooler, self._plan

    def _progress(self, stage: str = "extracting") -> Progress:
        plan = self._plan
        done_texts = sum(len(plan.batches[index]) for index in self._done)
        tokens_left = sum(
            plan.tokens(index) for index in range(len(plan.batches)) if index not in self._done
        )
        return Progress(
            stage=stage,
            done=done_texts,
            total=len(plan.texts),
            batches_done=len(self._done),
            batches_total=len(plan.batches),
            texts_per_second=self._rate.texts_per_second,
            tokens_per_second=self._rate.tokens_per_second,
            seconds_left=self._rate.seconds_for(tokens_left),
        )

    def _record(self, loaded: LoadedModel, content_hash: str, engine: str) -> RunRecord:
        study: Study = self._study
        return RunRecord(
            run_id=self._run_id,
            created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            study_name=study.name,
            study_hash=content_hash,
            target=study.target,
            model=self._request.model,
            model_name=model_name(self._request.model),
            model_revision=loaded.resolved.revision or "",
            model_source=loaded.resolved.source,
            weights_hash=loaded.resolved.weights_hash,
            tokenizer_hash=loaded.tokenizer_hash,
            chat_template_hash=loaded.chat_template_hash or "",
            architecture=type(loaded.model).__name__,
            width=loaded.width,
            depth=loaded.depth,
            layers=self._request.layers,
            pooling=self._request.pooling,
            batch_tokens=self._request.batch_tokens or default_budget(loaded.device),
            device=loaded.device,
            dtype=loaded.dtype,
            engine=engine,
            seed=SPLIT_SEED,
            versions={name: version(name) for name in LIBRARIES}
            | {"python": platform.python_version()},
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
