"""In what a strength is given: lengths of the vector, distances of the poles, residual norms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from backend.core.arrays import Floats
from backend.core.estimate import Estimate
from backend.errors import SteeringError
from backend.steering.interventions import unit as unit_vector
from backend.store.run import Run

Unit = Literal["vector", "poles", "norm"]
UNITS: dict[Unit, str] = {
    "poles": "distances between the poles",
    "norm": "mean residual norms",
    "vector": "lengths of the vector",
}
ONE_UNIT: dict[Unit, str] = {
    "poles": "distance between the poles",
    "norm": "mean residual norm",
    "vector": "length of the vector",
}


@dataclass(frozen=True)
class Units:
    """What strengths mean for one vector; all in units of activations.

    Attributes:
        length: ||v||.
        low: mean projection of the low prompts on v̂, or why there is none; n is how many.
        high: of the high prompts.
        poles: high - low; undefined also where it is not above 0.
        norm: mean norm of the run's texts at the layer, pooled as the run pools them.
    """

    length: float
    low: Estimate
    high: Estimate
    poles: Estimate
    norm: Estimate

    def size(self, unit: Unit) -> Estimate:
        """One unit in units of activations. Args: unit: of :data:`UNITS`."""
        if unit == "vector":
            return Estimate.exact(self.length, 1)
        return self.poles if unit == "poles" else self.norm

    def multiples(self, strength: float, unit: Unit) -> float:
        """A strength as multiples of the vector.

        Args:
            strength: in that unit.
            unit: of :data:`UNITS`.

        Raises:
            SteeringError: the unit is undefined here; it says why.
        """
        size = self.size(unit)
        if size.value is None:
            raise SteeringError(
                f"Strengths in {UNITS[unit]} are undefined for this vector: {size.reason}.",
                expected="a unit that is defined.",
                remedy="choose another unit, such as lengths of the vector.",
            )
        return strength * size.value / self.length


def units_of(run: Run | None, trait: str, prompt_set: str, layer: int, vector: Floats) -> Units:
    """What strengths of a vector mean on the texts of a run.

    Args:
        run: an open run of the same model; None where there is none.
        trait: whose prompts are the poles.
        prompt_set: of the prompts.
        layer: where the vector is used.
        vector: v, [d].

    Raises:
        SteeringError: the vector is zero or not finite.
    """
    v = unit_vector(vector)
    length = float(np.linalg.norm(vector))
    why = _missing(run, layer, vector)
    if run is None or why is not None:
        none = Estimate.undefined(0, why or "")
        return Units(length, none, none, none, none)
    prompts = [p for p in run.prompts(trait) if p.prompt_set == prompt_set]
    ids = [p.prompt_id for p in prompts]
    high = np.array([p.pole == "high" for p in prompts], dtype=bool)
    mean_norm = run.text_norm(layer)
    norm = (
        Estimate.undefined(0, "the run has no texts")
        if mean_norm is None
        else Estimate.exact(mean_norm, sum(run.text_counts))
    )
    if not high.any() or high.all():
        none = Estimate.undefined(0, f"the run has no prompts of {trait}, set {prompt_set}")
        return Units(length, none, none, none, norm)
    projections = run.some_activations("prompt", layer, ids) @ v
    ends = [float(projections[pole].mean()) for pole in (~high, high)]
    low, top = (
        Estimate.exact(value, int(pole.sum()))
        for value, pole in zip(ends, (~high, high), strict=True)
    )
    apart = ends[1] - ends[0]
    poles = (
        Estimate.exact(apart, len(ids))
        if apart > 0
        else Estimate.undefined(
            len(ids), "the high prompts do not lie above the low ones along this vector"
        )
    )
    return Units(length, low, top, poles, norm)


def _missing(run: Run | None, layer: int, vector: Floats) -> str | None:
    if run is None:
        return "no run says how large activations of this model are"
    if layer not in run.record.layers:
        return f"layer {layer} was not extracted in this run"
    if run.record.width != vector.shape[0]:
        return "the run is of a model of another width"
    return None
