"""What a phantom is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from backend.errors import PhantomError
from backend.phantom.causes import CAUSES_BY_NAME, NONE

FEW = 10
Cell = tuple[int, int]


@dataclass(frozen=True)
class PhantomPlan:
    """Sizes and planted causes.

    Attributes:
        name: name of the study.
        seed: of everything random.
        models: number of models; model m of them is called ``phantom-m``.
        traits: number of traits.
        layers: number of layers, numbered from 1.
        scenarios: number of scenarios.
        responders: how many respond in every scenario; their means differ.
        turns: scored responses of a conversation: 1 for a single one, 2 for t1 and tN, more for
            t1 to tT.
        repeated: in how many scenarios, the first ones, the judge scores every response twice.
        prompts: prompts per pole and trait.
        width: coordinates of an activation.
        strength: 0 plants nothing, 1 is the default strength.
        causes: (model, trait) -> causes planted there; missing cells are healthy.
        scales: factor of each model's activations.
    """

    name: str
    seed: int
    models: int = 3
    traits: int = 8
    layers: int = 12
    scenarios: int = 500
    responders: int = 1
    turns: int = 2
    repeated: int = 0
    prompts: int = 20
    width: int = 1024
    strength: float = 1.0
    causes: dict[Cell, tuple[str, ...]] = field(default_factory=dict)
    scales: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        least = {
            "models": 1,
            "traits": 1,
            "layers": 1,
            "scenarios": 4,
            "responders": 1,
            "turns": 1,
            "repeated": 0,
            "prompts": 2,
            "width": 64,
        }
        for name, low in least.items():
            if getattr(self, name) < low:
                raise PhantomError(
                    f"A phantom with {name} = {getattr(self, name)} cannot be made.",
                    expected=f"{name} of at least {low}.",
                    remedy=f"raise --{name}.",
                )
        if not 0 <= self.strength <= 3:
            raise PhantomError(
                f"The strength is {self.strength}.",
                expected="a number from 0 (nothing planted) to 3.",
                remedy="choose --strength in that range.",
            )
        unknown = {c for planted in self.causes.values() for c in planted} - set(CAUSES_BY_NAME)
        if unknown:
            raise PhantomError(
                f"The phantom knows no cause {', '.join(sorted(unknown))}.",
                expected=f"one of {', '.join(CAUSES_BY_NAME)}.",
                remedy="choose one of them.",
            )

    @property
    def cases(self) -> int:
        """Number of (scenario, responder), scenario by scenario."""
        return self.scenarios * self.responders

    def planted(self, model: int, trait: int) -> tuple[str, ...]:
        """Causes of a cell; ``("none",)`` if nothing is planted."""
        return self.causes.get((model, trait), (NONE,))

    def model_name(self, model: int) -> str:
        """Name of a model."""
        return f"phantom-{model + 1}"

    def trait_name(self, trait: int) -> str:
        """Name of a trait."""
        return f"trait_{trait + 1}"


def plan_of(
    name: str, seed: int, causes: Sequence[str], strength: float = 1.0, **sizes: int
) -> PhantomPlan:
    """A plan that plants causes in every cell where they belong.

    Causes of prompts, responses and scores are planted in the first half of the traits of every
    model, so that every study also has healthy cells; a scale in the last model; few scenarios in
    the whole study, unless their number is given.

    Args:
        name: name of the study.
        seed: of everything random.
        causes: names; several are planted together in the same cells.
        strength: 0 to 3.
        sizes: any of the plan's sizes.

    Raises:
        PhantomError: a cause is unknown or a size out of range.
    """
    bare = PhantomPlan(name, seed, strength=strength, causes={(0, 0): tuple(causes)})
    plan = dataclasses.replace(bare, causes={}, **sizes)  # type: ignore[arg-type]
    places = {cause: CAUSES_BY_NAME[cause].place for cause in causes if cause != NONE}
    everywhere = "study" in places.values()
    affected = range(plan.traits if everywhere else (plan.traits + 1) // 2)
    in_cells = tuple(cause for cause, place in places.items() if place != "model")
    planted = {(m, t): in_cells for m in range(plan.models) for t in affected if in_cells}
    scales = [1.0] * plan.models
    if "model" in places.values():
        last = plan.models - 1
        scales[last] = 1 + 24 * strength
        for t in range(plan.traits):
            planted[last, t] = (*planted.get((last, t), ()), "unit_scale")
    scenarios = plan.scenarios
    if everywhere and "scenarios" not in sizes:
        scenarios = round(scenarios + min(strength, 1.0) * (FEW - scenarios))
    return dataclasses.replace(plan, causes=planted, scales=tuple(scales), scenarios=scenarios)
