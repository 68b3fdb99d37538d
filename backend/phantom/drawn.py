"""A phantom drawn from a plan of sizes and causes."""

from __future__ import annotations

import dataclasses
from functools import cached_property

import numpy as np

from backend.core.arrays import Floats
from backend.phantom.geometry import LayerActivations, layer_numbers, simulate_layer
from backend.phantom.latents import Latents, draw_latents, judge, judge_again, words
from backend.phantom.phantom import Phantom, digest
from backend.phantom.plan import PhantomPlan
from backend.phantom.study import simulated_study
from backend.types import Study


class DrawnPhantom(Phantom):
    """The phantom of a plan.

    Args:
        plan: sizes and planted causes.
    """

    def __init__(self, plan: PhantomPlan) -> None:
        self.plan = plan
        self.name, self.seed, self.width = plan.name, plan.seed, plan.width
        self.models = tuple(plan.model_name(model) for model in range(plan.models))
        self.layers = tuple(layer_numbers(plan))

    @cached_property
    def _drawn(self) -> tuple[Latents, Floats, Floats | None]:
        rng = np.random.default_rng(self.plan.seed)
        latents = draw_latents(self.plan, rng)
        return latents, judge(self.plan, latents, rng), judge_again(self.plan, latents, rng)

    @property
    def lengths(self) -> np.ndarray:
        """Words of each response, [cases, turns]."""
        return words(self._drawn[0])

    @property
    def identity(self) -> str:
        """Twelve hex digits of the whole plan."""
        plan = dataclasses.asdict(self.plan)
        plan["causes"] = sorted((list(cell), planted) for cell, planted in self.plan.causes.items())
        return digest(plan)

    def planted(self, model: int, trait: int) -> tuple[str, ...]:
        """Causes planted in a cell; ``("none",)`` if nothing is."""
        return self.plan.planted(model, trait)

    @cached_property
    def study(self) -> Study:
        """Prompts, responses and scores."""
        traits = tuple(self.plan.trait_name(trait) for trait in range(self.plan.traits))
        title = f"Phantom {self.plan.name} (simulated)"
        _, scores, again = self._drawn
        return simulated_study(
            self,
            title,
            traits,
            self.plan.prompts,
            scores,
            self.lengths,
            self.plan.responders,
            again,
        )

    def activations(self, model: int, layer: int) -> LayerActivations:
        """All activations of one model at one layer, the same at every call."""
        return simulate_layer(self.plan, self._drawn[0], model, layer)
