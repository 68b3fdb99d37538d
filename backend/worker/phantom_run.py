"""A phantom published as a study and one run per model, by the path real runs take."""

from __future__ import annotations

import datetime
import hashlib
import platform
from collections.abc import Callable
from importlib.metadata import version

import numpy as np

from backend.geometry.stability import SPLIT_SEED
from backend.phantom.geometry import layer_numbers, simulate_layer
from backend.phantom.latents import Latents, draw_latents, judge, words
from backend.phantom.plan import PhantomPlan
from backend.phantom.study import phantom_study
from backend.settings import Settings
from backend.store.run_files import run_path
from backend.store.run_record import SIMULATED, RunRecord
from backend.store.study_files import publish_study
from backend.store.work_file import WorkFile
from backend.studies.hashing import content_hash
from backend.types import Study, StudyRef
from backend.vectors.methods import METHODS
from backend.worker.best_layers import derive_best_layers
from backend.worker.derive import derive_layer

LIBRARIES = ("numpy", "scipy", "duckdb")
# Nested logistic probes take nine tenths of the time of a run, and no planted cause needs them.
PHANTOM_METHODS = tuple(method for method in METHODS if method.labels is None)


def publish_phantom(
    settings: Settings, plan: PhantomPlan, report: Callable[[str], None]
) -> tuple[StudyRef, tuple[str, ...]]:
    """Simulate a phantom and publish its study and runs; what is published already is kept.

    Args:
        settings: where the store is.
        plan: what to simulate.
        report: called with a line whenever a step begins.

    Returns:
        The study and the ids of its runs, one per model.
    """
    settings.make_folders()
    rng = np.random.default_rng(plan.seed)
    latents = draw_latents(plan, rng)
    scores = judge(plan, latents, rng)
    lengths = words(latents)
    study = phantom_study(plan, scores, lengths)
    ref = publish_study(settings, study, content_hash(study))
    run_ids = []
    for model in range(plan.models):
        run_id = f"{ref.name}-{ref.content_hash}-{plan.model_name(model)}"
        run_ids.append(run_id)
        if not run_path(settings, run_id).exists():
            _publish_model(settings, plan, study, ref, latents, lengths, model, run_id, report)
    return ref, tuple(run_ids)


def _publish_model(
    settings: Settings, plan: PhantomPlan, study: Study, ref: StudyRef, latents: Latents,
    lengths: np.ndarray, model: int, run_id: str, report: Callable[[str], None],
) -> None:  # fmt: skip
    path = settings.work / f"{run_id}.duckdb"
    path.unlink(missing_ok=True)  # simulated anew rather than continued: it takes seconds
    work = WorkFile(path)
    layers = tuple(layer_numbers(plan))
    report(f"{plan.model_name(model)}: simulating {len(layers)} layers")
    drawn = [simulate_layer(plan, latents, model, layer) for layer in layers]
    pooled = np.stack([np.concatenate([a.prompts, a.responses]) for a in drawn])
    counts = [10] * len(study.prompts) + lengths.reshape(-1).tolist()
    try:
        record = _record(plan, study, ref, run_id, model, layers, pooled)
        work.initialise(record, study, [(range(pooled.shape[1]), int(sum(counts)))])
        work.commit_batch(0, pooled, counts, 0.0)
        for layer in layers:
            report(f"{plan.model_name(model)}: deriving layer {layer} of {len(layers)}")
            derive_layer(work, study, layer, PHANTOM_METHODS)
        derive_best_layers(work)
        work.publish(run_path(settings, run_id))
    finally:
        work.close()


def _record(
    plan: PhantomPlan, study: Study, ref: StudyRef, run_id: str, model: int,
    layers: tuple[int, ...], pooled: np.ndarray,
) -> RunRecord:  # fmt: skip
    return RunRecord(
        run_id=run_id,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        study_name=ref.name,
        study_hash=ref.content_hash,
        target=study.target,
        model=plan.model_name(model),
        model_name=plan.model_name(model),
        model_revision="",
        model_source=SIMULATED,
        weights_hash=hashlib.sha256(pooled.tobytes()).hexdigest(),
        tokenizer_hash="",
        chat_template_hash="",
        architecture="phantom",
        width=plan.width,
        depth=plan.layers,
        layers=layers,
        pooling="mean",
        batch_tokens=0,
        device="cpu",
        dtype="float32",
        engine="phantom",
        seed=SPLIT_SEED,
        versions={name: version(name) for name in LIBRARIES}
        | {"python": platform.python_version(), "phantom_seed": str(plan.seed)},
    )
