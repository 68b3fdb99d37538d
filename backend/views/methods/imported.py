"""Named vectors in words and rows: what was understood of a file, and r on a run."""

from __future__ import annotations

import numpy as np

from backend.core.estimate import Estimate
from backend.runs.imported_vectors import NamedVector, UnderstoodVectors, correlations, on_run
from backend.runs.vector_files import LAYER_NUMBERINGS
from backend.store.imported_vector import ImportedVector
from backend.store.run import Run
from backend.store.saved_vector import SavedVector
from backend.views.shared.numbers import ranges

ORIGIN = (
    "A vector is taken as pointing from the low to the high pole. Its projection is of every "
    "response's activation along v / ||v||, as for the vectors built here."
)


def understood_lines(found: UnderstoodVectors) -> tuple[list[str], tuple[str, ...]]:
    """What was understood of a file, a line a vector after one about the file, and the notes.

    Args:
        found: before anything is kept.
    """
    file = found.file
    about = f"{file.kind}, layers numbered {file.numbering}: {LAYER_NUMBERINGS[file.numbering]}."
    depth = "" if file.depth is None else f" Its model has {file.depth} blocks."
    model = f" Model: {file.model}." if file.model else ""
    lines = [f"{about}{depth}{model}"]
    for vector in found.vectors:
        lengths = np.linalg.norm(vector.vectors, axis=1)
        lines.append(
            f"{vector.name}: {vector.trait}, d = {vector.width}, "
            f"{'layer' if len(vector.layers) == 1 else 'layers'} {ranges(vector.layers)} as "
            f"numbered here, length {lengths.min():.4g}"
            + (f" to {lengths.max():.4g}" if len(lengths) > 1 else "")
        )
    return lines, file.notes


def named_rows(vector: NamedVector) -> list[dict[str, object]]:
    """A named vector as a row.

    Args:
        vector: saved or imported.
    """
    layers: tuple[int, ...]
    if isinstance(vector, SavedVector):
        width, layers = len(vector.vector), (vector.layer,)
        source = f"saved in the Filter lab from run {vector.run_id}, {vector.pipeline.label}"
    else:
        width, layers, source = vector.width, vector.layers, vector.source
    return [
        {
            "vector": vector.name,
            "trait": vector.trait,
            "layers": ranges(layers),
            "d": width,
            "source": source,
        }
    ]


def on_run_rows(run: Run, vector: NamedVector) -> list[dict[str, object]]:
    """r of a named vector on a run, a row a layer; none of a vector saved from another run.

    Args:
        run: an open run.
        vector: saved or imported.
    """
    if isinstance(vector, ImportedVector):
        return [_row(vector, layer, r) for layer, r in correlations(on_run(run, vector)).items()]
    if vector.run_id != run.record.run_id:
        return []
    return [_row(vector, vector.layer, vector.correlation)]


def _row(vector: NamedVector, layer: int, r: Estimate) -> dict[str, object]:
    return {
        "vector": vector.name,
        "trait": vector.trait,
        "layer": layer,
        "r": r.value,
        "low": r.low,
        "high": r.high,
        "p": r.p,
        "n": r.n,
        "undefined because": r.reason,
    }
