"""A phantom published as a study and one run per model, by the path real runs take."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from backend.extraction.simulated import NAME, SimulatedEngine
from backend.phantom.drawn import DrawnPhantom
from backend.phantom.phantom import Phantom
from backend.phantom.plan import PhantomPlan
from backend.runs.engines import methods_of_engine
from backend.runs.session import ExtractionSession
from backend.runs.simulated_id import simulated_run_id
from backend.settings import Settings
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import Progress, StudyRef


def publish_phantom(
    settings: Settings, phantom: Phantom | PhantomPlan, report: Callable[[str], None]
) -> tuple[StudyRef, tuple[str, ...]]:
    """Simulate a phantom and publish its study and runs; what is published already is kept.

    Args:
        settings: where the store is.
        phantom: what to simulate; a plan stands for the phantom drawn from it.
        report: called with a line whenever a step begins.

    Returns:
        The study and the ids of its runs, one per model.
    """
    settings.make_folders()
    made = DrawnPhantom(phantom) if isinstance(phantom, PhantomPlan) else phantom
    ref = publish_study(settings, made.study, content_hash(made.study))
    run_ids = []
    for model, name in enumerate(made.models):
        run_id = simulated_run_id(ref, made, name)
        run_ids.append(run_id)
        engine, tell = SimulatedEngine(made, model), partial(_tell, report, name)
        ExtractionSession(settings, run_id, ref.key, engine, tell, methods_of_engine(NAME)).run()
    return ref, tuple(run_ids)


def _tell(report: Callable[[str], None], model: str, progress: Progress) -> None:
    report(f"{model}: {progress.stage}")
