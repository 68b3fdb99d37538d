"""Runs made for a test, and everything that one holds."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from backend.runs.session import session_of
from backend.settings import Settings
from backend.store.run import run_path
from backend.store.schema import DERIVED_TABLES
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest, Progress, Study, StudyRef
from tests.support.kept import kept_store
from tests.support.raw import reading_run


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


# Of a run: everything that an extraction writes and that does not name the run or its time.
_TABLES = (
    "prompts",
    "responses",
    "scores",
    "prompt_activations",
    "response_activations",
    *DERIVED_TABLES,
)


def request_for(ref: StudyRef, model: Path, **values: object) -> ExtractionRequest:
    """A request for layers 0, 1 and 3 that takes nothing from other runs.

    Args:
        ref: the study.
        model: folder of the model.
        values: other fields of the request, in place of these.
    """
    given = {"layers": (0, 1, 3), "batch_tokens": 64, "fresh": True} | values
    return ExtractionRequest(study=ref.key, model=str(model), **given)


def extract(
    settings: Settings, run_id: str, request: ExtractionRequest
) -> tuple[Path, list[Progress]]:
    """Make a run in this process; its file and all reports of its progress."""
    reports: list[Progress] = []
    path = session_of(settings, run_id, request, reports.append).run()
    return path, reports


def contents(settings: Settings, run_id: str) -> dict[str, list[tuple]]:
    """Every row of a run, by table."""
    with reading_run(settings, run_id) as connection:
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
            for table in _TABLES
        }
