"""Published studies: immutable files ``<name>@<hash>.duckdb``."""

from __future__ import annotations

import uuid

import duckdb

from backend.errors import StudyNotFound
from backend.settings import Settings
from backend.store.connection import publish, reading
from backend.store.schema import STUDY_TABLES
from backend.store.study_tables import read_study as read_tables
from backend.store.study_tables import write_study as write_tables
from backend.types import Study, StudyRef


def publish_study(settings: Settings, study: Study, content_hash: str) -> StudyRef:
    """Keep a study. The same name and content give the file that is there already.

    Args:
        settings: where the store is.
        study: a valid study.
        content_hash: hash of its content.
    """
    settings.make_folders()
    ref = StudyRef(study.name, content_hash)
    target = settings.studies / f"{ref.key}.duckdb"
    if target.exists():
        return ref
    work = settings.work / f"study-{uuid.uuid4().hex}.duckdb"
    try:
        with duckdb.connect(str(work)) as connection:
            connection.execute(STUDY_TABLES)
            write_tables(connection, study, content_hash, "study")
            connection.execute("CHECKPOINT")
        publish(work, target)
    finally:
        work.unlink(missing_ok=True)
    return ref


def list_studies(settings: Settings) -> tuple[StudyRef, ...]:
    """All published studies, by name, newest revision of a name last."""
    paths = sorted(settings.studies.glob("*@*.duckdb"), key=lambda p: (p.stat().st_mtime, p.name))
    refs = [StudyRef(*path.stem.rsplit("@", 1)) for path in paths]
    return tuple(sorted(refs, key=lambda ref: ref.name))


def find_study(settings: Settings, wanted: str) -> StudyRef:
    """The study named ``name@hash``, or the newest revision of ``name``.

    Raises:
        StudyNotFound: there is none.
    """
    refs = list_studies(settings)
    matches = [ref for ref in refs if wanted in (ref.key, ref.name)]
    if not matches:
        known = ", ".join(ref.key for ref in refs) or "none yet"
        raise StudyNotFound(
            f"No study is called {wanted!r}.",
            expected=f"one of the imported studies: {known}.",
            remedy="import it first: python -m backend import-study PATH.",
        )
    return matches[-1]


def load_study(settings: Settings, ref: StudyRef) -> Study:
    """Read a published study.

    Raises:
        UnreadableFile: the file is damaged or missing.
    """
    with reading(settings.studies / f"{ref.key}.duckdb", "study") as connection:
        study, _ = read_tables(connection)
    return study
