"""Published runs: one immutable file each, which can be copied to a collaborator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from backend.errors import RunNotFound, UnreadableFile
from backend.settings import Settings
from backend.store.connection import reading
from backend.store.run_record import RunRecord


def run_path(settings: Settings, run_id: str) -> Path:
    """Where a published run is, or would be."""
    return settings.runs / f"{run_id}.duckdb"


def list_run_ids(settings: Settings) -> tuple[str, ...]:
    """Ids of all published runs, oldest first."""
    paths = sorted(settings.runs.glob("*.duckdb"), key=lambda p: (p.stat().st_mtime, p.name))
    return tuple(path.stem for path in paths)


@contextmanager
def reading_run(settings: Settings, run_id: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to a published run.

    Raises:
        RunNotFound: there is no such run.
        UnreadableFile: the file is damaged or of another format.
    """
    path = run_path(settings, run_id)
    if not path.exists():
        known = ", ".join(list_run_ids(settings)[-5:]) or "none yet"
        raise RunNotFound(
            f"No run is called {run_id!r}.",
            expected=f"a published run (newest: {known}).",
            remedy="list them with: python -m backend runs.",
        )
    with reading(path, "run") as connection:
        yield connection


def read_record(connection: duckdb.DuckDBPyConnection, run_id: str) -> RunRecord:
    """Provenance from an open run.

    Raises:
        UnreadableFile: a key is missing.
    """
    rows = dict(connection.execute("SELECT key, value FROM run").fetchall())
    try:
        return RunRecord.from_rows(rows)
    except KeyError as fault:
        raise UnreadableFile(
            f"Run {run_id} has no provenance entry {fault}.",
            expected="every entry of a run's provenance.",
            remedy="extract it again.",
        ) from fault


def delete_run(settings: Settings, run_id: str) -> None:
    """Remove a published run's file.

    Raises:
        RunNotFound: there is no such run.
    """
    with reading_run(settings, run_id):
        pass
    run_path(settings, run_id).unlink()
