"""Unit vectors of a run, chosen by name: of a method, saved in the Filter lab, or imported."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backend.core.arrays import Floats, digest_of
from backend.core.vectors.methods import METHODS
from backend.errors import StoreError
from backend.runs.imported_vectors import NamedVector, misfit
from backend.store.run import Run
from backend.store.saved_vector import SavedVector
from backend.store.schema import LABELLED_RANGE

# Of an identity: half of a sha256.
_DIGITS = 32


@dataclass(frozen=True)
class DirectionKey:
    """Which vector.

    Attributes:
        trait: the trait that it shows.
        method: by which it was built; empty for a named vector.
        name: of a vector that was saved or imported; empty for a method.
        label_range: lowest and highest score at whose fractions the method's labels split the
            run's responses; it names the vector on screen and does not choose it.
    """

    trait: str
    method: str = ""
    name: str = ""
    label_range: tuple[float, float] = field(default=LABELLED_RANGE, compare=False)

    def to_values(self) -> dict[str, Any]:
        """As plain JSON."""
        return dataclasses.asdict(self) | {"label_range": list(self.label_range)}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> DirectionKey:
        """From what :meth:`to_values` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        low, high = values["label_range"]
        return cls(**dict(values) | {"label_range": (float(low), float(high))})

    @property
    def title(self) -> str:
        """In words: the trait, and the method or the name."""
        titles = {method.name: method.title_on(self.label_range) for method in METHODS}
        how = self.name or titles.get(self.method, self.method)
        return f"{self.trait.replace('_', ' ')}, {how}"

    @property
    def fitted(self) -> bool:
        """Whether its method is fitted to scored responses, so that projections along it are not
        held out."""
        return any(method.name == self.method and method.fitted for method in METHODS)


@dataclass(frozen=True, eq=False)
class Directions:
    """Some vectors at some layers.

    Attributes:
        keys: which they are, [k].
        layers: ascending, [l].
        units: v / ||v||, [k, l, d]; NaN where there is none.
        reasons: (place of the vector, layer) -> why there is none.
        identity: what tells the numbers that follow from these vectors from those that followed
            before the run was derived again, or was replaced, or a named vector was: a digest of
            the run's provenance and of the vectors as they are stored. It is the same on every
            machine.
    """

    keys: tuple[DirectionKey, ...]
    layers: tuple[int, ...]
    units: Floats
    reasons: Mapping[tuple[int, int], str]
    identity: str

    def check_some(self) -> None:
        """Refuse a vector that is at none of the layers.

        Raises:
            StoreError: one is; it says why.
        """
        for place, key in enumerate(self.keys):
            if np.isnan(self.units[place]).all():
                own = [why for (one, _), why in self.reasons.items() if one == place]
                raise StoreError(
                    f"{key.title} has no vector at layer {', '.join(map(str, self.layers))}: "
                    f"{'; '.join(dict.fromkeys(own))}.",
                    expected="a vector at one of these layers at least.",
                    remedy="choose another layer or vector.",
                )

    def check_identity(self, run_id: str, asked_of: str) -> None:
        """Refuse to answer what was asked of other vectors than these are now.

        Args:
            run_id: of their run.
            asked_of: their identity when it was asked; empty for whatever they are.

        Raises:
            StoreError: it is another now.
        """
        if asked_of not in ("", self.identity):
            raise StoreError(
                f"Run {run_id} or a vector is not the one that this was asked of: it was derived "
                "again or replaced since.",
                expected="the run and the vectors as they were when it was asked.",
                remedy="ask again.",
            )


def method_key(run: Run, trait: str, method: str) -> DirectionKey:
    """The vector of a method.

    Args:
        run: an open run that has it.
        trait: of the run.
        method: of the run.
    """
    return DirectionKey(trait, method=method, label_range=run.label_range)


