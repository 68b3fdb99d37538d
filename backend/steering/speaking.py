"""A steered model that answers chats side by side, token by token, and keeps what it has read.

Rows of a batch are variants of one chat: plain, several strengths, a control. Generation is that of
transformers; what is added are the hooks, a look at each token, and a prefix that stays from one
turn to the next. Each row of the kept prefix ends at another place, so slots that a row does not
need any more are masked, and what is new is padded on the left; positions are counted over what is
not masked. Where any layer of the model sees less than all tokens before it, nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers.decoders import DecodeStream
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers.cache_utils import DynamicLayer

from backend.models.generate import Draw, check_room, ending_tokens
from backend.models.load import LoadedModel
from backend.steering.chats import EncodedChat
from backend.steering.hooks import (
    GENERATED,
    PADDING,
    PROMPT,
    Hooks,
    Readout,
    SteerableModel,
    steered,
)
from backend.steering.interventions import Intervention

# A kept prefix that is larger than this is let go.
KEPT_BYTES = 2**30


@dataclass(frozen=True)
class Token:
    """A token of an answer.

    Attributes:
        text: what it adds to the text; empty while a character is not complete.
        before: its projection at each reading before the interventions, in units of activations.
        after: after them.
    """

    text: str
    before: tuple[float, ...]
    after: tuple[float, ...]


@dataclass(frozen=True)
class Spoken:
    """An answer.

    Attributes:
        text: without special tokens.
        tokens: of the answer, the one that ends it left out.
        ids: their numbers.
        finished: whether the model ended it, and not the limit.
        tokens_in: of the chat with its template.
        tokens_reused: of these, how many were read in an earlier turn.
    """

    text: str
    tokens: tuple[Token, ...]
    ids: tuple[int, ...]
    finished: bool
    tokens_in: int
    tokens_reused: int


# What one step of generation added: a token of each row, None where its answer has ended.
TokenStep = tuple[Token | None, ...]
# A slot of the kept prefix: token, and whether it belongs to an answer; None where it is masked.
_Slot = tuple[int, bool] | None


@dataclass(frozen=True, eq=False)
class _Kept:
    """What was read in an earlier turn.

    Attributes:
        rows: digests of each row's interventions: under others it would be another prefix.
        cache: of transformers.
        slots: of each row, as many as the cache has.
    """

    rows: tuple[tuple[str, ...], ...]
    cache: Any
    slots: tuple[tuple[_Slot, ...], ...]


class Speaker:
    """Answers chats with a steered model; not for several threads at once.

    Args:
        model: from :func:`backend.steering.hooks.steerable`.
        keep: whether what was read stays for the next turn. Answers are the same, up to rounding.
    """

    def __init__(self, model: SteerableModel, *, keep: bool = True) -> None:
        self._model = model
        self._keep = keep
        self._kept: _Kept | None = None
        self._may_have_gaps: bool | None = None

    def forget(self) -> None:
        """Let go of what was read."""
        self._kept = None

    def answer(
        self,
        chats: Sequence[EncodedChat],
        rows: Sequence[Sequence[Intervention]],
        readings: Sequence[Readout] = (),
        *,
        most_tokens: int,
        temperature: float,
        seeds: Sequence[int],
        told: Callable[[TokenStep], None] = lambda _: None,
    ) -> tuple[Spoken, ...]:
        """The answers to chats, as one batch.

        Args:
            chats: one a row.
            rows: the interventions of each row; () for none.
            readings: where projections of every token are recorded.
            most_tokens: longest answer.
            temperature: 0 takes the likeliest token each time.
            seeds: one a row; rows of one seed draw with the same noise.
            told: called after every token with what it added; what it raises ends the answer at
                once and is passed on.

        Raises:
            SteeringError: an intervention does not fit the model.
            TextTooLong: a chat with its answer exceeds the positions of the model.
        """
        loaded = self._model.loaded
        # One token more than is shown, so that the last that is shown is read too.
        check_room(loaded, max(len(chat.ids) for chat in chats), most_tokens + 1)
        digests = tuple(tuple(one.digest for one in row) for row in rows)
        begin = self._begin(chats, digests)
        # If this is ended within an answer, the cache holds what nobody has noted.
        self._kept = None
        ends = ending_tokens(loaded)
        with steered(self._model, rows, readings) as hooks:
            watch = _Watch(loaded, hooks, ends, most_tokens, len(chats), told)
            hooks.expect(begin.kinds)
            processors: list[LogitsProcessor] = [watch]
            if temperature > 0:
                processors.append(Draw(seeds, temperature))
            made = _generate(loaded, begin, most_tokens + 1, processors)
        width = len(begin.slots[0])
        answers = []
        for place, row in enumerate(made.sequences[:, width:].tolist()):
            stop = next((at for at, token in enumerate(row) if token in ends), None)
            own = tuple(row[: most_tokens if stop is None else min(stop, most_tokens)])
            answers.append(
                Spoken(
                    text=loaded.tokenizer.decode(own, skip_special_tokens=True),
                    tokens=watch.tokens(place)[: len(own)],
                    ids=own,
                    finished=stop is not None,
                    tokens_in=len(chats[place].ids),
                    tokens_reused=begin.reused[place],
                )
            )
        self._keep_prefix(digests, made.past_key_values, begin, answers)
        return tuple(answers)

    def _begin(self, chats: Sequence[EncodedChat], digests: tuple[tuple[str, ...], ...]) -> _Begin:
        kept = self._kept
        if kept is not None and kept.rows == digests:
            begin = _continued(chats, kept)
            positions = self._model.loaded.max_positions
            fits = positions is None or len(begin.slots[0]) <= positions
            if fits and self._gaps_are_harmless():
                return begin
        return _anew(chats)

    def _keep_prefix(
        self,
        digests: tuple[tuple[str, ...], ...],
        cache: Any,
        begin: _Begin,
        answers: Sequence[Spoken],
    ) -> None:
        if not self._keep or not _attends_fully(cache) or _size(cache) > KEPT_BYTES:
            return
        length = int(cache.get_seq_length())
        slots = []
        for own, answer in zip(begin.slots, answers, strict=True):
            row: list[_Slot] = [*own, *((token, True) for token in answer.ids)]
            slots.append(tuple((row + [None] * length)[:length]))
        self._kept = _Kept(digests, cache, tuple(slots))

    def _gaps_are_harmless(self) -> bool:
        """Whether masked slots within a text change nothing: seen once, by running a few tokens."""
        if self._may_have_gaps is None:
            loaded = self._model.loaded
            chats = [
                EncodedChat(tuple(row), (False,) * len(row))
                for row in self._model.blocks.ids.tolist()
            ]
            whole = _anew(chats)
            short = _anew([EncodedChat(chat.ids[:8], chat.written[:8]) for chat in chats])
            first = _generate(loaded, short, 1, [])
            slots = tuple((*row[:6], None, None) for row in short.slots)
            kept = _Kept((), first.past_key_values, slots)
            one = _generate(loaded, whole, 1, []).logits[0].double()
            other = _generate(loaded, _continued(chats, kept), 1, []).logits[0].double()
            apart = float((one - other).norm() / one.norm().clamp_min(1e-30))
            allowed = torch.finfo(next(loaded.model.parameters()).dtype).eps ** 0.5
            self._may_have_gaps = apart <= allowed
        return self._may_have_gaps


@dataclass(frozen=True)
class _Begin:
    """What an answer begins with.

    Attributes:
        slots: of each row, all of one length: what the cache holds, and what is new.
        kinds: of what is new, as :meth:`Hooks.expect` takes them.
        reused: tokens of each row that the cache holds.
        cache: of an earlier turn; None to read all anew.
    """

    slots: tuple[tuple[_Slot, ...], ...]
    kinds: torch.Tensor
    reused: tuple[int, ...]
    cache: Any


def _anew(chats: Sequence[EncodedChat]) -> _Begin:
    return _continued(chats, _Kept((), None, ((),) * len(chats)))


def _continued(chats: Sequence[EncodedChat], kept: _Kept) -> _Begin:
    """What is kept as far as each chat begins with it, and the rest of the chat."""
    held, new, reused = [], [], []
    for chat, slots in zip(chats, kept.slots, strict=True):
        tokens = list(zip(chat.ids, chat.written, strict=True))
        common, row = 0, []
        same = True
        for slot in slots:
            if slot is not None:
                # At least the last token is read anew: its logits choose the first of the answer.
                same = same and common < len(tokens) - 1 and slot == tokens[common]
            row.append(slot if same else None)
            common += slot is not None and same
        held.append(row)
        new.append(tokens[common:])
        reused.append(common)
    longest = max(map(len, new))
    padded: list[list[_Slot]] = [[None] * (longest - len(row)) + list(row) for row in new]
    kinds = [
        [PADDING if slot is None else GENERATED if slot[1] else PROMPT for slot in row]
        for row in padded
    ]
    return _Begin(
        slots=tuple((*first, *row) for first, row in zip(held, padded, strict=True)),
        kinds=torch.tensor(kinds, dtype=torch.int8),
        reused=tuple(reused),
        cache=kept.cache,
    )


def _generate(
    loaded: LoadedModel, begin: _Begin, most_tokens: int, processors: Sequence[LogitsProcessor]
) -> Any:
    """The library's answer to what an answer begins with."""
    ends = ending_tokens(loaded)
    padding = ends[0] if ends else 0
    ids = torch.tensor([[padding if s is None else s[0] for s in row] for row in begin.slots])
    mask = torch.tensor([[int(s is not None) for s in row] for row in begin.slots])
    with torch.inference_mode():
        return loaded.model.generate(
            input_ids=ids.to(loaded.device),
            attention_mask=mask.to(loaded.device),
            **({} if begin.cache is None else {"past_key_values": begin.cache}),
            logits_processor=LogitsProcessorList(processors),
            generation_config=GenerationConfig(
                # The likeliest token, of logits with noise where tokens are drawn.
                do_sample=False,
                max_new_tokens=most_tokens,
                eos_token_id=ends or None,
                pad_token_id=padding,
                repetition_penalty=1.0,
                return_dict_in_generate=True,
                output_logits=not processors,
            ),
        )


