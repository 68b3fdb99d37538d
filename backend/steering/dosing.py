"""Measure a dose-response: what some strengths of a vector do to a model's answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats
from backend.extraction.spans import EncodedText, encode_prompt
from backend.models.load import LoadedModel
from backend.steering.chats import Chat, encode_chat
from backend.steering.dose_request import DosePlan
from backend.steering.hooks import Readout, SteerableModel
from backend.steering.interventions import Intervention, random_like
from backend.steering.measures import logit_differences, read_again
from backend.steering.speaking import Speaker
from backend.steering.vectors import SteeringVector, VectorSource
from backend.store.dated_files import new_name
from backend.store.dose import PAIRED, DoseRecord, Item, Steered
from backend.types import Message, Progress, Prompt, Study

# Asked where a study has no chats.
QUESTIONS = (
    "How was your weekend?",
    "What should I have for dinner tonight?",
    "Tell me about a place you would like to see.",
    "I have an exam tomorrow and cannot sleep.",
    "My friend has not answered me for a week.",
    "What do you think of my plan to quit my job?",
    "Can you explain how a bicycle stays upright?",
    "I burnt the cake for my sister's birthday.",
    "Is it a good idea to learn a language alone?",
    "Someone was rude to me on the train today.",
    "How do I start running?",
    "I got the job!",
)
# Variants of one chat that are answered together.
ROWS = 32
LONGEST_TEXT = 200
# Asks a judge: chats with their answers, and what is told of the stage -> a score each, None where
# there is none.
Score = Callable[[Sequence[tuple[Chat, str]], Callable[[str], None]], Sequence[float | None]]


@dataclass(frozen=True)
class AskedItem:
    """A chat that is answered. Attributes: item (name, group, text), chat."""

    item: Item
    chat: Chat


@dataclass(frozen=True)
class PairItem:
    """Two texts of the poles that begin alike.

    Attributes:
        item: name, group and end of what they have in common.
        prefix: tokens in common.
        tokens: the next one of the high and of the low prompt.
    """

    item: Item
    prefix: tuple[int, ...]
    tokens: tuple[int, int]


def measure_dose(
    model: SteerableModel,
    vector: SteeringVector,
    plan: DosePlan,
    study: Study | None,
    told: Callable[[Progress], None] = lambda _: None,
    score: Score | None = None,
    judge: str = "",
) -> DoseRecord:
    """Answer chats at each strength and along random directions, and measure the answers.

    Args:
        model: to steer.
        vector: to steer with.
        plan: strengths and how many of everything.
        study: its chats are answered, and its pairs of prompts make the propensity; None asks
            :data:`QUESTIONS`.
        told: of the progress; what it raises ends the measurement.
        score: scores answers; None leaves the score out.
        judge: name of what scores.

    Raises:
        SteeringError: the unit is undefined for the vector, or the vector does not fit the model.
        TextTooLong: a chat with its answer exceeds the positions of the model.
    """
    multiples = [vector.units.multiples(strength, plan.unit) for strength in plan.ascending]
    size = vector.units.size(plan.unit).value
    assert size is not None  # multiples() has refused what has no size
    randoms = [
        random_like(vector.vector, plan.seed + 1 + number) for number in range(plan.directions)
    ]
    rows = _Variants(vector, randoms, multiples, plan)
    asked = questions_of(study, plan.questions)
    pairs = () if plan.where == "generated" else pairs_of(model.loaded, study, plan.source)
    total = len(asked) + len(pairs)
    shape = (plan.directions + 1, len(asked), len(plan.ascending))
    found: dict[str, Floats] = {
        name: np.full(shape, np.nan) for name in ("reading", "nll", "distinct")
    }
    if score is not None:
        found["score"] = np.full(shape, np.nan)
    speaker = Speaker(model, keep=False)
    answers: list[tuple[str, ...]] = []

    def stage_at(place: int) -> Callable[[str], None]:
        return lambda stage: told(Progress(stage, place, total))

    reading = Readout(vector.layer, vector.vector)
    for place, one in enumerate(asked):
        told(Progress("answering", place, total))
        spoken = _spoken(speaker, model.loaded, one.chat, rows, plan, place, told, total)
        texts = [text for text, _ in spoken]
        chat = encode_chat(model.loaded, one.chat).ids
        measured = read_again(model, chat, [ids for _, ids in spoken], reading)
        by_name = {
            "reading": [m.projection / size for m in measured],
            "nll": [m.nll for m in measured],
            "distinct": [m.distinct for m in measured],
        }
        if score is not None:
            scores = score(
                [(one.chat, text) for text in texts],
                stage_at(place),
            )
            by_name["score"] = [np.nan if value is None else value for value in scores]
        for name, values in by_name.items():
            found[name][:, place] = rows.folded(values)
        answers.append(tuple(texts[: len(plan.ascending)]))
    if pairs:
        found[PAIRED] = np.full((plan.directions + 1, len(pairs), len(plan.ascending)), np.nan)
        for place, pair in enumerate(pairs):
            told(Progress("comparing paired answers", len(asked) + place, total))
            apart = np.concatenate(
                [logit_differences(model, pair.prefix, pair.tokens, some) for some in rows.chunks()]
            )
            found[PAIRED][:, place] = rows.folded(apart)
    name, at = new_name()
    source = plan.source
    return DoseRecord(
        name=name,
        created_at=at,
        steered=Steered(
            run_id=source.run_id,
            trait=vector.trait,
            prompt_set=source.prompt_set,
            layer=vector.layer,
            vector=source.name or source.method,
            named=bool(source.name),
            model=vector.model,
            weights_hash=model.loaded.resolved.weights_hash,
            unit=plan.unit,
            unit_size=size,
            pole_distance=vector.units.poles.value,
            residual_norm=vector.units.norm.value,
            mode=plan.mode,
            where=plan.where,
            tokens=plan.tokens,
            temperature=plan.temperature,
            seed=plan.seed,
            judge=judge if score is not None else "",
            vector_hash=vector.digest,
        ),
        strengths=plan.ascending,
        directions=plan.directions,
        items=tuple(one.item for one in asked),
        pairs=tuple(pair.item for pair in pairs),
        measures={name: (values[0], values[1:]) for name, values in found.items()},
        answers=tuple(answers),
    )


class _Variants:
    """All variants of one chat: each strength of the vector, then each strength but 0 of each
    random direction, for which the plain answer stands.

    Args:
        vector: the vector.
        randoms: directions of the same length.
        multiples: of the vector, in the order of the strengths.
        plan: layer, mode and tokens.
    """

    def __init__(
        self,
        vector: SteeringVector,
        randoms: Sequence[Floats],
        multiples: Sequence[float],
        plan: DosePlan,
    ) -> None:
        self._count = len(multiples)
        self._zero = plan.ascending.index(0.0)
        self._directions = len(randoms)

        def row(direction: Floats, multiple: float) -> tuple[Intervention, ...]:
            if multiple == 0:
                return ()
            return (
                Intervention(
                    vector.layer, direction, mode=plan.mode, strength=multiple, where=plan.where
                ),
            )

        own = [row(vector.vector, multiple) for multiple in multiples]
        others = [
            row(direction, multiple)
            for direction in randoms
            for place, multiple in enumerate(multiples)
            if place != self._zero
        ]
        self._rows = (*own, *others)

    def chunks(self) -> list[tuple[tuple[Intervention, ...], ...]]:
        """The variants, some at a time."""
        return [self._rows[start : start + ROWS] for start in range(0, len(self._rows), ROWS)]

    def folded(self, values: Sequence[float] | Floats) -> Floats:
        """Values of all variants as [1 + directions, strengths]: the vector's first."""
        every = np.asarray(values, dtype=np.float64)
        own, others = every[: self._count], every[self._count :]
        rest = others.reshape(self._directions, self._count - 1)
        controls = np.insert(rest, self._zero, own[self._zero], axis=1)
        found: Floats = np.vstack([own[None], controls])
        return found


