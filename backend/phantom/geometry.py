"""Activations of one model at one layer: a common mean, topics, traits and noise.

All directions are orthonormal and drawn anew for every model and layer, as real models share no
basis. Numbers are chosen so that a healthy cell looks like the published study's: cosines of
about 0.9 within a pole and r of about 0.45.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.core.arrays import Bools, Floats
from backend.phantom.latents import TOPICS, Latents
from backend.phantom.plan import PhantomPlan

MEAN = 6.0  # length of what all activations share
SIGNAL = 1.0  # of a response's behaviour, per standard deviation
POLE = 1.5  # half the distance between the poles
TOPIC = 1.0  # of a topic, per standard deviation
PROMPT_TOPIC = 0.5
NOISE = 0.7  # per coordinate of a response, before pooling over the width
PROMPT_NOISE = 1.2  # length of a prompt's own noise
LOUDNESS = 0.12  # standard deviation of a response's length as a share of its mean part
LENGTH = 2.5  # of a response's length: the activations' first component
MASSIVE = 25.0
SPREAD_LAYERS = 4.0  # how fast a signal fades away from its best layer


@dataclass(frozen=True)
class LayerActivations:
    """Simulated activations of one model and layer, float32.

    Attributes:
        prompts: [traits * 2 * prompts, d], trait by trait, high pole first.
        responses: [turns * cases, d], case by case, t1 first.
    """

    prompts: NDArray[np.float32]
    responses: NDArray[np.float32]


@dataclass(frozen=True)
class PlantedDirections:
    """Orthonormal rows of one model and layer.

    Attributes:
        mean: of what all activations share, [d].
        length: along which activations carry a response's length, [d].
        topics: [TOPICS, d].
        traits: of the judged behaviours, [traits, d].
        concepts: of what templates unlike a behaviour show, [traits, d].
        massive: index of the coordinate that can be massive; the rows are zero there.
    """

    mean: Floats
    length: Floats
    topics: Floats
    traits: Floats
    concepts: Floats
    massive: int


def best_layer(plan: PhantomPlan, model: int, trait: int) -> int:
    """Where a cell's signal is strongest: the middle, or a quarter in if planted elsewhere."""
    if "other_layer" in plan.planted(model, trait):
        return 1 + plan.layers // 6
    return (plan.layers + 1) // 2


def profile(plan: PhantomPlan, model: int, trait: int, layer: int) -> float:
    """Strength of a cell's signal at a layer, 0 to 1."""
    best = best_layer(plan, model, trait)
    if "other_layer" in plan.planted(model, trait):
        away = max(0.0, 1 - plan.strength)
        return 1.0 if layer == best else away
    return float(np.exp(-(((layer - best) / SPREAD_LAYERS) ** 2)))


def simulate_layer(plan: PhantomPlan, latents: Latents, model: int, layer: int) -> LayerActivations:
    """All activations of one model at one layer; repeatable by the plan's seed.

    Args:
        plan: the phantom.
        latents: its responses.
        model: which model.
        layer: 1 to ``plan.layers``.
    """
    rng = np.random.default_rng([plan.seed, 1 + model, layer])
    directions = draw_directions(plan, rng)
    scale = plan.scales[model] if plan.scales else 1.0
    prompts = np.concatenate(
        [_prompts(plan, directions, model, trait, rng) for trait in range(plan.traits)]
    )
    responses = _responses(plan, directions, latents, model, layer, rng)
    return LayerActivations(
        (scale * prompts).astype(np.float32), (scale * responses).astype(np.float32)
    )


def draw_directions(plan: PhantomPlan, rng: np.random.Generator) -> PlantedDirections:
    """Orthonormal directions of one model and layer, none of which has a massive coordinate."""
    count = 2 + TOPICS + 2 * plan.traits
    massive = int(rng.integers(plan.width))
    drawn = rng.normal(size=(plan.width, count))
    drawn[massive] = 0  # the massive coordinate is nobody else's
    basis = np.linalg.qr(drawn)[0].T
    ends = 2 + TOPICS
    return PlantedDirections(
        mean=basis[0],
        length=basis[1],
        topics=basis[2:ends],
        traits=basis[ends : ends + plan.traits],
        concepts=basis[ends + plan.traits :],
        massive=massive,
    )


