"""A model that stays loaded from one turn of a chat to the next, and its answers."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from backend.models.load import load
from backend.models.memory import SPARE
from backend.models.resolve import resolve
from backend.settings import Settings
from backend.steering.answer import SpokenToken, Turn, VariantAnswer
from backend.steering.chats import Chat, encode_chat
from backend.steering.hooks import Readout, steerable
from backend.steering.request import SteerRequest, variants, vector_asked_of
from backend.steering.speaking import Speaker, TokenStep
from backend.steering.vectors import SteeringVector
from backend.types import Progress

# A model that nobody has talked to for so long is let go.
IDLE_SECONDS = 600.0
# Of each variant the token of one step, None where its answer has ended.
Tokens = Sequence[SpokenToken | None]


class SteeringSession:
    """A loaded model and what it has read of the present chat.

    Args:
        settings: where models are kept.
        reference: preset, Hub id[@revision], local folder or .gguf file.
        device: as for an extraction.
        report: told what is being done.

    Raises:
        ModelError: the model cannot be found, loaded or reached.
    """

    def __init__(
        self, settings: Settings, reference: str, device: str, report: Callable[[Progress], None]
    ) -> None:
        resolved = resolve(reference, settings, lambda what, _: report(Progress(what)))
        report(Progress("loading the model"))
        loaded = load(resolved, device=device, need_chat_template=False)
        self._weights_hash = resolved.weights_hash
        self._loaded = loaded
        self._speaker = Speaker(steerable(loaded))

    def say(
        self, request: SteerRequest, vector: SteeringVector, told: Callable[[Tokens], None]
    ) -> Turn:
        """Answer one turn.

        Args:
            request: the chat so far.
            vector: that steers.
            told: called after every token; what it raises ends the answer and is passed on.

        Raises:
            SteeringError: the vector does not fit the model.
            ExtractionError: the chat cannot be read, or is too long with its answer.
        """
        found = variants(request, vector)
        answered = request.answered or ((),) * len(found)
        chats = [Chat(request.said, own, request.system) for own in answered]
        times: list[float] = []

        def step(tokens: TokenStep) -> None:
            times.append(time.monotonic())
            told(
                [None if one is None else _read(one.text, one.before, one.after) for one in tokens]
            )

        spoken = self._speaker.answer(
            [encode_chat(self._loaded, chat) for chat in chats],
            [variant.interventions for variant in found],
            [Readout(vector.layer, vector.vector)],
            most_tokens=request.most_tokens,
            temperature=request.temperature,
            seeds=[_seed(request)] * len(found),
            told=step,
        )
        seconds = times[-1] - times[0] if times else 0.0
        # The time of the first token is that of reading the chat.
        count = sum(len(one.tokens) for one in spoken) - sum(bool(one.tokens) for one in spoken)
        answers = tuple(
            VariantAnswer(
                name=variant.name,
                kind=variant.kind,
                strength=variant.strength,
                text=one.text,
                tokens=tuple(_read(t.text, t.before, t.after) for t in one.tokens),
                finished=one.finished,
                tokens_in=one.tokens_in,
                tokens_reused=one.tokens_reused,
                ids=one.ids,
            )
            for variant, one in zip(found, spoken, strict=True)
        )
        return Turn(
            said=request.said[-1],
            answers=answers,
            seconds=seconds,
            tokens_per_second=count / seconds if seconds > 0 and count else None,
            notes=self._notes(vector),
        )

    def _notes(self, vector: SteeringVector) -> tuple[str, ...]:
        if vector.weights_hash in (None, self._weights_hash):
            return ()
        return (
            "The model found now has other weights than the run that the vector is from: the "
            "vector and its units may not fit it.",
        )


class _Holder:
    """The one model that this process holds for chats."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: tuple[tuple[str, str], SteeringSession] | None = None
        self._idle: threading.Timer | None = None

    @contextmanager
    def session(
        self,
        settings: Settings,
        reference: str,
        device: str,
        report: Callable[[Progress], None],
    ) -> Iterator[SteeringSession]:
        """The model, loaded unless it is the one that is held; for one chat at a time."""
        with self._lock:
            if self._idle is not None:
                self._idle.cancel()
            if self._held is not None and self._held[0] != (reference, device):
                # Before the next is loaded: both may not fit.
                self._held = None
            if self._held is None:
                made = SteeringSession(settings, reference, device, report)
                self._held = ((reference, device), made)
            try:
                yield self._held[1]
            finally:
                self._idle = threading.Timer(IDLE_SECONDS, self.let_go)
                self._idle.daemon = True
                self._idle.start()

    def let_go(self) -> None:
        """Let go of the model, unless it is answering."""
        if self._lock.acquire(blocking=False):
            self._held = None
            if self._idle is not None:
                self._idle.cancel()
            self._lock.release()


HELD = _Holder()
SPARE.append(HELD.let_go)


def answer_turn(
    settings: Settings,
    request: SteerRequest,
    report: Callable[[Progress], None],
    told: Callable[[Tokens], None],
) -> Turn:
    """Answer one turn with the model that this process holds, which is loaded if it is another.

    Args:
        settings: where the store is.
        request: what is asked.
        report: told what is being done before the first token.
        told: called after every token; what it raises ends the answer and is passed on.

    Raises:
        SteerscopeError: see :func:`backend.steering.request.check_request` and
            :meth:`SteeringSession.say`.
    """
    vector = vector_asked_of(settings, request)
    with HELD.session(settings, vector.model, request.device, report) as session:
        report(Progress("reading the chat"))
        return session.say(request, vector, told)


def _read(text: str, before: tuple[float, ...], after: tuple[float, ...]) -> SpokenToken:
    return SpokenToken(text, before[0], after[0])


def _seed(request: SteerRequest) -> int:
    """Of the noise: the same in every variant, another in every turn."""
    turn = f"{request.seed}/{len(request.said)}"
    return int(hashlib.sha256(turn.encode()).hexdigest()[:15], 16)
