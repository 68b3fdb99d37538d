"""What lies behind the simulated responses: behaviour, topics, length; and the judge's scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.phantom.plan import PhantomPlan

TOPICS = 8
# Share of a latent's variance that both turns of a scenario have in common.
SHARED = 0.5
SCORE_LOW, SCORE_HIGH = 0.0, 10.0
MEAN_WORDS = 120


@dataclass(frozen=True)
class Latents:
    """Standardised latent values of all responses: scenario, turn (t1, tN) and what is listed.

    Attributes:
        behaviour: what the judge tries to score, [S, 2, traits].
        concept: what a template unlike the behaviour shows instead, [S, 2, traits].
        sign: +1 or -1, hides a behaviour from linear readers, [S, 2, traits].
        topics: what responses are about, [S, 2, TOPICS].
        length: of the response, [S, 2].
        loudness: of the whole activation, [S, 2].
        massive: value of the massive coordinate, [S, 2].
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
        scenario = rng.normal(size=(plan.scenarios, 1, count))
        turn = rng.normal(size=(plan.scenarios, 2, count))
        drawn: Floats = np.sqrt(SHARED) * scenario + np.sqrt(1 - SHARED) * turn
        return drawn

    return Latents(
        behaviour=stable(plan.traits),
        concept=stable(plan.traits),
        sign=rng.choice([-1.0, 1.0], size=(plan.scenarios, 2, plan.traits)),
        topics=stable(TOPICS),
        length=stable(1)[..., 0],
        loudness=rng.normal(size=(plan.scenarios, 2)),
        massive=rng.normal(size=(plan.scenarios, 2)),
    )


def judge(plan: PhantomPlan, latents: Latents, rng: np.random.Generator) -> Floats:
    """Scores 0 to 10 in whole points, [S, 2, traits].

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


def words(latents: Latents) -> np.ndarray:
    """Number of words of each response, at least 10, [S, 2]."""
    lengths: np.ndarray = np.maximum(10, np.round(MEAN_WORDS + 40 * latents.length)).astype(int)
    return lengths
