"""The preset: a phantom that reproduces the published study's 24 cells."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from backend.geometry.prompt_space import Floats
from backend.phantom.causes import NONE
from backend.phantom.geometry import (
    LENGTH,
    LOUDNESS,
    MEAN,
    NOISE,
    Directions,
    LayerActivations,
    draw_directions,
)
from backend.phantom.latents import Latents, draw_latents, judge, words
from backend.phantom.phantom import Phantom
from backend.phantom.plan import PhantomPlan
from backend.phantom.published.prompts import PROMPTS, residuals, solve_prompts
from backend.phantom.published.responses import (
    CLEAN_R,
    Drifts,
    correlation,
    solve_harm,
    solve_share,
    solve_signal,
)
from backend.phantom.published.targets import Target, load_targets
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

    def __init__(self, name: str = NAME, seed: int = SEED, layers: tuple[int, ...] = LAYERS,
                 scenarios: int = SCENARIOS) -> None:  # fmt: skip
        self._models, self._traits, self._targets = load_targets()
        self.name, self.seed, self.layers, self.width = name, seed, layers, WIDTH
        self.models = tuple(f"{model}-simulated" for model in self._models)
        self._plan = PhantomPlan(name, seed, models=len(self._models), traits=len(self._traits),
                                 layers=len(layers), scenarios=scenarios, prompts=PROMPTS,
                                 width=WIDTH)  # fmt: skip

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
        prompts = [self._prompts(model, trait, layer, at, common, rng)
                   for trait in range(len(self._traits))]  # fmt: skip
        stacked = np.concatenate(prompts).astype(np.float32)
        level = float(np.linalg.norm(stacked.astype(np.float64).mean(axis=0)))
        responses = _Responses(self, model, layer, at, common, level, rng).solved(prompts)
        return LayerActivations(stacked, responses.astype(np.float32))

    def _target(self, model: int, trait: int) -> Target:
        return self._targets[self._models[model], self._traits[trait]]

    def _common(self, model: int, at: Directions) -> Floats:
        """Direction that all activations share; mostly one coordinate in a scaled model."""
        if not self._target(model, 0).scaled:
            return at.mean
        common = math.sqrt(1 - MASSIVE_COMMON**2) * at.mean
        common[at.massive] = MASSIVE_COMMON
        return common

    def _prompts(self, model: int, trait: int, layer: int, at: Directions, common: Floats,
                 rng: np.random.Generator) -> Floats:  # fmt: skip
        target = self._target(model, trait)
        scale = GROWTH ** (layer - int(target.published.layer or layer))
        own = at.topics[trait]
        if target.cause == "massive_coordinate":
            own = np.zeros(WIDTH)
            own[at.massive] = 1.0
        drawn = residuals(target.cause, own, _structure(at), rng)
        return solve_prompts(target.published, scale, common, pole_direction(target.cause, trait,
                             at), drawn)  # fmt: skip

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


def pole_direction(cause: str, trait: int, at: Directions) -> Floats:
    """Direction along which the poles of a trait's prompts differ, unit length."""
    across = math.sqrt(1 - ALONG**2)
    if cause == "unlike_concept":
        return ALONG * at.traits[trait] + across * at.concepts[trait]
    if cause == "length_confound":
        return ALONG * at.traits[trait] + across * at.length
    if cause == "massive_coordinate":
        mixed = math.sqrt(1 - MASSIVE_VECTOR**2) * at.traits[trait]
        mixed[at.massive] = MASSIVE_VECTOR
        return mixed
    return at.traits[trait]


def _structure(at: Directions) -> Floats:
    """All directions that mean something, [k, d]; the massive coordinate is one of them."""
    axis = np.zeros((1, WIDTH))
    axis[0, at.massive] = 1.0
    return np.concatenate([at.mean[None], at.length[None], at.topics, at.traits, at.concepts, axis])


