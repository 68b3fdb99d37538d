"""A chat with a steered model as a page keeps it: what was asked, answered and is being written."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import SteeringError
from backend.runs.imported_vectors import named_vectors
from backend.settings import Settings
from backend.steering.answer import SpokenToken, Turn, VariantAnswer
from backend.steering.interventions import Mode, Where
from backend.steering.request import SteerRequest, Variant, variants
from backend.steering.units import Unit, Units
from backend.steering.vectors import SteeringVector, VectorSource, find_vector
from backend.store.imported_vector import ImportedVector

# Of a vector: the run's own.
STORED = "stored"


def vector_titles(settings: Settings) -> dict[str, str]:
    """Name of each saved or imported vector -> what it is called on screen."""
    found = {}
    for vector in named_vectors(settings):
        kind = "imported" if isinstance(vector, ImportedVector) else "saved"
        found[vector.name] = f"{vector.name} ({kind})"
    return found


def vector_layers(settings: Settings, name: str) -> tuple[int, ...]:
    """Layers of a saved or imported vector; none where there is no such vector."""
    for vector in named_vectors(settings):
        if vector.name == name:
            return vector.layers if isinstance(vector, ImportedVector) else (vector.layer,)
    return ()


def vector_of(
    settings: Settings,
    run_id: str,
    trait: str,
    prompt_set: str,
    *,
    method: str,
    layer: int | None,
    name: str,
) -> tuple[VectorSource, SteeringVector]:
    """The vector of a page's choices, and how it was chosen.

    Args:
        settings: where the store is.
        run_id: the chosen run.
        trait: the chosen trait.
        prompt_set: the chosen prompt set.
        method: of a stored vector.
        layer: None for the best.
        name: of a saved or imported vector; STORED for a stored one.

    Raises:
        SteeringError: there is no such vector, or no model to steer.
    """
    source = (
        VectorSource(run_id, trait, method, prompt_set, layer)
        if name == STORED
        else VectorSource(run_id, prompt_set=prompt_set, layer=layer, name=name)
    )
    return source, find_vector(settings, source)


@dataclass(frozen=True)
class Typed:
    """Numbers as a user types them.

    Attributes:
        strengths: such as "1, 2.5 -1".
        low: of cap; empty for no limit.
        high: likewise.
        seed: of the noise.
        temperature: 0 takes the likeliest token.
        tokens: longest answer.
        control_seed: of the random direction.
    """

    strengths: str = "1, 2"
    low: str = ""
    high: str = ""
    seed: str = "0"
    temperature: str = "0"
    tokens: str = "80"
    control_seed: str = "0"


def request_of(
    source: VectorSource,
    vector: SteeringVector,
    typed: Typed,
    *,
    mode: Mode,
    where: Where,
    unit: Unit,
    control: bool,
    system: str,
) -> SteerRequest:
    """What is to be asked, before anything is said.

    Args:
        source: which vector.
        vector: itself.
        typed: numbers.
        mode: of the intervention.
        where: at which tokens.
        unit: of the strengths.
        control: whether a random direction is beside them.
        system: the system prompt.

    Raises:
        SteeringError: a number is none, or cannot be meant.
    """
    request = SteerRequest(
        source=dataclasses.replace(source, layer=vector.layer),
        said=(),
        system=system.strip(),
        mode=mode,
        where=where,
        strengths=()
        if mode == "cap"
        else tuple(
            _number("strength", part) for part in re.split(r"[,;\s]+", typed.strengths) if part
        ),
        unit=unit,
        low=_number("lowest projection", typed.low) if typed.low.strip() else None,
        high=_number("highest projection", typed.high) if typed.high.strip() else None,
        control=control,
        control_seed=_whole("seed of the random direction", typed.control_seed),
        temperature=_number("temperature", typed.temperature),
        seed=_whole("seed", typed.seed),
        most_tokens=_whole("number of tokens", typed.tokens),
        asked_of=vector.digest,
    )
    variants(request, vector)
    return request


@dataclass(frozen=True)
class SteerChat:
    """A chat so far.

    Attributes:
        base: what is asked in every turn, without what was said.
        names: of the variants, with kind and strength.
        units: of the vector.
        turns: that have ended.
        task: id of the task that answers now; None between turns.
        saying: what it answers.
        known: pieces of it that were heard.
        steps: tokens heard of it, as :mod:`backend.jobs.tasks_of.steer` tells them.
        seconds: from its first token to the last that was heard.
    """

    base: SteerRequest
    names: tuple[Variant, ...]
    units: Units
    turns: tuple[Turn, ...] = ()
    task: str | None = None
    saying: str = ""
    known: int = 0
    steps: tuple[Sequence[Any], ...] = ()
    seconds: float = 0.0

    def request(self, text: str) -> SteerRequest:
        """The request that says one more thing. Args: text: what is said."""
        return dataclasses.replace(
            self.base,
            said=(*(turn.said for turn in self.turns), text),
            answered=tuple(
                tuple(turn.answers[row].text for turn in self.turns)
                for row in range(len(self.names))
            ),
        )

    def asked(self, task: str, text: str) -> SteerChat:
        """The chat while it is answered. Args: task: id; text: what was said."""
        return dataclasses.replace(self, task=task, saying=text, known=0, steps=(), seconds=0.0)

    def heard(self, known: int, pieces: Sequence[Mapping[str, Any] | None]) -> SteerChat:
        """With further pieces of the answer. Args: known: how many are known now; pieces: new ones.

        A piece that is None says that the task was begun again.
        """
        steps, seconds = list(self.steps), self.seconds
        for piece in pieces:
            if piece is None:
                steps, seconds = [], 0.0
            else:
                steps += piece["steps"]
                seconds = float(piece["seconds"])
        return dataclasses.replace(self, known=known, steps=tuple(steps), seconds=seconds)

    @property
    def live(self) -> Turn:
        """The turn as far as it has been heard."""
        answers = []
        for row, variant in enumerate(self.names):
            tokens = tuple(SpokenToken(*step[row]) for step in self.steps if step[row] is not None)
            text = "".join(token.text for token in tokens)
            answers.append(
                VariantAnswer(
                    variant.name, variant.kind, variant.strength, text, tokens, False, 0, 0
                )
            )
        count = sum(max(0, len(one.tokens) - 1) for one in answers)
        rate = count / self.seconds if count and self.seconds > 0 else None
        return Turn(self.saying, tuple(answers), self.seconds, rate, ())

    def ended(self, result: Mapping[str, Any] | None) -> SteerChat:
        """The chat after a turn. Args: result: of the task; None keeps what was heard, as after a
        cancel, unless nothing was."""
        turn = self.live if result is None else Turn.from_json(result)
        kept = () if result is None and not self.steps else (turn,)
        return dataclasses.replace(
            self, turns=(*self.turns, *kept), task=None, saying="", known=0, steps=(), seconds=0.0
        )


def new_chat(base: SteerRequest, vector: SteeringVector) -> SteerChat:
    """A chat in which nothing has been said. Args: base: what is asked; vector: that steers."""
    return SteerChat(base, variants(base, vector), vector.units)


def ready_chat(chat: SteerChat | None, fresh: SteerChat) -> SteerChat | None:
    """The chat that a message goes on with.

    Args:
        chat: so far; None before the first message.
        fresh: one of the present choices, in which nothing has been said.

    Returns:
        The fresh one where the choices or the vector have changed; None while an answer is being
        written: the browser may send a message twice, where the first run of it was interrupted.
    """
    if chat is None:
        return fresh
    if chat.task is not None:
        return None
    return chat if chat.base == fresh.base else fresh


def _number(what: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as fault:
        raise SteeringError(
            f"{text.strip()[:40]!r} is no {what}.",
            expected="a number such as 1.5.",
            remedy="correct it.",
        ) from fault


def _whole(what: str, text: str) -> int:
    number = _number(what, text)
    if not number.is_integer():
        raise SteeringError(
            f"{text.strip()[:40]!r} is no {what}.", expected="a whole number.", remedy="correct it."
        )
    return int(number)
