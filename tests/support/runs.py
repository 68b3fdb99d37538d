"""A store that already holds a study and its run."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from backend.runs.session import session_of
from backend.settings import Settings
from backend.store.run import run_path
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest, Study, StudyRef
from tests.support.kept import kept_store


def publish_run(
    settings: Settings, study: Study, model: Path, run_id: str, layers: tuple[int, ...] = (1, 2)
) -> StudyRef:
    """Publish a study and a run of it under ``run_id``.

    The same study, model, id and layers are extracted once per test session and copied after.
    """
    ref = publish_study(settings, study, content_hash(study))
    made = run_path(_kept(ref.key, str(model), run_id, layers), run_id)
    if not made.exists():
        # Whatever runs the store holds already.
        request = ExtractionRequest(study=ref.key, model=str(model), layers=layers, fresh=True)
        session_of(settings, run_id, request, lambda _: None).run()
        shutil.copyfile(run_path(settings, run_id), made)
    else:
        shutil.copyfile(made, run_path(settings, run_id))
    return ref


@cache
def _kept(*_: object) -> Settings:
    """A folder of its own for every combination."""
    return kept_store()
