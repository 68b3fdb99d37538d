"""Vectors of other tools, kept in files of their own and scored on the responses of any run."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.core.arrays import Floats
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.statistics.correlation import pearson
from backend.errors import ImportFault, NotAllowed
from backend.runs.saved_vectors import saved_vectors
from backend.runs.uploads import written
from backend.runs.vector_files import HIDDEN_STATES, FoundVector, VectorFile, read_vector_file
from backend.settings import Settings
from backend.store.catalog import readable, study_list
from backend.store.imported_vector import (
    ImportedVector,
    imported_paths,
    publish_imported,
    read_imported,
)
from backend.store.run import Run
from backend.store.saved_vector import SavedVector, check_name, vector_paths
from backend.studies.faults import shown

# Saved in the Filter lab, or imported.
NamedVector = SavedVector | ImportedVector
NO_RESPONSES = "this run has no scored responses of the trait"
_MOST_NAME = 60


@dataclass(frozen=True)
class VectorChoice:
    """How a file of vectors is to be understood.

    Attributes:
        name: under which it is kept; empty takes it from the file's name.
        trait: the trait its vectors show; empty takes it from the file.
        numbering: how it numbers layers; empty takes what its format says.
        numbers: of the layers of its rows, in its own numbering; empty takes them from the file.
    """

    name: str = ""
    trait: str = ""
    numbering: str = ""
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class UnderstoodVectors:
    """A file of vectors as it would be kept.

    Attributes:
        file: what was read, with its notes.
        vectors: one for each vector of the file.
    """

    file: VectorFile
    vectors: tuple[ImportedVector, ...]


@dataclass(frozen=True, eq=False)
class OnRun:
    """An imported vector on the responses of a run.

    Attributes:
        cases: layer -> the cases, with the drift (or level) of the projections along v / ||v|| as
            x; layers where there are none are not there.
        reasons: layer -> why there are none, for every other layer of the vector.
    """

    cases: Mapping[int, Cases]
    reasons: Mapping[int, str]


def understand_vectors(settings: Settings, path: Path, choice: VectorChoice) -> UnderstoodVectors:
    """Read a file of vectors that a user names by its path; nothing is kept.

    Args:
        settings: where the store is, and which folders a path may lead to.
        path: the file.
        choice: how it is to be understood.

    Raises:
        NotAllowed: the path may not be named here.
        ImportFault: the file cannot be read or understood.
        StoreError: a name cannot be used or is taken.
    """
    if not settings.may_name(path):
        raise NotAllowed(
            f"The file {shown(str(path))} may not be named by its path here.",
            expected="a path below an allowed folder, or an upload on the Methods page.",
            remedy="add its folder to STEERSCOPE_FOLDERS, or upload it.",
        )
    return _understood(settings, path, choice)


def understand_upload(
    settings: Settings, file_name: str, content: bytes, choice: VectorChoice
) -> UnderstoodVectors:
    """The same of an uploaded file.

    Args:
        settings: where the store is.
        file_name: as the user's machine has it.
        content: its bytes.
        choice: how it is to be understood.

    Raises:
        ImportFault, StoreError: as :func:`understand_vectors`.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), file_name, content)
        return _understood(settings, path, choice)


def keep_vectors(settings: Settings, understood: UnderstoodVectors) -> None:
    """Keep what was understood; all names are free, or nothing is kept.

    Raises:
        StoreError: a name cannot be used or is taken.
        ReadOnly, NotAllowed: nothing may be imported here, or not by who asks.
    """
    for vector in understood.vectors:
        check_name(settings, vector.name)
    for vector in understood.vectors:
        publish_imported(settings, vector)


def imported_list(settings: Settings) -> tuple[tuple[ImportedVector, ...], dict[str, str]]:
    """All imported vectors, oldest first, and file name -> why it cannot be read."""
    names = [path.stem for path in imported_paths(settings)]
    return readable(settings.imported_vectors, names, lambda name: read_imported(settings, name))


def named_vectors(settings: Settings) -> tuple[NamedVector, ...]:
    """All named vectors that can be read: saved ones, then imported ones, each oldest first."""
    return (*saved_vectors(settings), *imported_list(settings)[0])


def named_paths(settings: Settings) -> tuple[Path, ...]:
    """The files of all named vectors."""
    return (*vector_paths(settings), *imported_paths(settings))


