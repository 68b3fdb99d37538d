"""A run's file by plain SQL, as an oracle for what the code reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from backend.settings import Settings
from backend.store.connection import Connection, reading
from backend.store.run import run_path


@contextmanager
def reading_run(settings: Settings, run_id: str) -> Iterator[Connection]:
    """A read-only connection to a published run."""
    with reading(run_path(settings, run_id), "run") as connection:
        yield connection
