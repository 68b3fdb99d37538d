"""What a file of vectors holds: which trait, at which layers, by whose numbering.

Tools number layers differently, and a vector that is one layer off still gives an r. So the
numbering is always named: by the user, or by what the format of the file says for certain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Floats
from backend.errors import ImportFault
from backend.models.tensor_files import TensorFile, read_tensors, told_json
from backend.names import name_problem
from backend.studies.faults import shown

FROM_1, FROM_0, HIDDEN_STATES = "from-1", "from-0", "hidden-states"
# Name -> what the number N of a layer means.
LAYER_NUMBERINGS = {
    FROM_1: "N is the output of decoder block N, counted from 1; 0 is the embedding output",
    FROM_0: "N is the output of decoder block N, counted from 0 (model.layers[N])",
    HIDDEN_STATES: "N is hidden_states[N] of transformers: 0 is the embedding output, and the last "
    "one is after the final norm",
}
# How persona_vectors calls its files: <trait>_<what was pooled>_diff.pt.
_PERSONA = re.compile(r"(.+)_(?:response_avg|prompt_avg|prompt_last)_diff")
_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")
_DIRECTION = re.compile(r"direction\.(\d+)")
# No model has more blocks, and a number beyond is none of a layer.
_MOST_LAYER = 1_000


@dataclass(frozen=True, eq=False)
class FoundVector:
    """One vector of a file, at one or more layers.

    Attributes:
        label: what the file calls it; empty where it holds one.
        trait: the trait it shows; None where neither the file nor the user says.
        layers: ascending, numbered as everywhere here.
        vectors: [layers, d], float64.
    """

    label: str
    trait: str | None
    layers: tuple[int, ...]
    vectors: Floats


@dataclass(frozen=True, eq=False)
class VectorFile:
    """A file of vectors, as far as it is understood.

    Attributes:
        kind: the format, in words.
        numbering: how it numbers layers, a name of :data:`LAYER_NUMBERINGS`.
        depth: decoder blocks of its model; None where that is not told.
        model: what it says of its model; empty where it says nothing.
        vectors: at least one.
        notes: what was assumed or left out, as sentences.
    """

    kind: str
    numbering: str
    depth: int | None
    model: str
    vectors: tuple[FoundVector, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Row:
    """One row of a file: the vector's label, the layer's number in the file, the numbers."""

    label: str
    number: int
    values: NDArray[np.floating]
    trait: str | None = None


def read_vector_file(
    path: Path,
    *,
    trait: str | None = None,
    numbering: str | None = None,
    numbers: Sequence[int] = (),
) -> VectorFile:
    """Read and understand a file of vectors; nothing is kept.

    Args:
        path: safetensors, npz, torch ``.pt`` or a GGUF control vector.
        trait: the trait its vectors show; None takes it from the file.
        numbering: how it numbers layers; None takes what its format says.
        numbers: of the layers of its rows, in the file's own numbering; empty takes them from the
            names of its tensors, or counts rows from 0.

    Raises:
        ImportFault: the file cannot be read, or it is not clear which layers its rows are of.
    """
    if numbering is not None and numbering not in LAYER_NUMBERINGS:
        raise ImportFault(
            f"{shown(numbering)} is no numbering of layers.",
            expected=f"one of {', '.join(LAYER_NUMBERINGS)}.",
            remedy="choose one of these.",
        )
    file = read_tensors(path)
    notes: list[str] = []
    rows, depth, own = _rows(file, path, numbers)
    known = own or _of_format(file, rows, notes, numbering)
    used = numbering or known
    if used is None:
        raise ImportFault(
            f"{path.name} does not say how it numbers layers.",
            expected="; ".join(f"{name}: {what}" for name, what in LAYER_NUMBERINGS.items()) + ".",
            remedy="name the numbering (--layer-numbering).",
        )
    if known is not None and used != known:
        notes.append(f"{file.kind} usually means {known}; {used} is used, as you say.")
    if own is None and used == HIDDEN_STATES and depth is not None:
        rows = [row for row in rows if row.number < depth]
        notes.append(
            f"Row {depth} is left out: hidden_states has it after the final norm, and layers here "
            "are before it."
        )
    if own is None and used == FROM_0 and depth is not None:
        depth += 1  # rows 0..n-1 are of n blocks
    saved_trait = _PERSONA.fullmatch(path.stem)
    default = trait or (saved_trait[1] if saved_trait and file.kind.startswith("torch") else None)
    vectors = _vectors(path, rows, used, default, trait is not None, notes)
    return VectorFile(
        file.kind,
        used,
        depth,
        file.about.get("model") or file.about.get("steerscope.model", "") or _hint(file),
        vectors,
        tuple(notes),
    )


def _hint(file: TensorFile) -> str:
    return file.about.get("controlvector.model_hint", "")


def _of_format(
    file: TensorFile, rows: Sequence[_Row], notes: list[str], said: str | None
) -> str | None:
    """The numbering that a format has; None where it has none."""
    if file.kind.startswith("GGUF"):
        if said is None:
            notes.append(
                "direction.N is taken as the output of block N counted from 0, where llama.cpp and "
                "repeng add it. llama-cvector-generator measures it one block earlier: for its "
                f"files say {FROM_1}."
            )
        return FROM_0
    if file.kind.startswith("torch") and list(file.tensors) == [""] and len(rows) > 1:
        if said is None:
            notes.append(
                "A .pt of one table is taken as persona_vectors writes it: row N is "
                "hidden_states[N], and row 0 the embedding."
            )
        return HIDDEN_STATES
    return None


def _rows(
    file: TensorFile, path: Path, numbers: Sequence[int]
) -> tuple[list[_Row], int | None, str | None]:
    """The rows of a file; the last row's number where rows are of all layers; and the numbering
    where Steerscope wrote the file."""
    own = _own_rows(file)
    if own is not None:
        told = file.about.get("depth", file.about.get("steerscope.depth", ""))
        return own, int(told) if told.isdecimal() else None, FROM_1
    rows: list[_Row] = []
    whole: set[int] = set()
    for name, values in file.tensors.items():
        if file.kind.startswith("GGUF"):
            if (match := _DIRECTION.fullmatch(name)) is None:
                raise _unclear(path, f"tensor {shown(name)} is no direction.N")
            rows.append(_Row("", int(match[1]), values))
        elif values.ndim == 2:
            used = list(numbers) or list(range(len(values)))
            if len(used) != len(values):
                raise _unclear(
                    path,
                    f"{shown(name)} has {len(values)} rows, and {len(used)} layers are named",
                )
            if not numbers:
                whole.add(len(values) - 1)
            rows.extend(_Row(name, n, row) for n, row in zip(used, values, strict=True))
        elif values.ndim == 1:
            found = _LAST_NUMBER.search(name)
            if found is not None and not numbers:
                label = (name[: found.start()] + name[found.end() :]).strip("._- ")
                rows.append(_Row(_without_layer(label), int(found[0]), values))
            elif len(numbers) == 1:
                rows.append(_Row(name, numbers[0], values))
            else:
                raise _unclear(path, f"{shown(name)} is one vector, and its layer is not named")
        else:
            raise _unclear(path, f"{shown(name)} has {values.ndim} dimensions instead of 1 or 2")
    depth = whole.pop() if len(whole) == 1 else None
    return rows, depth, None


def _own_rows(file: TensorFile) -> list[_Row] | None:
    """The rows of a file that Steerscope wrote; None for another's."""
    for key, maker in (("vectors", "made_by"), ("steerscope.vectors", "steerscope.made_by")):
        told = told_json(file.about, key)
        if file.about.get(maker) != "Steerscope" or set(told) != set(file.tensors):
            continue
        if all(
            isinstance(one, dict)
            and isinstance(one.get("trait"), str)
            and isinstance(one.get("method"), str)
            and type(one.get("layer")) is int
            for one in told.values()
        ):
            return [
                _Row(
                    f"{told[name]['trait']}.{told[name]['method']}",
                    told[name]["layer"],
                    values,
                    told[name]["trait"],
                )
                for name, values in file.tensors.items()
            ]
    return None


