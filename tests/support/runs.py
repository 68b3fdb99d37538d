"""A store that already holds a study and its run."""

from __future__ import annotations

from pathlib import Path

from backend.settings import Settings
from backend.store.study_files import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest, Study, StudyRef
from backend.worker.session import ExtractionSession


def publish_run(
    settings: Settings, study: Study, model: Path, run_id: str, layers: tuple[int, ...] = (1, 2)
) -> StudyRef:
    """Publish a study and a run of it under ``run_id``."""
    ref = publish_study(settings, study, content_hash(study))
    request = ExtractionRequest(study=ref.key, model=str(model), layers=layers)
    ExtractionSession(settings, run_id, request, lambda _: None).run()
    return ref
