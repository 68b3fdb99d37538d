"""What is done to the residual stream: which layer, along which vector, how, how strongly."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from backend.core.arrays import Floats
from backend.errors import SteeringError

Mode = Literal["add", "ablate", "cap", "norm-add"]
Where = Literal["prompt", "generated", "both"]
# What each mode does to an activation x, with v̂ = v / ||v|| and strength s.
MODES: dict[Mode, str] = {
    "add": "x + s v",
    "norm-add": "x + s v, brought back to the length of x",
    "ablate": "x - s (x . v̂) v̂; 1 removes all of the component along v",
    "cap": "moved along v̂ until x . v̂ lies within the limits",
}
WHERE: dict[Where, str] = {
    "both": "prompt and answer",
    "prompt": "prompt",
    "generated": "answer",
}


@dataclass(frozen=True, eq=False)
class Intervention:
    """One change of the residual stream.

    Attributes:
        layer: where: 0 is the embedding output, l the output of decoder block l, counted from 1,
            before any final norm.
        vector: v, [d], float64, not zero; its length counts in the modes that add.
        mode: of :data:`MODES`.
        strength: s: multiples of v as given (add, norm-add), or the share of the component that is
            removed (ablate). Of no meaning for cap. 0 changes nothing.
        low: least allowed x . v̂ of cap, in units of activations; None for no limit.
        high: greatest allowed x . v̂ of cap, likewise.
        where: at which tokens. A generated token is one that the model wrote, when it is read: the
            first token of an answer is chosen at the last token of the prompt, so ``generated``
            alone does not reach it.

    Raises:
        SteeringError: the vector is no finite direction, a number is not finite, or the limits
            leave no range.
    """

    layer: int
    vector: Floats
    mode: Mode = "add"
    strength: float = 1.0
    low: float | None = None
    high: float | None = None
    where: Where = "both"

    def __post_init__(self) -> None:
        _check_vector(self.vector)
        if self.mode not in MODES or self.where not in WHERE:
            raise SteeringError(
                f"There is no mode {self.mode!r} at {self.where!r} tokens.",
                expected=f"a mode of {', '.join(MODES)}; tokens: {', '.join(WHERE)}.",
                remedy="choose one of these.",
            )
        limits = [limit for limit in (self.low, self.high) if limit is not None]
        if not all(math.isfinite(number) for number in (self.strength, *limits)):
            raise SteeringError(
                f"Strength {self.strength} or limits {self.low}, {self.high} are not finite.",
                expected="numbers.",
                remedy="choose a number.",
            )
        if self.mode != "cap":
            return
        if not limits or (len(limits) == 2 and limits[0] > limits[1]):
            raise SteeringError(
                f"The limits {self.low} to {self.high} leave no range for the projection.",
                expected="at least one limit, and a lower one that is not above the upper one.",
                remedy="name the least or the greatest projection.",
            )

    @property
    def changes_nothing(self) -> bool:
        """Whether its strength is 0."""
        return self.mode != "cap" and self.strength == 0

    @property
    def digest(self) -> str:
        """sha256 of all that it is."""
        about = dataclasses.asdict(self)
        vector = np.ascontiguousarray(about.pop("vector"), dtype=np.float64)
        return hashlib.sha256(repr(sorted(about.items())).encode() + vector.tobytes()).hexdigest()


def check_interventions(interventions: Sequence[Intervention], depth: int, width: int) -> None:
    """Refuse interventions that a model has no place for.

    Args:
        interventions: any.
        depth: decoder blocks of the model.
        width: coordinates of its activations.

    Raises:
        SteeringError: a layer is not in 0..depth, or a vector is of another width.
    """
    for one in interventions:
        if not 0 <= one.layer <= depth:
            raise SteeringError(
                f"The model has no layer {one.layer}.",
                expected=f"0 (embedding) to {depth}.",
                remedy="choose a layer within that range.",
            )
        if one.vector.shape[0] != width:
            raise SteeringError(
                f"The vector has {one.vector.shape[0]} numbers, and activations of the model "
                f"{width}.",
                expected="a vector of the same model.",
                remedy="choose the model that the vector was made for.",
            )


def random_like(vector: Floats, seed: int) -> Floats:
    """A control: a direction drawn evenly from all, of the same length, [d].

    Args:
        vector: whose length it gets.
        seed: of the draw.
    """
    _check_vector(vector)
    drawn: Floats = np.random.default_rng(seed).standard_normal(vector.shape)
    found: Floats = drawn * float(np.linalg.norm(vector) / np.linalg.norm(drawn))
    return found


def unit(vector: Floats) -> Floats:
    """v / ||v||, [d]. Args: vector: finite and not zero.

    Raises:
        SteeringError: it is either.
    """
    _check_vector(vector)
    found: Floats = vector / float(np.linalg.norm(vector))
    return found


def _check_vector(vector: Floats) -> None:
    length = np.linalg.norm(vector) if vector.ndim == 1 and np.isfinite(vector).all() else 0.0
    # Numbers of a residual stream are float32: what vanishes there, or has no end, is no direction.
    if not 0 < length < float(np.finfo(np.float32).max) or not np.float32(length) > 0:
        raise SteeringError(
            f"The vector of shape {vector.shape} is no direction: it is zero or not finite.",
            expected="finite numbers, [d], not all of them zero.",
            remedy="choose another vector or layer.",
        )
