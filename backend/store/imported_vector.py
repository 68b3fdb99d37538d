"""Imported vectors: one small immutable file each, ``vectors/imported/<name>.duckdb``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from backend.core.arrays import Floats
from backend.errors import StoreError
from backend.names import file_in
from backend.settings import Settings
from backend.store.changes import changing
from backend.store.connection import by_age, insert, list_rows, matrix_of, reading
from backend.store.saved_vector import check_name, new_vector_file
from backend.store.schema import IMPORTED_TABLES

_KIND = "imported vector"
# Of the table ``imported``, in its order: the fields that all layers have in common.
_COLUMNS = (
    "trait",
    "created_at",
    "file",
    "sha256",
    "file_kind",
    "numbering",
    "label",
    "model",
    "depth",
)


@dataclass(frozen=True, eq=False)
class ImportedVector:
    """A vector that another tool made, of one trait at one or more layers.

    Attributes:
        name: its name and its file's stem.
        trait: the trait that it is said to show, high minus low.
        created_at: UTC, ISO 8601, when it was imported.
        file: name of the file it came in.
        sha256: of that file.
        file_kind: the file's format, in words.
        numbering: how the file numbers layers, by a name of
            :data:`backend.runs.vector_files.LAYER_NUMBERINGS`.
        label: what the file calls it; empty where it holds one.
        model: what the file says of its model; empty where it says nothing.
        depth: decoder blocks of its model; None where the file does not say.
        layers: ascending, numbered as here: l is the output of block l, counted from 1; 0 is the
            embedding output.
        vectors: at these layers, [layers, d], as in the file and not normalised.
    """

    name: str
    trait: str
    created_at: str
    file: str
    sha256: str
    file_kind: str
    numbering: str
    label: str
    model: str
    depth: int | None
    layers: tuple[int, ...]
    vectors: Floats

    @property
    def width(self) -> int:
        """d."""
        return int(self.vectors.shape[1])

    @property
    def source(self) -> str:
        """Where it comes from, in words."""
        return f"imported from {self.file}" + (f", {self.label}" if self.label else "")


def publish_imported(settings: Settings, imported: ImportedVector) -> None:
    """Keep an imported vector; what is kept is never replaced.

    Raises:
        StoreError: the name cannot be used or is taken.
        ReadOnly, NotAllowed: nothing may be imported here, or not by who asks.
        NoRoom: the disk is full, or does not let it be written; nothing is left behind.
    """
    check_name(settings, imported.name)
    changing(settings, "import vector", imported.name)
    path = settings.imported_vectors / f"{imported.name}.duckdb"
    with new_vector_file(settings, path, _KIND, IMPORTED_TABLES) as connection:
        connection.execute(
            "INSERT INTO imported VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [getattr(imported, column) for column in _COLUMNS],
        )
        rows = {
            "layer": pa.array(imported.layers, pa.int32()),
            "vector": list_rows(imported.vectors),
        }
        insert(connection, "imported_layers", rows)


def imported_paths(settings: Settings) -> tuple[Path, ...]:
    """Files of all imported vectors, oldest first."""
    return by_age(settings.imported_vectors.glob("*.duckdb"))


def read_imported(settings: Settings, name: str) -> ImportedVector:
    """An imported vector.

    Raises:
        StoreError: there is none of this name.
        UnreadableFile: its file is damaged or of another format.
    """
    known = [path.stem for path in imported_paths(settings)]
    if name not in known:
        raise StoreError(
            f"No imported vector is called {name!r}.",
            expected=f"one of: {', '.join(known) or 'none yet'}.",
            remedy="import one on the Methods page or by import-vectors.",
        )
    path = file_in(settings.imported_vectors, "vector", name)
    with reading(path, _KIND) as connection:
        (row,) = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM imported").fetchall()
        layers = connection.execute("SELECT layer FROM imported_layers ORDER BY layer").fetchall()
        vectors = matrix_of(
            connection, "SELECT vector FROM imported_layers ORDER BY layer", []
        ).astype(np.float64)
    about = dict(zip(_COLUMNS, row, strict=True))
    return ImportedVector(name, layers=tuple(n for (n,) in layers), vectors=vectors, **about)
