"""Named vectors: one small immutable file each, ``vectors/<name>.duckdb``."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from backend.core.arrays import Floats
from backend.core.estimate import FISHER_Z, Estimate
from backend.core.vectors.pipeline import Pipeline
from backend.errors import StoreError
from backend.names import VECTOR_NAME, file_in
from backend.settings import Settings
from backend.store.changes import changing
from backend.store.connection import by_age, discard, matrix_of, publish, reading
from backend.store.room import writing
from backend.store.schema import FORMAT, VECTOR_TABLES


@dataclass(frozen=True, eq=False)
class SavedVector:
    """A vector that a user named.

    Attributes:
        name: its name and its file's stem.
        run_id: the run it was built from.
        trait: the trait.
        prompt_set: which prompts.
        layer: the layer.
        pipeline: how it was built.
        created_at: UTC, ISO 8601.
        prompt_ids: the prompts that passed the filter, by their number in the study.
        correlation: r with Fisher's interval, n and p when it was saved. It is not held out: the
            choices may have been made by looking at it.
        vector: v in activation space, [d], float64, not normalised.
        projections: of the run's responses along v / ||v||, by response id, [N].
    """

    name: str
    run_id: str
    trait: str
    prompt_set: str
    layer: int
    pipeline: Pipeline
    created_at: str
    prompt_ids: tuple[int, ...]
    correlation: Estimate
    vector: Floats
    projections: Floats


def check_name(settings: Settings, name: str) -> None:
    """Refuse a name that cannot be a file's, or that is taken.

    Raises:
        StoreError: it is either.
    """
    if not VECTOR_NAME.fullmatch(name):
        raise StoreError(
            f"{name!r} cannot name a vector.",
            expected="up to 60 small letters, digits and dashes, with no dash at the ends.",
            remedy="choose a name such as warmth-l19-filtered.",
        )
    # An imported vector is named beside those that were saved.
    folders = (settings.vectors, settings.imported_vectors)
    if any((folder / f"{name}.duckdb").exists() for folder in folders):
        raise _taken(name)


def publish_vector(settings: Settings, saved: SavedVector) -> None:
    """Keep a named vector; what is saved is never replaced.

    Raises:
        StoreError: the name cannot be used or is taken.
        ReadOnly, NotAllowed: nothing may be saved here, or not by who asks.
        NoRoom: the disk is full, or does not let it be written; nothing is left behind.
    """
    check_name(settings, saved.name)
    changing(settings, "save vector", saved.name)
    c = saved.correlation
    path = settings.vectors / f"{saved.name}.duckdb"
    with new_vector_file(settings, path, "vector", VECTOR_TABLES) as connection:
        connection.execute(
            "INSERT INTO vector VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                saved.run_id,
                saved.trait,
                saved.prompt_set,
                saved.layer,
                json.dumps(saved.pipeline.to_dict()),
                saved.created_at,
                list(saved.prompt_ids),
                c.n,
                c.value,
                c.low,
                c.high,
                c.p,
                c.reason,
                saved.vector.tolist(),
                saved.projections.tolist(),
            ],
        )


@contextmanager
def new_vector_file(
    settings: Settings, path: Path, kind: str, tables: str
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A new file to fill; it is at its place when this ends, or nothing is left behind.

    Args:
        settings: where work files are.
        path: where it will be.
        kind: of the file, as its reader asks for it.
        tables: the statements that make them.

    Raises:
        StoreError: a vector of this name has been kept meanwhile.
        NoRoom: the disk is full, or does not let it be written.
    """
    settings.make_folders()
    work = settings.work / f"vector-{uuid.uuid4().hex}.duckdb"
    try:
        with writing(work), duckdb.connect(str(work)) as connection:
            connection.execute(tables)
            connection.execute("INSERT INTO file_format VALUES (?, ?)", [FORMAT, kind])
            yield connection
            connection.execute("CHECKPOINT")
        if not publish(work, path):
            raise _taken(path.stem)
    finally:
        discard(work)


def vector_paths(settings: Settings) -> tuple[Path, ...]:
    """Files of all named vectors, oldest first."""
    return by_age(settings.vectors.glob("*.duckdb"))


def list_vectors(settings: Settings) -> tuple[str, ...]:
    """Names of all named vectors, oldest first."""
    return tuple(path.stem for path in vector_paths(settings))


def read_vector(settings: Settings, name: str) -> SavedVector:
    """A named vector.

    Raises:
        StoreError: there is none of this name.
        UnreadableFile: its file is damaged or of another format.
    """
    if name not in list_vectors(settings):
        raise StoreError(
            f"No vector is called {name!r}.",
            expected=f"one of: {', '.join(list_vectors(settings)) or 'none yet'}.",
            remedy="save one on the Filter lab page.",
        )
    with reading(file_in(settings.vectors, "vector", name), "vector") as connection:
        (row,) = connection.execute(
            "SELECT run_id, trait, prompt_set, layer, pipeline, created_at, prompt_ids,"
            " n, r, low, high, p, reason FROM vector"
        ).fetchall()
        vector = matrix_of(connection, "SELECT vector FROM vector", [])
        projections = matrix_of(connection, "SELECT projections FROM vector", [])
    run_id, trait, prompt_set, layer, pipeline, created_at, prompt_ids, *r = row
    return SavedVector(
        name,
        run_id,
        trait,
        prompt_set,
        layer,
        Pipeline(**json.loads(pipeline)),
        created_at,
        tuple(prompt_ids),
        _correlation(*r),
        vector.reshape(-1).astype(np.float64),
        projections.reshape(-1).astype(np.float64),
    )


def _correlation(
    n: int,
    r: float | None,
    low: float | None,
    high: float | None,
    p: float | None,
    reason: str | None,
) -> Estimate:
    return Estimate(r, low, high, p, n, reason, None if low is None else FISHER_Z)


def _taken(name: str) -> StoreError:
    return StoreError(
        f"A vector is called {name!r} already.",
        expected="a new name: a saved vector is never replaced.",
        remedy="choose another name.",
    )
