"""What lies behind the simulated responses: behaviour, topics, length; and the judge's scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.phantom.plan import PhantomPlan

TOPICS = 8
# Share of a latent's variance that all turns of a scenario have in common.
SHARED = 0.5
# Share that all responders have in common, and how far their means lie apart.
ALIKE = 0.3
RESPONDERS = 0.5
SCORE_LOW, SCORE_HIGH = 0.0, 10.0
MEAN_WORDS = 120


@dataclass(frozen=True)
class Latents:
    """Standardised latent values of all responses: case, turn and what is listed.

    There are K cases, one per scenario and responder, scenario by scenario, and T turns, or a
    single response.

    Attributes:
        behaviour: what the judge tries to score, [K, T, traits].
        concept: what a template unlike the behaviour shows instead, [K, T, traits].
        sign: +1 or -1, hides a behaviour from linear readers, [K, T, traits].
        topics: what responses are about, [K, T, TOPICS].
        length: of the response, [K, T].
        loudness: of the whole activation, [K, T].
        massive: value of the massive coordinate, [K, T].
    """

    behaviour: Floats
    concept: Floats
    sign: Floats
    topics: Floats
    length: Floats
    loudness: Floats
    massive: Floats


def draw_latents(plan: PhantomPlan, rng: np.random.Generator) -> Latents:
    """Draw the latent values of a phantom's responses.

    Args:
        plan: the phantom.
        rng: source of randomness.
    """

    def stable(count: int) -> Floats:
        scenario = _of_cases(plan, 1, count, rng)
        turn = _of_cases(plan, plan.turns, count, rng)
        drawn: Floats = np.sqrt(SHARED) * scenario + np.sqrt(1 - SHARED) * turn
        if plan.responders > 1:
            means = rng.normal(size=(plan.responders, plan.turns, count))
            drawn = drawn + RESPONDERS * np.tile(means, (plan.scenarios, 1, 1))
        return drawn

    return Latents(
        behaviour=stable(plan.traits),
        concept=stable(plan.traits),
        sign=rng.choice([-1.0, 1.0], size=(plan.cases, plan.turns, plan.traits)),
        topics=stable(TOPICS),
        length=stable(1)[..., 0],
        loudness=rng.normal(size=(plan.cases, plan.turns)),
        massive=rng.normal(size=(plan.cases, plan.turns)),
    )


def _of_cases(plan: PhantomPlan, turns: int, count: int, rng: np.random.Generator) -> Floats:
    """Standard normal values, [K, turns, count], of which responders of a scenario share some."""
    own = rng.normal(size=(plan.cases, turns, count))
    if plan.responders == 1:
        return own
    common = rng.normal(size=(plan.scenarios, turns, count)).repeat(plan.responders, axis=0)
    drawn: Floats = np.sqrt(ALIKE) * common + np.sqrt(1 - ALIKE) * own
    return drawn


def judge(plan: PhantomPlan, latents: Latents, rng: np.random.Generator) -> Floats:
    """Scores 0 to 10 in whole points, [K, T, traits]; the errors are drawn anew at each call.

    Healthy scores are 5 + 2 behaviour + error of standard deviation 1: reliability 0.8. A cause
    in the scores is planted in a trait if any model's cell has it, as scores are shared.

    Args:
        plan: the phantom.
        latents: its responses.
        rng: source of randomness.
    """
    scores = np.empty_like(latents.behaviour)
    strength = plan.strength
    for trait in range(plan.traits):
        planted = {c for model in range(plan.models) for c in plan.planted(model, trait)}
        error = 1.0 + (7.0 * strength if "unreliable_judge" in planted else 0.0)
        signal = latents.behaviour[..., trait]
        raw = 2 * signal + error * rng.normal(size=signal.shape)
        if "unreliable_judge" in planted:
            # As wide as healthy scores: an unreliable judge still uses the whole scale.
            raw *= np.sqrt(5.0 / (4.0 + error**2))
        if "compressed" in planted:
            raw *= max(0.0, 1 - 0.9 * min(strength, 1.0))
        middle = 5.0 - (8.5 * min(strength, 1.0) if "floor" in planted else 0.0)
        scores[..., trait] = np.clip(np.round(middle + raw), SCORE_LOW, SCORE_HIGH)
    return scores


def judge_again(plan: PhantomPlan, latents: Latents, rng: np.random.Generator) -> Floats | None:
    """Second scores of the cases that are scored twice, [fewer than K, T, traits]; None of none.

    Args:
        plan: the phantom.
        latents: its responses.
        rng: source of randomness.
    """
    if not plan.repeated:
        return None
    return judge(plan, latents, rng)[: min(plan.repeated, plan.scenarios) * plan.responders]


def words(latents: Latents) -> np.ndarray:
    """Number of words of each response, at least 10, [K, T]."""
    lengths: np.ndarray = np.maximum(10, np.round(MEAN_WORDS + 40 * latents.length)).astype(int)
    return lengths
