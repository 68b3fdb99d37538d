"""Responses of one model and layer in which every cell's r is the wanted one.

Responses are a sum of parts, each a latent value times a direction. A cell's own parts (its
behaviour, and what its planted cause confuses with it) enter no vector that was solved before, so
the cells are solved one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.phantom.causes import NONE
from backend.phantom.geometry import LENGTH, LOUDNESS, NOISE, PlantedDirections
from backend.phantom.latents import Latents
from backend.phantom.published.amplitudes import (
    Drifts,
    solve_harm,
    solve_signal,
)


@dataclass(frozen=True)
class CellGoal:
    """What one cell must come out as at one layer.

    Attributes:
        cause: what is planted.
        wanted: r of the mean difference.
        clean: r of the behaviour's own direction.
    """

    cause: str
    wanted: float
    clean: float


@dataclass(frozen=True)
class ModelLayer:
    """One model at one layer.

    Attributes:
        at: its directions.
        common: direction that all activations share, [d].
        level: how far along it responses lie on average, activation units.
        unit: activation units of one standard deviation of a latent value.
        latents: what lies behind the responses.
    """

    at: PlantedDirections
    common: Floats
    level: float
    unit: float
    latents: Latents


@dataclass(frozen=True)
class _Part:
    """Latent values [2 S] times a direction [d]."""

    latent: Floats
    direction: Floats


def solve_responses(
    goals: Sequence[CellGoal],
    prompts: Sequence[Floats],
    where: ModelLayer,
    scores: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Responses, [2 * scenarios, d], scenario by scenario, t1 first.

    Args:
        goals: of every trait.
        prompts: of every trait, high pole first, [n, d].
        where: model and layer.
        scores: [S, 2, traits].
        rng: source of randomness.
    """
    latents, at = where.latents, where.at
    noise = NOISE * rng.normal(size=(2 * len(scores), len(where.common)))
    # Noise has no massive coordinate: what varies there is the cause's.
    noise[:, at.massive] = 0.0
    loud = 1 + LOUDNESS * flat(latents.loudness)
    rows = where.unit * noise + where.level * loud[:, None] * where.common
    # A prompt of outlying length leaves some of what all activations share in the vector, and
    # with it the massive coordinate, so that cell is solved when the others' parts are there.
    last = [goal.cause == "magnitude_outliers" for goal in goals]
    for trait in sorted(range(len(goals)), key=last.__getitem__):
        goal = goals[trait]
        harm = _harm(goal.cause, trait, where)
        carried, amplitude = _solve(
            goal, trait, prompts[trait], rows, where, scores[..., trait], harm
        )
        rows += where.unit * np.outer(carried, at.traits[trait])
        rows += where.unit * amplitude * np.outer(harm.latent, harm.direction)
        if goal.cause != "unlike_concept":
            concept = flat(latents.concept[..., trait])
            rows += where.unit * np.outer(concept, at.concepts[trait])
    if all(goal.cause != "length_confound" for goal in goals):
        rows += where.unit * LENGTH * np.outer(flat(latents.length), at.length)
    return rows


def _solve(
    goal: CellGoal,
    trait: int,
    prompts: Floats,
    rows: Floats,
    where: ModelLayer,
    scores: Floats,
    harm: _Part,
) -> tuple[Floats, float]:
    """The behaviour as the responses carry it, [2 S], and the amplitude of the harm."""
    stored = prompts.astype(np.float32).astype(np.float64)  # as runs keep them
    half = len(stored) // 2
    vector = stored[:half].mean(axis=0) - stored[half:].mean(axis=0)
    vector /= np.linalg.norm(vector)
    clean = where.at.traits[trait]
    judged = drift(flat(scores))
    behaviour = flat(where.latents.behaviour[..., trait])
    drifts = Drifts(
        where.unit * drift(behaviour) * float(clean @ vector),
        where.unit * drift(harm.latent) * float(harm.direction @ vector),
        drift(rows @ vector),
        judged,
    )
    if goal.cause == NONE:
        return solve_signal(drifts, 0.0, goal.wanted) * behaviour, 1.0
    undisturbed = Drifts(
        where.unit * drift(behaviour), np.zeros(len(judged)), drift(rows @ clean), judged
    )
    signal = solve_signal(undisturbed, 0.0, goal.clean)
    if goal.cause == "not_linear":
        # The harm is the behaviour with random sign, as strong as the behaviour would have been.
        return solve_signal(drifts, signal, goal.wanted) * behaviour, signal
    amplitude = solve_harm(drifts, signal, goal.wanted)
    return solve_signal(drifts, amplitude, goal.wanted) * behaviour, amplitude


def _harm(cause: str, trait: int, where: ModelLayer) -> _Part:
    """What a cause confuses with the behaviour; without such a cause the cell's own topic, which
    its vector does not see."""
    latents, at = where.latents, where.at
    if cause == "unlike_concept":
        return _Part(flat(latents.concept[..., trait]), at.concepts[trait])
    if cause == "length_confound":
        return _Part(flat(latents.length), at.length)
    if cause == "massive_coordinate":
        return _Part(flat(latents.massive), massive_axis(at))
    if cause == "not_linear":
        hidden = latents.behaviour[..., trait] * latents.sign[..., trait]
        return _Part(flat(hidden), at.traits[trait])
    return _Part(flat(latents.topics[..., trait]), at.topics[trait])


def massive_axis(at: PlantedDirections) -> Floats:
    """The coordinate that can be massive as a direction, [d]."""
    axis = np.zeros(len(at.mean))
    axis[at.massive] = 1.0
    return axis


def flat(values: Floats) -> Floats:
    """[S, 2] as [2 S], t1 and tN of a scenario side by side."""
    rows: Floats = values.reshape(-1)
    return rows


def drift(values: Floats) -> Floats:
    """tN minus t1 of each scenario, [S]."""
    found: Floats = values[1::2] - values[::2]
    return found
