"""What is asked of a steered model, and the variants of a chat that come of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from backend.core.arrays import Floats
from backend.errors import SteeringError, read_back
from backend.settings import Settings
from backend.steering.interventions import Intervention, Mode, Where, random_like
from backend.steering.units import UNITS, Unit
from backend.steering.vectors import SteeringVector, VectorSource, find_vector

PLAIN = "plain"
# Rows of one batch share a forward pass; more would not fit side by side on a screen either.
MOST_STRENGTHS = 6
MOST_TOKENS = 2000
MOST_CHARACTERS = 50_000
AnswerKind = Literal["plain", "steered", "random"]


@dataclass(frozen=True)
class SteerRequest:
    """One turn of a chat with a steered model, side by side in several variants.

    Attributes:
        source: which vector.
        said: by the user, at least one; the last is not yet answered.
        answered: of each variant, its answers so far, in the order of :func:`variants`; () at the
            first turn.
        system: the system prompt; empty for none.
        mode: of :data:`backend.steering.interventions.MODES`.
        where: at which tokens.
        strengths: one variant each; not for cap.
        unit: of the strengths of modes that add; ablate takes shares.
        low: least allowed projection of cap, in units of activations; None for no limit.
        high: greatest, likewise.
        control: whether a random direction of equal length is beside them.
        control_seed: of that direction.
        temperature: 0 takes the likeliest token each time.
        seed: of the noise, the same in every variant.
        most_tokens: longest answer.
        device: as for an extraction.
        asked_of: digest of the vector when it was asked; empty for whichever the source names when
            it is answered, though the run was derived again since.
    """

    source: VectorSource
    said: tuple[str, ...]
    answered: tuple[tuple[str, ...], ...] = ()
    system: str = ""
    mode: Mode = "add"
    where: Where = "both"
    strengths: tuple[float, ...] = (1.0,)
    unit: Unit = "poles"
    low: float | None = None
    high: float | None = None
    control: bool = True
    control_seed: int = 0
    temperature: float = 0.0
    seed: int = 0
    most_tokens: int = 100
    device: str = "auto"
    asked_of: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return dataclasses.asdict(self) | {
            "said": list(self.said),
            "answered": [list(one) for one in self.answered],
            "strengths": list(self.strengths),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SteerRequest:
        """Read back what :meth:`to_json` wrote.

        Raises:
            JobError: it is of another form.
        """
        with read_back("to steer"):
            return cls(
                **dict(values)
                | {
                    "source": VectorSource(**values["source"]),
                    "said": tuple(values["said"]),
                    "answered": tuple(tuple(one) for one in values["answered"]),
                    "strengths": tuple(float(one) for one in values["strengths"]),
                }
            )


@dataclass(frozen=True, eq=False)
class Variant:
    """One way to continue the chat.

    Attributes:
        name: for people.
        kind: plain, steered or random.
        strength: in the request's unit; None where there is none.
        interventions: on the residual stream.
    """

    name: str
    kind: AnswerKind
    strength: float | None
    interventions: tuple[Intervention, ...]


def variants(request: SteerRequest, vector: SteeringVector) -> tuple[Variant, ...]:
    """The variants of a request: plain, its strengths, and the control at the largest of them.

    Args:
        request: what is asked.
        vector: that steers.

    Raises:
        SteeringError: the strengths cannot be meant, or their unit is undefined for the vector.
    """
    _check_numbers(request)
    found = [Variant(PLAIN, "plain", None, ())]
    drawn = random_like(vector.vector, request.control_seed)
    if request.mode == "cap":
        found.append(Variant("capped", "steered", None, (_one(request, vector, vector.vector),)))
        if request.control:
            found.append(Variant("random", "random", None, (_one(request, vector, drawn),)))
        return tuple(found)
    for strength in request.strengths:
        one = _one(request, vector, vector.vector, strength)
        found.append(Variant(f"{strength:+g}", "steered", strength, (one,)))
    if request.control:
        largest = max(request.strengths, key=abs)
        one = _one(request, vector, drawn, largest)
        found.append(Variant(f"random {largest:+g}", "random", largest, (one,)))
    return tuple(found)


def vector_asked_of(settings: Settings, request: SteerRequest) -> SteeringVector:
    """The vector of a request.

    Args:
        settings: where the store is.
        request: what is asked.

    Raises:
        SteeringError: it names no vector or model, or the vector is another than when it was asked.
        RunNotFound, StoreError, UnreadableFile: the run or vector cannot be read.
    """
    vector = find_vector(settings, request.source)
    if request.asked_of not in ("", vector.digest):
        raise SteeringError(
            f"The vector ({vector.title}) is not the one that this was asked of: it was derived "
            "again or replaced since.",
            expected="the vector as it was when the message was sent.",
            remedy="send the message again.",
        )
    return vector


def check_request(settings: Settings, request: SteerRequest) -> None:
    """Refuse a request that cannot be answered, before a model is loaded.

    Args:
        settings: where the store is.
        request: what is asked.

    Raises:
        SteeringError: as :func:`vector_asked_of`, or its numbers or texts cannot be meant.
        RunNotFound, StoreError, UnreadableFile: the run or vector cannot be read.
    """
    found = variants(request, vector_asked_of(settings, request))
    texts = [request.system, *request.said, *(text for own in request.answered for text in own)]
    turns = len(request.said) - 1
    answered = request.answered or ((),) * len(found)
    if turns < 0 or len(answered) != len(found) or any(len(own) != turns for own in answered):
        raise SteeringError(
            f"{len(request.said)} messages and answers of {len(answered)} variants to some of them "
            "are no chat.",
            expected=f"an answer of each of the {len(found)} variants to every message but the "
            "last.",
            remedy="begin the chat again.",
        )
    if not request.said[-1]:
        raise SteeringError(
            "The last message is empty.",
            expected="something to answer.",
            remedy="write a message.",
        )
    if sum(map(len, texts)) > MOST_CHARACTERS:
        raise SteeringError(
            f"The chat has {sum(map(len, texts)):,} characters.",
            expected=f"at most {MOST_CHARACTERS:,} characters in all.",
            remedy="write a shorter message, or begin a new chat.",
        )


def _check_numbers(request: SteerRequest) -> None:
    strengths = request.strengths
    if request.mode != "cap" and (
        not 0 < len(set(strengths)) == len(strengths) <= MOST_STRENGTHS
        or not all(map(math.isfinite, strengths))
    ):
        raise SteeringError(
            f"The strengths {', '.join(f'{one:g}' for one in strengths) or '(none)'} cannot be "
            "shown side by side.",
            expected=f"one to {MOST_STRENGTHS} different finite numbers.",
            remedy="change the strengths.",
        )
    for possible, what, expected in (
        (
            0 <= request.temperature <= 10,
            f"A temperature of {request.temperature:g}",
            "a number from 0 to 10.",
        ),
        (
            1 <= request.most_tokens <= MOST_TOKENS,
            f"An answer of at most {request.most_tokens:,} tokens",
            f"1 to {MOST_TOKENS:,} tokens.",
        ),
        (request.unit in UNITS, f"The unit {request.unit!r}", f"one of {', '.join(UNITS)}."),
        (0 <= request.seed < 2**62, f"The seed {request.seed}", "a number from 0 to 2^62 - 1."),
        (
            request.control_seed >= 0,
            f"The seed {request.control_seed} of the random direction",
            "a number from 0.",
        ),
    ):
        if not possible:
            raise SteeringError(f"{what} is not possible.", expected=expected, remedy="change it.")


def _one(
    request: SteerRequest, vector: SteeringVector, along: Floats, strength: float = 1.0
) -> Intervention:
    adds = request.mode in ("add", "norm-add")
    return Intervention(
        layer=vector.layer,
        vector=along,
        mode=request.mode,
        strength=vector.units.multiples(strength, request.unit) if adds else strength,
        low=request.low,
        high=request.high,
        where=request.where,
    )