def on_run(run: Run, vector: ImportedVector, layer: int | None = None) -> OnRun:
    """Project a run's responses on an imported vector.

    Args:
        run: an open run of any study.
        vector: an imported vector.
        layer: only this layer; None for all of the vector's.
    """
    scored = run.scored_cases(vector.trait)
    cases: dict[int, Cases] = {}
    reasons: dict[int, str] = {}
    wanted = vector.layers if layer is None else (layer,)
    for at in wanted:
        why = misfit_on_run(run, vector, at) or (None if len(scored) else NO_RESPONSES)
        if why is not None:
            reasons[at] = why
            continue
        v = vector.vectors[vector.layers.index(at)]
        unit = v / np.linalg.norm(v)
        projections: Floats = np.concatenate([part @ unit for part in run.response_chunks(at)])
        cases[at] = scored.cases(scored.drift_of(projections))
    return OnRun(cases, reasons)


def correlations(found: OnRun) -> dict[int, Estimate]:
    """Layer -> r of an imported vector, undefined with its reason where it does not fit."""
    rs = {layer: pearson(cases) for layer, cases in found.cases.items()}
    rs |= {layer: Estimate.undefined(0, why) for layer, why in found.reasons.items()}
    return dict(sorted(rs.items()))


def best_layer(rs: Mapping[int, Estimate]) -> int | None:
    """The layer with the highest r, the lowest of equal ones; None where none is defined."""
    defined = [(-r.value, layer) for layer, r in rs.items() if r.value is not None]
    return min(defined)[1] if defined else None


def undefined_because(rs: Mapping[int, Estimate]) -> str:
    """Why r is undefined, each reason once; of :func:`correlations` without a best layer."""
    return "; ".join(dict.fromkeys(r.reason or "" for r in rs.values()))


def misfit(vector: ImportedVector, layer: int, depth: int, width: int) -> str | None:
    """Why a vector is none of a model's at a layer; None where it may be.

    Args:
        vector: an imported vector.
        layer: where it is to be used.
        depth: decoder blocks of the model.
        width: coordinates of its activations.
    """
    if layer not in vector.layers:
        return f"the file has no vector of layer {layer}"
    if vector.width != width:
        return f"the vector has {vector.width} numbers, and activations of this model {width}"
    if vector.depth is not None and vector.depth != depth:
        return f"the vector is of a model of {vector.depth} blocks, and this one has {depth}"
    if vector.numbering == HIDDEN_STATES and layer == depth:
        return "the last of hidden_states is after the final norm, which no layer here is"
    return None


def misfit_on_run(run: Run, vector: ImportedVector, layer: int) -> str | None:
    """Why an imported vector does not belong to a layer of a run; None if it does."""
    record = run.record
    why = misfit(vector, layer, record.depth, record.width)
    if why is not None:
        return why
    if layer not in record.layers:
        return "its layer was not extracted in this run"
    return None


def _understood(settings: Settings, path: Path, choice: VectorChoice) -> UnderstoodVectors:
    file = read_vector_file(
        path,
        trait=choice.trait or None,
        numbering=choice.numbering or None,
        numbers=choice.numbers,
    )
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    made = tuple(
        ImportedVector(
            name=name,
            trait=_trait(path, found),
            created_at=now,
            file=path.name,
            sha256=digest,
            file_kind=file.kind,
            numbering=file.numbering,
            label=found.label if len(file.vectors) > 1 else "",
            model=file.model,
            depth=file.depth,
            layers=found.layers,
            vectors=found.vectors,
        )
        for name, found in zip(
            _names(choice.name or _slug(path.stem), file.vectors), file.vectors, strict=True
        )
    )
    for vector in made:
        check_name(settings, vector.name)
    return UnderstoodVectors(_with_unknown_traits(settings, file, made), made)


def _with_unknown_traits(
    settings: Settings, file: VectorFile, made: Sequence[ImportedVector]
) -> VectorFile:
    """The file with a note on traits that no study here has: there is nothing to score them on."""
    known = {trait for study in study_list(settings).studies for trait in study.traits}
    unknown = sorted({vector.trait for vector in made} - known)
    if not known or not unknown:
        return file
    which = " or ".join(unknown)
    note = f"No study here has the trait {which}, so there is nothing to score it on."
    return dataclasses.replace(file, notes=(*file.notes, note))


def _trait(path: Path, found: FoundVector) -> str:
    if not found.trait:
        raise ImportFault(
            f"{path.name} does not say which trait {shown(found.label) if found.label else 'it'} "
            "shows.",
            expected="the name of a trait as the study has it, such as warmth.",
            remedy="name the trait (--trait).",
        )
    return found.trait


def _names(base: str, vectors: Sequence[FoundVector]) -> list[str]:
    """A name for each vector: the base alone, or with what the file calls it."""
    if len(vectors) == 1:
        return [base]
    names: list[str] = []
    for number, vector in enumerate(vectors, 1):
        name = _slug(f"{base}-{vector.label}")
        names.append(name if name not in names else _slug(f"{number}-{base}"))
    return names


def _slug(text: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return plain[:_MOST_NAME].strip("-") or "imported"