def direction_key(
    run: Run, named: Sequence[NamedVector], trait: str, vector: str, prompt_set: str
) -> DirectionKey:
    """The vector of a name: a method's, or one that was saved or imported.

    Args:
        run: an open run.
        named: all vectors that were saved or imported.
        trait: of a method's vector; a named one shows its own.
        vector: a method of the run, or the name of a vector.
        prompt_set: of a method's vector.

    Raises:
        StoreError: there is no such vector, or the run has no such trait.
    """
    known = run.methods()
    if vector not in known:
        for one in named:
            if one.name == vector:
                return DirectionKey(one.trait, name=vector)
        others = ", ".join(one.name for one in named) or "none yet"
        raise StoreError(
            f"Run {run.record.run_id} has no vector {vector!r}.",
            expected=f"a method ({', '.join(known)}), or a vector that was saved or imported "
            f"({others}).",
            remedy="name one of these.",
        )
    traits = run.traits_of_set(prompt_set)
    if trait not in traits:
        raise StoreError(
            f"Run {run.record.run_id} has no trait {trait!r} in prompt set {prompt_set!r}.",
            expected=f"one of {', '.join(traits) or 'none: there is no such set'}.",
            remedy="name one of these.",
        )
    return method_key(run, trait, vector)


def directions(
    run: Run,
    named: Sequence[NamedVector],
    keys: Sequence[DirectionKey],
    prompt_set: str,
    layers: Sequence[int],
) -> Directions:
    """Vectors at some layers, each of length 1.

    Args:
        run: an open run.
        named: all vectors that were saved or imported.
        keys: which vectors.
        prompt_set: of those of methods.
        layers: of the run, ascending.
    """
    units = np.full((len(keys), len(layers), run.record.width), np.nan)
    reasons: dict[tuple[int, int], str] = {}
    digest = hashlib.sha256(json.dumps(run.record.to_rows(), sort_keys=True).encode())
    for place, key in enumerate(keys):
        for column, layer in enumerate(layers):
            found = vector_of(run, named, key, prompt_set, layer)
            # Not of length 1: machines need not round a length alike.
            digest.update((found if isinstance(found, str) else digest_of(found)).encode())
            length = 0.0 if isinstance(found, str) else float(np.linalg.norm(found))
            if isinstance(found, str):
                reasons[place, layer] = found
            elif length > 0:
                units[place, column] = found / length
            else:
                reasons[place, layer] = "the vector is zero"
    identity = digest.hexdigest()[:_DIGITS]
    return Directions(tuple(keys), tuple(layers), units, reasons, identity)


def identity_of(
    runs: Sequence[Run],
    named: Sequence[NamedVector],
    keys: Sequence[DirectionKey],
    prompt_set: str,
    layers: Sequence[int],
) -> str:
    """The identity of some vectors of a run; see :class:`Directions`.

    Args:
        runs: one open run.
        named: all vectors that were saved or imported.
        keys: which vectors.
        prompt_set: of those of methods.
        layers: of the run, ascending.
    """
    (run,) = runs
    return directions(run, named, keys, prompt_set, layers).identity


def vector_of(
    run: Run, named: Sequence[NamedVector], key: DirectionKey, prompt_set: str, layer: int
) -> Floats | str:
    """A vector as it is stored, [d], or why there is none.

    Args:
        run: an open run.
        named: all vectors that were saved or imported.
        key: which vector.
        prompt_set: of a method's vector.
        layer: of the run.
    """
    if key.method:
        stored = run.vectors(prompt_set, [(key.trait, key.method, layer)])
        return stored[0].values if stored else "the method has no vector at this layer"
    vector = next((one for one in named if one.name == key.name), None)
    if vector is None:
        return "the vector was removed"
    if isinstance(vector, SavedVector):
        if vector.run_id != run.record.run_id:
            return f"it was saved from another run, {vector.run_id}"
        return vector.vector if layer == vector.layer else f"it is of layer {vector.layer}"
    why = misfit(vector, layer, run.record.depth, run.record.width)
    return vector.vectors[vector.layers.index(layer)] if why is None else why
