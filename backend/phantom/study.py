"""The phantom as a study: prompts and responses whose texts say that they are simulated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.core.arrays import Floats
from backend.phantom.causes import CAUSES_BY_NAME
from backend.phantom.latents import SCORE_HIGH, SCORE_LOW
from backend.phantom.phantom import Phantom
from backend.turns import FIRST, LAST
from backend.types import POLES, SIMULATED_PROVENANCE, Prompt, Response, Study, Turn

RESPONDER = "simulated"


def simulated_study(
    phantom: Phantom,
    title: str,
    traits: Sequence[str],
    prompts: int,
    scores: Floats,
    lengths: np.ndarray,
    responders: int = 1,
    again: Floats | None = None,
) -> Study:
    """The study of a phantom; the traits' descriptions say what is planted where.

    Args:
        phantom: whose study it is; its names and planted causes are used.
        title: one line for people.
        traits: names.
        prompts: per pole and trait.
        scores: [K, T, traits] of K cases, scenario by scenario; with two turns these are t1 and
            tN, with more t1 to tT.
        lengths: words of each response, [K, T].
        responders: how many respond in every scenario.
        again: second scores of the first cases, [fewer than K, T, traits]; None without.
    """
    names = _turn_names(scores.shape[1])
    twice = 0 if again is None else len(again)

    def repeats(case: int, turn: int) -> dict[str, tuple[float, ...]]:
        if again is None or case >= twice:
            return {}
        return {
            trait: (float(scores[case, turn, t]), float(again[case, turn, t]))
            for t, trait in enumerate(traits)
        }

    def response(case: int, turn: int, name: Turn | None) -> Response:
        scenario, who = divmod(case, responders)
        every = repeats(case, turn)
        shown = f"scenario {scenario + 1}" + (f", {name}" if name else "")
        return Response(
            scenario=f"s{scenario + 1:04d}",
            text=f"Simulated response of {lengths[case, turn]} words, {shown}.",
            turn=name,
            responder=RESPONDER if responders == 1 else f"{RESPONDER}-{who + 1}",
            scores={
                trait: float(np.mean(every.get(trait, (scores[case, turn, t],))))
                for t, trait in enumerate(traits)
            },
            repeats=every,
        )

    described = {trait: _description(phantom, t) for t, trait in enumerate(traits)}
    return Study(
        name=phantom.name,
        title=title,
        description="Activations and scores drawn from a model with known causes. Planted: "
        + "; ".join(f"{name}: {text}" for name, text in described.items()),
        licence="MIT",
        provenance=SIMULATED_PROVENANCE,
        score_range=(SCORE_LOW, SCORE_HIGH),
        traits=described,
        prompts=tuple(
            Prompt(trait, pole, f"Simulated prompt {i + 1}, {pole} pole of {trait}.")
            for trait in traits
            for pole in POLES
            for i in range(prompts)
        ),
        responses=tuple(
            response(case, turn, name)
            for case in range(len(scores))
            for turn, name in enumerate(names)
        ),
    )


def _turn_names(turns: int) -> tuple[Turn | None, ...]:
    if turns == 1:
        return (None,)
    return (FIRST, LAST) if turns == 2 else tuple(f"t{turn + 1}" for turn in range(turns))


def _description(phantom: Phantom, trait: int) -> str:
    """What is planted in a trait, model by model."""
    planted = {
        name: " and ".join(CAUSES_BY_NAME[cause].title for cause in phantom.planted(m, trait))
        for m, name in enumerate(phantom.models)
    }
    if len(set(planted.values())) == 1:
        return next(iter(planted.values()))
    return ", ".join(f"{text} on {model}" for model, text in planted.items())


def planted_in(description: str, model: str) -> tuple[str, ...]:
    """Causes planted in one cell, read back from what :func:`simulated_study` wrote of its trait.

    Args:
        description: of the trait.
        model: name of the model.

    Returns:
        Names of the causes, as :meth:`Phantom.planted` gives them; none where the description
        is not of a phantom, or not of this model.
    """
    by_title = {cause.title: cause.name for cause in CAUSES_BY_NAME.values()}
    parts = {}
    for part in description.split(", "):
        causes, on, where = part.rpartition(" on ")
        if on:
            parts[where] = causes
    own = parts.get(model, description)
    return tuple(by_title[title] for title in own.split(" and ") if title in by_title)