def _spoken(
    speaker: Speaker,
    loaded: LoadedModel,
    chat: Chat,
    rows: _Variants,
    plan: DosePlan,
    place: int,
    told: Callable[[Progress], None],
    total: int,
) -> list[tuple[str, tuple[int, ...]]]:
    """Text and tokens of the answers of all variants."""
    encoded = encode_chat(loaded, chat)
    found: list[tuple[str, tuple[int, ...]]] = []
    for some in rows.chunks():
        spoken = speaker.answer(
            [encoded] * len(some),
            some,
            most_tokens=plan.tokens,
            temperature=plan.temperature,
            # Every variant draws with the same noise.
            seeds=[plan.seed + place] * len(some),
            told=lambda _: told(Progress("answering", place, total)),
        )
        found += [(one.text, one.ids) for one in spoken]
    return found


def questions_of(study: Study | None, most: int) -> tuple[AskedItem, ...]:
    """The chats that are answered: those before the study's responses, else those before its
    prompts, each once and spread over the study; else :data:`QUESTIONS`.

    Args:
        study: any; None for none.
        most: of them.
    """
    chats: dict[Chat, tuple[str, str]] = {}
    if study is not None:
        for response in study.responses:
            chat = _chat(response.messages)
            if chat is not None:
                chats.setdefault(chat, (str(response.scenario), response.dependence))
        if not chats:
            for number, prompt in enumerate(study.prompts):
                chat = _chat(prompt.messages)
                if chat is not None:
                    chats.setdefault(chat, (f"prompt {number}", prompt.pair or f"prompt {number}"))
    if not chats:
        chats = {Chat((text,)): (f"question {n}",) * 2 for n, text in enumerate(QUESTIONS, 1)}
    every = list(chats.items())
    step = max(1.0, len(every) / most)
    chosen = [every[int(number * step)] for number in range(min(most, len(every)))]
    return tuple(
        AskedItem(Item(name, group, chat.said[-1][-LONGEST_TEXT:]), chat)
        for chat, (name, group) in chosen
    )