class _Responses:
    """Responses of one model and layer while their amplitudes are being solved."""

    def __init__(self, phantom: PublishedPhantom, model: int, layer: int, at: Directions,
                 common: Floats, level: float, rng: np.random.Generator) -> None:  # fmt: skip
        self._phantom, self._model, self._layer, self._at = phantom, model, layer, at
        self._latents, self._scores = phantom._latents, phantom._scores
        massive = phantom._target(model, 0).scaled
        self._unit = level * (MASSIVE_COMMON / MASSIVE_LEVEL if massive else 1 / MEAN)
        noise = NOISE * rng.normal(size=(2 * len(self._scores), WIDTH))
        # Noise has no massive coordinate: what varies there is the cause's.
        noise[:, at.massive] = 0.0
        loud = 1 + LOUDNESS * _flat(self._latents.loudness)
        self._rows = self._unit * noise + level * loud[:, None] * common

    def solved(self, prompts: list[Floats]) -> Floats:
        """[2 * scenarios, d]."""
        base = self._rows
        rows = base.copy()
        harmed_length = False
        for trait, own in enumerate(prompts):
            cause = self._phantom._target(self._model, trait).cause
            signal, latent, direction, harm = self._solve(trait, own, base, cause)
            rows += self._unit * np.outer(signal, self._at.traits[trait])
            rows += self._unit * harm * np.outer(latent, direction)
            if cause != "unlike_concept":
                rows += self._unit * np.outer(_flat(self._latents.concept[..., trait]),
                                              self._at.concepts[trait])  # fmt: skip
            harmed_length |= cause == "length_confound"
        if not harmed_length:
            length = _flat(self._latents.length)
            rows += self._unit * LENGTH * np.outer(length, self._at.length)
        return rows

    def _solve(
        self, trait: int, prompts: Floats, base: Floats, cause: str
    ) -> tuple[Floats, Floats, Floats, float]:
        """Carried behaviour times its amplitude, and latent, direction and amplitude of harm."""
        stored = prompts.astype(np.float32).astype(np.float64)
        vector = stored[:PROMPTS].mean(axis=0) - stored[PROMPTS:].mean(axis=0)
        vector /= np.linalg.norm(vector)
        clean = self._at.traits[trait]
        scores = _drift(self._scores[..., trait].reshape(-1))
        behaviour = _flat(self._latents.behaviour[..., trait])
        latent, direction = self._harm(trait, cause)
        wanted = self._phantom.wanted_r(self._model, trait, self._layer)
        fade = self._phantom._fade(self._model, trait, self._layer)
        nothing = np.zeros(len(scores))
        undisturbed = Drifts(self._unit * _drift(behaviour), nothing, _drift(base @ clean), scores)
        drifts = Drifts(
            self._unit * _drift(behaviour) * float(clean @ vector),
            self._unit * _drift(latent) * float(direction @ vector),
            _drift(base @ vector),
            scores,
        )
        if cause == NONE:
            return solve_signal(drifts, 0.0, wanted) * behaviour, latent, direction, 1.0
        signal = solve_signal(undisturbed, 0.0, CLEAN_R * fade)
        if cause == "not_linear":
            hidden = behaviour * _flat(self._latents.sign[..., trait])

            def carried(share: float) -> Floats:
                return signal * ((1 - share) * behaviour + share * hidden)

            def r_at(share: float) -> float:
                along = self._unit * _drift(carried(share)) * float(clean @ vector)
                return correlation(along + drifts.rest, scores)

            return carried(solve_share(r_at, wanted)), latent, direction, 1.0
        harm = solve_harm(drifts, signal, wanted)
        return solve_signal(drifts, harm, wanted) * behaviour, latent, direction, harm

    def _harm(self, trait: int, cause: str) -> tuple[Floats, Floats]:
        """Latent values and direction of what a cause confuses with the behaviour.

        Without such a cause it is the cell's own topic, which its vector does not see.
        """
        latents, at = self._latents, self._at
        if cause == "unlike_concept":
            return _flat(latents.concept[..., trait]), at.concepts[trait]
        if cause == "length_confound":
            return _flat(latents.length), at.length
        if cause == "massive_coordinate":
            axis = np.zeros(WIDTH)
            axis[at.massive] = 1.0
            return _flat(latents.massive), axis
        return _flat(latents.topics[..., trait]), at.topics[trait]


def _flat(values: Floats) -> Floats:
    """[S, 2] as [2 S], t1 and tN of a scenario side by side."""
    rows: Floats = values.reshape(-1)
    return rows


def _drift(values: Floats) -> Floats:
    """tN minus t1 of each scenario, [S]."""
    found: Floats = values[1::2] - values[::2]
    return found
