"""Small studies for tests."""

from __future__ import annotations

import dataclasses

import numpy as np

from backend.types import Message, Prompt, Response, Study

WORDS = (
    "ache box corridor desk expected name safe still tell tonight years you act plainly café "
    "nothing keep saying before else"
).split()


def small_study(name="small", scenarios=12, prompts=5, seed=3, turns=True) -> Study:
    """Two traits with random but repeatable texts and scores."""
    rng = np.random.default_rng(seed)

    def words(least, most):
        return " ".join(rng.choice(WORDS, size=rng.integers(least, most)))

    poles = ("high", "low")
    return Study(
        name=name,
        title="Small study",
        description="",
        licence="MIT",
        provenance="Random words, for tests.",
        score_range=(0.0, 10.0),
        traits={"warmth": "", "haste": ""},
        prompts=tuple(
            Prompt(trait, pole, f"{pole} {i} {words(3, 12)}")
            for trait in ("warmth", "haste")
            for pole in poles
            for i in range(prompts)
        ),
        responses=tuple(
            Response(
                scenario=f"s{i:02d}",
                text=words(4, 30),
                turn=turn,
                responder="author",
                messages=(Message("user", words(3, 20)),),
                scores={t: float(rng.integers(0, 21)) / 2 for t in ("warmth", "haste")},
            )
            for i in range(scenarios)
            for turn in (("t1", "tN") if turns else (None,))
        ),
    )


def long_study(name="long", conversations=14, turns=5, seed=5) -> Study:
    """Conversations of numbered turns, each with the chat so far before it."""
    study = small_study(name, scenarios=0, seed=seed)
    rng = np.random.default_rng(seed)
    responses = []
    for place in range(conversations):
        chat: tuple[Message, ...] = ()
        for turn in range(1, turns + 1):
            said = [" ".join(rng.choice(WORDS, size=rng.integers(3, 12))) for _ in range(2)]
            chat = (*chat, Message("user", said[0]))
            responses.append(
                Response(
                    scenario=f"c{place:02d}",
                    text=said[1],
                    turn=f"t{turn}",
                    responder="author",
                    messages=chat,
                    scores={t: float(rng.integers(0, 21)) / 2 for t in study.traits},
                )
            )
            chat = (*chat, Message("assistant", said[1]))
    return dataclasses.replace(study, responses=tuple(responses))


def chat_study(name="chats", **values) -> Study:
    """The small study with poles that are answers: pairs of one question under opposite system
    messages."""
    study = small_study(name, **values)
    counts: dict[tuple[str, str], int] = {}
    prompts = []
    for prompt in study.prompts:
        number = counts[prompt.trait, prompt.pole] = counts.get((prompt.trait, prompt.pole), -1) + 1
        chat = (
            Message("system", f"Show {prompt.pole} {prompt.trait}."),
            Message("user", f"Question {number}: why?"),
        )
        prompts.append(dataclasses.replace(prompt, pair=f"q{number}", messages=chat))
    return dataclasses.replace(study, prompts=tuple(prompts))


def two_responders() -> Study:
    """A study that two models responded to; one has its responses scored a little otherwise."""
    study = small_study(scenarios=20)
    rng = np.random.default_rng(1)

    def other(response: Response) -> Response:
        scores = {t: float(np.clip(s + rng.normal(), 0, 10)) for t, s in response.scores.items()}
        return dataclasses.replace(response, responder="someone", scores=scores)

    doubled = study.responses + tuple(other(r) for r in study.responses)
    return dataclasses.replace(study, responses=doubled)


def reworded():
    """Prompts whose poles differ in one word of many."""
    study = small_study(scenarios=12)
    rest = "about what you told me of the box in the corridor and the desk"
    prompts = tuple(
        dataclasses.replace(prompt, text=f"{prompt.pole} {number % 5} {rest}")
        for number, prompt in enumerate(study.prompts)
    )
    return dataclasses.replace(study, prompts=prompts)
