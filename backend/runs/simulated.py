"""One simulated run in the same repeatable steps as an extraction."""

from __future__ import annotations

import datetime
import hashlib
import platform
from collections.abc import Callable
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np

from backend.core.geometry.stability import SPLIT_SEED
from backend.core.vectors.methods import METHODS
from backend.phantom.phantom import Phantom
from backend.runs.best_layers import derive_best_layers
from backend.runs.derive import derive_layer
from backend.settings import Settings
from backend.store.run import run_path
from backend.store.run_record import SIMULATED, RunRecord
from backend.store.work_file import WorkFile
from backend.studies.hashing import content_hash
from backend.types import Progress, StudyRef

LIBRARIES = ("numpy", "scipy", "duckdb")
# Nested logistic probes take nine tenths of the time of a run, and no planted cause needs them.
PHANTOM_METHODS = tuple(method for method in METHODS if method.labels is None)
PROMPT_TOKENS = 10


class SimulatedSession:
    """The steps of one model of a phantom. A new session goes on with the old one's work file.

    Args:
        settings: where the store is.
        run_id: name of the run.
        phantom: what is simulated.
        model: which of its models.
        report: called with the progress whenever it changes.
    """

    def __init__(
        self,
        settings: Settings,
        run_id: str,
        phantom: Phantom,
        model: int,
        report: Callable[[Progress], None],
    ) -> None:
        self._settings, self._run_id, self._phantom, self._model = settings, run_id, phantom, model
        self._report = report
        self._work: WorkFile | None = None

    @property
    def _published(self) -> bool:
        return run_path(self._settings, self._run_id).exists()

    @cached_property
    def _ref(self) -> StudyRef:
        return StudyRef(self._phantom.name, content_hash(self._phantom.study))

    def extract_some(self, _: float) -> bool:
        """Simulate all activations; nothing remains after. Repeatable."""
        if not self._published:
            self._opened()
        return False

    def derive_some(self) -> bool:
        """Derive one more layer, then compare layers. Returns whether something remains."""
        if self._published:
            return False
        work, layers = self._opened(), self._phantom.layers
        left = [layer for layer in layers if layer not in work.derived_layers()]
        if left:
            done = len(layers) - len(left)
            self._report(
                Progress(f"computing metrics, layer {done + 1} of {len(layers)}", done, len(layers))
            )
            derive_layer(work, self._phantom.study, left[0], PHANTOM_METHODS)
            return True
        if not work.has_best_layers():
            self._report(Progress("comparing layers", len(layers), len(layers)))
            derive_best_layers(work)
        return False

    def publish(self) -> Path:
        """Publish the complete run. Repeatable."""
        path = run_path(self._settings, self._run_id)
        if not self._published:
            work = self._opened()
            self._work = None
            work.publish(path)
        return path

    def run(self) -> Path:
        """All steps in one go."""
        try:
            while self.derive_some():
                pass
            return self.publish()
        finally:
            self.close()

    def close(self) -> None:
        """Close the work file; what was committed stays."""
        if self._work is not None:
            self._work.close()
            self._work = None

    def _opened(self) -> WorkFile:
        if self._work is None:
            work = WorkFile(self._settings.work / f"{self._run_id}.duckdb")
            if not work.initialised:
                self._fill(work)
            self._work = work
        return self._work

    def _fill(self, work: WorkFile) -> None:
        phantom = self._phantom
        self._report(Progress(f"simulating {len(phantom.layers)} layers"))
        drawn = [phantom.activations(self._model, layer) for layer in phantom.layers]
        pooled = np.stack([np.concatenate([a.prompts, a.responses]) for a in drawn])
        counts = [PROMPT_TOKENS] * len(phantom.study.prompts)
        counts += phantom.lengths.reshape(-1).tolist()
        plan = [(range(pooled.shape[1]), int(sum(counts)))]
        work.initialise(self._record(pooled), phantom.study, plan)
        work.commit_batch(0, pooled, counts, 0.0)

    def _record(self, pooled: np.ndarray) -> RunRecord:
        phantom = self._phantom
        name = phantom.models[self._model]
        return RunRecord(
            run_id=self._run_id,
            created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            study_name=self._ref.name,
            study_hash=self._ref.content_hash,
            target=phantom.study.target,
            model=name,
            model_name=name,
            model_revision="",
            model_source=SIMULATED,
            weights_hash=hashlib.sha256(pooled.tobytes()).hexdigest(),
            tokenizer_hash="",
            chat_template_hash="",
            architecture="phantom",
            width=phantom.width,
            depth=phantom.layers[-1],
            layers=phantom.layers,
            pooling="mean",
            batch_tokens=0,
            device="cpu",
            dtype="float32",
            engine="phantom",
            seed=SPLIT_SEED,
            versions={name: version(name) for name in LIBRARIES}
            | {"python": platform.python_version(), "phantom_seed": str(phantom.seed)},
        )