def _attends_fully(cache: Any) -> bool:
    """Whether every layer of a cache holds all tokens: no window, no state of a recurrence."""
    layers = getattr(cache, "layers", [])
    return len(layers) > 0 and all(type(layer) is DynamicLayer for layer in layers)


def _size(cache: Any) -> int:
    return sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)


class _Watch(LogitsProcessor):  # type: ignore[misc]
    """Sees every token when it has been read, with its projections.

    Args:
        loaded: the model.
        hooks: that read the projections.
        ends: tokens that end an answer.
        most_tokens: longest answer.
        rows: how many.
        told: called after every token.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        hooks: Hooks,
        ends: Sequence[int],
        most_tokens: int,
        rows: int,
        told: Callable[[TokenStep], None],
    ) -> None:
        self._tokenizer = loaded.tokenizer.backend_tokenizer
        self._hooks, self._ends, self._told = hooks, frozenset(ends), told
        self._left = most_tokens
        self._texts = [DecodeStream(skip_special_tokens=True) for _ in range(rows)]
        self._tokens: list[list[Token]] = [[] for _ in range(rows)]
        self._ended = [False] * rows
        self._read_prompt = False

    def tokens(self, row: int) -> tuple[Token, ...]:
        """The tokens of an answer that were read. Args: row: which."""
        return tuple(self._tokens[row])

    def __call__(self, input_ids: Any, scores: torch.Tensor) -> torch.Tensor:
        """Note what was read. Args: tokens so far; logits, which stay as they are."""
        if not self._read_prompt:
            self._read_prompt = True
            self._hooks.expect(None)
        elif self._left > 0:
            self._left -= 1
            step = self._step(input_ids[:, -1].tolist())
            if any(token is not None for token in step):
                self._told(step)
        return scores

    def _step(self, newest: Sequence[int]) -> TokenStep:
        reads = self._hooks.reads
        before = [read.before[:, -1].tolist() for read in reads]
        after = [read.after[:, -1].tolist() for read in reads]
        step: list[Token | None] = []
        for row, token in enumerate(newest):
            self._ended[row] = self._ended[row] or token in self._ends
            if self._ended[row]:
                step.append(None)
                continue
            text = self._texts[row].step(self._tokenizer, token) or ""
            found = Token(text, tuple(one[row] for one in before), tuple(one[row] for one in after))
            self._tokens[row].append(found)
            step.append(found)
        return tuple(step)