def _prompts(
    plan: PhantomPlan, at: PlantedDirections, model: int, trait: int, rng: np.random.Generator
) -> Floats:
    """[2 * prompts, d], high pole first."""
    n, strength = plan.prompts, plan.strength
    planted = plan.planted(model, trait)
    high: Bools = np.arange(2 * n) < n
    side = np.where(high, POLE, -POLE)
    mixed = min(strength, 1.0) if "unlike_concept" in planted else 0.0
    direction = np.sqrt(1 - mixed**2) * at.traits[trait] + mixed * at.concepts[trait]
    x: Floats = MEAN * at.mean + side[:, None] * direction
    x = x + PROMPT_TOPIC * rng.normal(size=(2 * n, TOPICS)) @ at.topics
    x = x + PROMPT_NOISE * rng.normal(size=x.shape) / np.sqrt(plan.width)
    outliers = _some(rng, n, high=bool(rng.integers(2)))
    topic = at.topics[rng.integers(TOPICS)]
    side_of_topic = rng.choice([-1, 1])
    # Everything random is drawn whether used or not: causes differ in nothing else.
    steady, between = rng.normal(size=(2, 2 * n))
    if "direction_outliers" in planted:
        x[outliers] += 26 * strength * topic * side_of_topic
    if "length_confound" in planted:
        x[high] += 3.2 * strength * at.length
    if _has_massive(plan, model):
        x[:, at.massive] = MASSIVE * (1 + 0.002 * steady)
    if "massive_coordinate" in planted:
        x[:, at.massive] += 0.5 * strength * MASSIVE * np.where(high, 0.5, -0.5)
        x[:, at.massive] += 0.1 * strength * MASSIVE * between
    if "magnitude_outliers" in planted:
        x[outliers] *= 1 + 9 * strength
    return x


def _some(rng: np.random.Generator, n: int, high: bool) -> NDArray[np.intp]:
    """A fifth of a pole's prompts, at least one."""
    chosen: NDArray[np.intp] = rng.choice(n, size=max(1, n // 5), replace=False)
    return chosen if high else chosen + n


def _responses(
    plan: PhantomPlan,
    at: PlantedDirections,
    latents: Latents,
    model: int,
    layer: int,
    rng: np.random.Generator,
) -> Floats:
    """[turns * cases, d]."""

    def flat(values: Floats) -> Floats:
        rows: Floats = values.reshape(plan.turns * plan.cases, -1)
        return rows

    carried = np.empty((plan.turns * plan.cases, plan.traits))
    for trait in range(plan.traits):
        behaviour = flat(latents.behaviour[..., trait])[:, 0]
        hidden = behaviour * flat(latents.sign[..., trait])[:, 0]
        share = min(plan.strength, 1.0) if "not_linear" in plan.planted(model, trait) else 0.0
        shown = (1 - share) * behaviour + share * hidden
        carried[:, trait] = profile(plan, model, trait, layer) * shown
    x = SIGNAL * carried @ at.traits
    x += SIGNAL * flat(latents.concept) @ at.concepts
    x += TOPIC * flat(latents.topics) @ at.topics
    x += LENGTH * flat(latents.length) * at.length
    x += MEAN * (1 + LOUDNESS * flat(latents.loudness)) * at.mean
    x += NOISE * rng.normal(size=x.shape)
    if _has_massive(plan, model):
        x[:, at.massive] = MASSIVE * (1 + 0.2 * flat(latents.massive)[:, 0])
    return x


def _has_massive(plan: PhantomPlan, model: int) -> bool:
    """A model has a massive coordinate in all its activations or in none."""
    if plan.strength == 0:
        return False
    cells = (plan.planted(model, trait) for trait in range(plan.traits))
    return any("massive_coordinate" in planted for planted in cells)


def layer_numbers(plan: PhantomPlan) -> Sequence[int]:
    """Layers of a phantom: 1 to ``plan.layers``."""
    return range(1, plan.layers + 1)
