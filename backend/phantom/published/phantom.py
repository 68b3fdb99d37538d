"""The preset: a phantom that reproduces the published study's 24 cells."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from backend.core.arrays import Floats
from backend.phantom.geometry import (
    MEAN,
    LayerActivations,
    PlantedDirections,
    draw_directions,
)
from backend.phantom.latents import Latents, draw_latents, judge, words
from backend.phantom.phantom import Phantom, digest
from backend.phantom.plan import PhantomPlan
from backend.phantom.published.amplitudes import CLEAN_R, CLEAN_R_OF
from backend.phantom.published.prompts import PROMPTS, residuals, solve_prompts
from backend.phantom.published.responses import (
    CellGoal,
    ModelLayer,
    massive_axis,
    solve_responses,
)
from backend.phantom.published.targets import CellTarget, load_targets
from backend.phantom.study import simulated_study
from backend.types import Study

NAME = "published-geometry"
TITLE = "Published geometry (simulated)"
SEED = 20260210
LAYERS = tuple(range(8, 20))
WIDTH, SCENARIOS = 1024, 500
GROWTH = 1.12  # of all lengths per layer
FADE = 5.0  # layers over which a signal fades away from its best layer
WOBBLE = 0.03  # by how much r falls below its smooth course in other layers
# Share of the vector's part along the behaviour, where the template is about something else too.
ALONG = 0.6
# Share of the common part's and of a massive vector's length that is one coordinate.
MASSIVE_COMMON, MASSIVE_VECTOR = 0.95, 0.87
MASSIVE_LEVEL = 25.0


class PublishedPhantom(Phantom):
    """Three simulated models whose 24 cells have the published r and geometry.

    Widths are 1,024 for all models, where the real ones have 4,096 and 3,584: as the printed
    variances are means over coordinates, activations are about half as long as the real ones.

    Args:
        name: name of the study.
        seed: of everything random.
        layers: numbers of the layers.
        scenarios: how many; 500 in the published study.
    """

    def __init__(
        self,
        name: str = NAME,
        seed: int = SEED,
        layers: tuple[int, ...] = LAYERS,
        scenarios: int = SCENARIOS,
    ) -> None:
        self._models, self._traits, self._targets = load_targets()
        self.name, self.seed, self.layers, self.width = name, seed, layers, WIDTH
        self.models = tuple(f"{model}-simulated" for model in self._models)
        self._plan = PhantomPlan(
            name,
            seed,
            models=len(self._models),
            traits=len(self._traits),
            layers=len(layers),
            scenarios=scenarios,
            prompts=PROMPTS,
            width=WIDTH,
        )

    @cached_property
    def _latents(self) -> Latents:
        return draw_latents(self._plan, np.random.default_rng(self.seed))

    @cached_property
    def _scores(self) -> Floats:
        return judge(self._plan, self._latents, np.random.default_rng([self.seed, 1]))

    @property
    def lengths(self) -> np.ndarray:
        """Words of each response, [S, 2]."""
        return words(self._latents)

    @property
    def identity(self) -> str:
        """Twelve hex digits of all that was asked for."""
        return digest([self.name, self.seed, self.layers, self._plan.scenarios])

    def planted(self, model: int, trait: int) -> tuple[str, ...]:
        """Causes planted in a cell."""
        return self._target(model, trait).planted

    @cached_property
    def study(self) -> Study:
        """The study, with the planted cause of every cell in the traits' descriptions."""
        return simulated_study(self, TITLE, self._traits, PROMPTS, self._scores, self.lengths)

    def activations(self, model: int, layer: int) -> LayerActivations:
        """All activations of one model at one layer; repeatable by the seed."""
        rng = np.random.default_rng([self.seed, 2 + model, layer])
        at = draw_directions(self._plan, rng)
        common = self._common(model, at)
        prompts = [
            self._prompts(model, trait, layer, at, common, rng)
            for trait in range(len(self._traits))
        ]
        stacked = np.concatenate(prompts).astype(np.float32)
        level = float(np.linalg.norm(stacked.astype(np.float64).mean(axis=0)))
        goals = [self._goal(model, trait, layer) for trait in range(len(self._traits))]
        massive = MASSIVE_COMMON / MASSIVE_LEVEL if self._scaled(model) else None
        where = ModelLayer(at, common, level, level * (massive or 1 / MEAN), self._latents)
        responses = solve_responses(goals, prompts, where, self._scores, rng)
        return LayerActivations(stacked, responses.astype(np.float32))

    def _target(self, model: int, trait: int) -> CellTarget:
        return self._targets[self._models[model], self._traits[trait]]

    def _scaled(self, model: int) -> bool:
        return self._target(model, 0).scaled

    def _common(self, model: int, at: PlantedDirections) -> Floats:
        """Direction that all activations share; mostly one coordinate in a scaled model."""
        if not self._scaled(model):
            return at.mean
        common: Floats = math.sqrt(1 - MASSIVE_COMMON**2) * at.mean
        common[at.massive] = MASSIVE_COMMON
        return common

    def _prompts(
        self,
        model: int,
        trait: int,
        layer: int,
        at: PlantedDirections,
        common: Floats,
        rng: np.random.Generator,
    ) -> Floats:
        target = self._target(model, trait)
        scale = GROWTH ** (layer - int(target.published.layer or layer))
        own = massive_axis(at) if target.cause == "massive_coordinate" else at.topics[trait]
        drawn = residuals(target.cause, own, _structure(at), rng)
        return solve_prompts(
            target.published, scale, common, pole_direction(target.cause, trait, at), drawn
        )

    def _goal(self, model: int, trait: int, layer: int) -> CellGoal:
        cause = self._target(model, trait).cause
        clean = CLEAN_R_OF.get(cause, CLEAN_R) * self._fade(model, trait, layer)
        return CellGoal(cause, self.wanted_r(model, trait, layer), clean)

    def _fade(self, model: int, trait: int, layer: int) -> float:
        best = int(self._target(model, trait).published.layer or layer)
        return math.exp(-(((layer - best) / FADE) ** 2))

    def wanted_r(self, model: int, trait: int, layer: int) -> float:
        """r that a cell gets: the printed one at its best layer, less at all others."""
        published = self._target(model, trait).published
        if layer == published.layer:
            return float(published.r or 0.0)
        wobble = WOBBLE * np.random.default_rng([self.seed, 99, model, trait, layer]).random()
        return float(published.r or 0.0) * self._fade(model, trait, layer) - float(wobble)


def pole_direction(cause: str, trait: int, at: PlantedDirections) -> Floats:
    """Direction along which the poles of a trait's prompts differ, unit length."""
    behaviour: Floats = at.traits[trait]
    across = math.sqrt(1 - ALONG**2)
    other = {"unlike_concept": at.concepts[trait], "length_confound": at.length}.get(cause)
    if other is not None:
        tilted: Floats = ALONG * behaviour + across * other
        return tilted
    if cause == "massive_coordinate":
        mixed: Floats = math.sqrt(1 - MASSIVE_VECTOR**2) * behaviour
        mixed[at.massive] = MASSIVE_VECTOR
        return mixed
    return behaviour


def _structure(at: PlantedDirections) -> Floats:
    """All directions that mean something, [k, d]; the massive coordinate is one of them."""
    single = np.stack([at.mean, at.length, massive_axis(at)])
    return np.concatenate([single, at.topics, at.traits, at.concepts])
