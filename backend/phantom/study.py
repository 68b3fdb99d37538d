"""The phantom as a study: prompts and responses whose texts say that they are simulated."""

from __future__ import annotations

import numpy as np

from backend.geometry.prompt_space import Floats
from backend.phantom.causes import CAUSES_BY_NAME
from backend.phantom.latents import SCORE_HIGH, SCORE_LOW
from backend.phantom.plan import PhantomPlan
from backend.types import POLES, TURNS, Prompt, Response, Study

RESPONDER = "simulated"
PROVENANCE = "Simulated: no model read these texts and no judge scored them."


def phantom_study(plan: PhantomPlan, scores: Floats, words: np.ndarray) -> Study:
    """The study of a phantom.

    Args:
        plan: the phantom.
        scores: [S, 2, traits].
        words: length of each response, [S, 2].
    """
    traits = {plan.trait_name(t): _description(plan, t) for t in range(plan.traits)}
    prompts = tuple(
        Prompt(trait, pole, f"Simulated prompt {i + 1}, {pole} pole of {trait}.")
        for trait in traits
        for pole in POLES
        for i in range(plan.prompts)
    )
    responses = tuple(
        Response(
            scenario=f"s{s + 1:04d}",
            text=f"Simulated response of {words[s, turn]} words, scenario {s + 1}, {name}.",
            turn=name,
            responder=RESPONDER,
            scores={trait: float(scores[s, turn, t]) for t, trait in enumerate(traits)},
        )
        for s in range(plan.scenarios)
        for turn, name in enumerate(TURNS)
    )
    return Study(
        name=plan.name,
        title=f"Phantom {plan.name} (simulated)",
        description="Activations and scores drawn from a model with known causes. Planted: "
        + "; ".join(f"{name}: {text}" for name, text in traits.items()),
        licence="MIT",
        provenance=PROVENANCE,
        score_range=(SCORE_LOW, SCORE_HIGH),
        traits=traits,
        prompts=prompts,
        responses=responses,
    )


def _description(plan: PhantomPlan, trait: int) -> str:
    """What is planted in a trait, model by model."""
    planted = {
        plan.model_name(m): " and ".join(CAUSES_BY_NAME[c].title for c in plan.planted(m, trait))
        for m in range(plan.models)
    }
    if len(set(planted.values())) == 1:
        return next(iter(planted.values()))
    return ", ".join(f"{text} on {model}" for model, text in planted.items())