def _without_layer(label: str) -> str:
    return re.sub(r"(^|[._\- ])(layers?|blk|block)$", "", label, flags=re.IGNORECASE)


def _vectors(
    path: Path,
    rows: Sequence[_Row],
    numbering: str,
    default: str | None,
    overrides: bool,
    notes: list[str],
) -> tuple[FoundVector, ...]:
    widths = sorted({row.values.size for row in rows})
    if len(widths) != 1 or widths[0] < 2 or any(row.values.ndim != 1 for row in rows):
        raise _unclear(path, f"its vectors have {', '.join(map(str, widths))} numbers")
    by_label: dict[str, dict[int, _Row]] = {}
    for row in rows:
        layer = row.number + 1 if numbering == FROM_0 else row.number
        if not 0 <= layer <= _MOST_LAYER:
            raise _unclear(path, f"{shown(row.number)} is no layer's number")
        of_label = by_label.setdefault(row.label, {})
        if layer in of_label:
            raise _unclear(path, f"layer {layer} of {shown(row.label)} is there twice")
        of_label[layer] = row
    found = []
    for label, by_layer in by_label.items():
        kept: dict[int, Floats] = {}
        empty: dict[str, list[int]] = {}
        for layer, row in sorted(by_layer.items()):
            values = row.values.astype(np.float64)
            if np.isnan(values).all() or not values.any():
                empty.setdefault("zero" if not values.any() else "not a number", []).append(layer)
            elif not np.isfinite(values).all() or not np.isfinite(float(values @ values)):
                raise _no_direction(
                    path, f"{_place(label, layer)} holds values that are not finite, or too large"
                )
            else:
                kept[layer] = values
        for word, layers in empty.items():
            notes.append(_left_out(label, layers, word))
        if not kept:
            continue
        own = next(iter(by_layer.values())).trait
        trait = default if overrides or own is None else own
        found.append(FoundVector(label, trait, tuple(kept), np.stack(list(kept.values()))))
    if not found:
        raise _no_direction(path, "every vector in it is zero or not a number")
    for vector in found:
        problem = vector.trait and name_problem("trait", vector.trait)
        if problem:
            raise ImportFault(
                problem[0].format(shown(vector.trait)),
                expected="the name of a trait as a study has it.",
                remedy="name the trait (--trait).",
            )
    return tuple(found)


def _left_out(label: str, layers: Sequence[int], word: str) -> str:
    if len(layers) == 1:
        return f"{_place(label, layers[0])} is left out: every value is {word}."
    of = f" of {label}" if label else ""
    return f"Layers {', '.join(map(str, layers))}{of} are left out: every value is {word}."


def _place(label: str, layer: int) -> str:
    return f"Layer {layer}" + (f" of {label}" if label else "")


def _no_direction(path: Path, why: str) -> ImportFault:
    return ImportFault(
        f"{path.name} cannot be scored: {why}.",
        expected="finite numbers, not all of them zero.",
        remedy="save the vectors again where they were made.",
    )


def _unclear(path: Path, why: str) -> ImportFault:
    return ImportFault(
        f"{path.name} is not understood as vectors: {why}.",
        expected="vectors of one length: tensors [d] with the layer's number last in their name, "
        "or tables [layers, d].",
        remedy="name the layers of the rows (--layers), or save the file so.",
    )