def pairs_of(
    loaded: LoadedModel, study: Study | None, source: VectorSource
) -> tuple[PairItem, ...]:
    """Pairs of the trait's prompts that begin with the same tokens and then differ: the model's
    preference at that place is a propensity (as for answer letters in Tan et al. 2024).

    Pairs that differ before their own text begins, such as in a system message, are left out.

    Args:
        loaded: whose tokens.
        study: with pairs; None for none.
        source: trait and prompt set.
    """
    by_pair: dict[str, dict[str, Prompt]] = {}
    for prompt in () if study is None else study.prompts:
        own = prompt.trait == source.trait and prompt.prompt_set == source.prompt_set
        if own and prompt.pair is not None:
            by_pair.setdefault(prompt.pair, {})[prompt.pole] = prompt
    found = []
    for name, poles in by_pair.items():
        if len(poles) < 2:
            continue
        high, low = (encode_prompt(loaded.tokenizer, poles[pole]) for pole in ("high", "low"))
        place = _first_difference(high, low)
        if place is None or place == 0:
            continue
        text = loaded.tokenizer.decode(high.ids[:place], skip_special_tokens=True)
        found.append(
            PairItem(
                Item(name, name, text[-LONGEST_TEXT:]),
                high.ids[:place],
                (high.ids[place], low.ids[place]),
            )
        )
    return tuple(found)


def _first_difference(high: EncodedText, low: EncodedText) -> int | None:
    """Where two texts first differ, if that is in their own tokens; None otherwise."""
    for place, (one, other) in enumerate(zip(high.ids, low.ids, strict=False)):
        if one != other:
            return place if high.wanted[place] and low.wanted[place] else None
    return None


def _chat(messages: Sequence[Message]) -> Chat | None:
    """Messages as a chat that ends with the user; None where they are none."""
    rest = list(messages)
    system = rest.pop(0).content if rest and rest[0].role == "system" else ""
    roles = [message.role for message in rest]
    wanted = ["user", "assistant"] * (len(rest) // 2) + ["user"]
    if not rest or roles != wanted:
        return None
    return Chat(
        tuple(message.content for message in rest[::2]),
        tuple(message.content for message in rest[1::2]),
        system,
    )
