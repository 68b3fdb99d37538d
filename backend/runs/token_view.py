"""The texts of a run token by token along its vectors: computed when asked, and kept in no run."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from backend.core.arrays import Bools, Floats
from backend.errors import StoreError, read_back
from backend.runs.directions import DirectionKey, Directions, directions
from backend.runs.imported_vectors import named_vectors
from backend.runs.model_of_run import another_model, check_answers, model_of_run
from backend.settings import Settings
from backend.store.run import Run, open_run
from backend.store.run_record import RunRecord
from backend.types import Pooling, Progress, Response, Turn

# Numbers of one result, of which the queue keeps some: about 1 MB as JSON.
MOST_NUMBERS = 100_000
MOST_VECTORS = 2
# Of a number in a result: as many as float32 has.
_DIGITS = 7
# Processor time of the tokenizer, for the texts of one conversation.
_CPU_SECONDS = 30


@dataclass(frozen=True)
class TokenRequest:
    """Which texts of a run, along which vectors.

    Attributes:
        run_id: a published run.
        prompt_set: of the vectors of methods.
        keys: one or two vectors.
        layers: of the run, ascending.
        responses: ids of the responses, in the order of their turns.
        asked_of: :func:`backend.runs.directions.identity_of` of these vectors when it was asked;
            empty to take them as they are when it is answered.
    """

    run_id: str
    prompt_set: str
    keys: tuple[DirectionKey, ...]
    layers: tuple[int, ...]
    responses: tuple[int, ...]
    asked_of: str = ""

    def to_values(self) -> dict[str, Any]:
        """As plain JSON."""
        return dataclasses.asdict(self) | {
            "keys": [key.to_values() for key in self.keys],
            "layers": list(self.layers),
            "responses": list(self.responses),
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> TokenRequest:
        """From what :meth:`to_values` gave.

        Raises:
            JobError: it is something else.
        """
        with read_back("for tokens"):
            return cls(
                run_id=str(values["run_id"]),
                prompt_set=str(values["prompt_set"]),
                keys=tuple(DirectionKey.from_values(key) for key in values["keys"]),
                layers=tuple(int(layer) for layer in values["layers"]),
                responses=tuple(int(number) for number in values["responses"]),
                asked_of=str(values["asked_of"]),
            )


@dataclass(frozen=True, eq=False)
class TokenText:
    """A response as the model reads it, token by token.

    Attributes:
        response_id: its number in the study.
        scenario: what it responds to.
        responder: who responded.
        turn: which turn; None in a study without turns.
        begins: place of the first token that the turn before has not shown: 0 for the first turn.
        tokens: what each token stands for, [tokens].
        own: which are the response's, and not of the chat or the template around it, [tokens].
        special: which are special tokens, [tokens].
        pooled: which the run pools, [tokens].
        values: projections, [vectors, layers, tokens], activation units; NaN where there is no
            vector.
        norms: length of the residual stream, [layers, tokens], activation units.
        stored: projection of the activation that the run holds, [vectors, layers].
    """

    response_id: int
    scenario: str
    responder: str
    turn: Turn | None
    begins: int
    tokens: tuple[str, ...]
    own: Bools
    special: Bools
    pooled: Bools
    values: Floats
    norms: Floats
    stored: Floats

    @property
    def projections(self) -> Floats:
        """Pooled projection, [vectors, layers]: the mean over the pooled tokens."""
        found: Floats = self.values[:, :, self.pooled].mean(axis=2)
        return found


@dataclass(frozen=True, eq=False)
class TokenView:
    """Some texts of a run along some vectors.

    Attributes:
        request: what was asked.
        pooling: of the run.
        texts: in the order of the request.
        responses: how many responses the run has.
        means: mean of the pooled projection over all of these, [vectors, layers].
        deviations: standard deviation of the same, n - 1, [vectors, layers]; NaN below two.
        reasons: (place of the vector, layer) -> why it has none there.
        device: that read the texts.
        dtype: number type of the weights.
        seconds: for reading and projecting, without loading the model.
    """

    request: TokenRequest
    pooling: Pooling
    texts: tuple[TokenText, ...]
    responses: int
    means: Floats
    deviations: Floats
    reasons: Mapping[tuple[int, int], str]
    device: str
    dtype: str
    seconds: float

    @property
    def differences(self) -> Floats:
        """Pooled projection here less that of the activation that the run holds, over the larger
        of the run's deviation and its size, [texts, vectors, layers]: 0 up to rounding."""
        now = np.stack([text.projections for text in self.texts])
        stored = np.stack([text.stored for text in self.texts])
        size = np.fmax(np.nan_to_num(self.deviations), np.abs(stored))
        found: Floats = np.abs(now - stored) / np.where(size > 0, size, 1.0)
        return found

    def to_values(self) -> dict[str, Any]:
        """As plain JSON; an undefined number is None."""
        return {
            "request": self.request.to_values(),
            "pooling": self.pooling,
            "texts": [_text_values(text) for text in self.texts],
            "responses": self.responses,
            "means": _plain(self.means),
            "deviations": _plain(self.deviations),
            "reasons": [[place, layer, why] for (place, layer), why in self.reasons.items()],
            "device": self.device,
            "dtype": self.dtype,
            "seconds": self.seconds,
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> TokenView:
        """From what :meth:`to_values` gave."""
        return cls(
            request=TokenRequest.from_values(values["request"]),
            pooling=values["pooling"],
            texts=tuple(_text_of(text) for text in values["texts"]),
            responses=values["responses"],
            means=np.array(values["means"], np.float64),
            deviations=np.array(values["deviations"], np.float64),
            reasons={(place, layer): why for place, layer, why in values["reasons"]},
            device=values["device"],
            dtype=values["dtype"],
            seconds=values["seconds"],
        )


def check_request(settings: Settings, request: TokenRequest) -> None:
    """Refuse what cannot be answered, without the model.

    Raises:
        StoreError: the run was read by no model, or lacks a layer, a response or all vectors.
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    with open_run(settings, request.run_id) as run:
        _checked(settings, run, request)


def token_view(
    settings: Settings,
    request: TokenRequest,
    report: Callable[[Progress], object] = lambda _: None,
) -> TokenView:
    """Have the model of a run read some of its responses again, and project every token.

    Each response is encoded as the run encoded it, and read by itself.

    Args:
        settings: where runs and models are.
        request: which.
        report: told what is being done; what it raises ends the work.

    Raises:
        StoreError: as :func:`check_request`; or the model is another than when the run was made;
            or there would be more than MOST_NUMBERS numbers.
        ModelError: the model is not on this machine, or cannot be loaded.
        ExtractionError: a text cannot be encoded or read.
    """
    # Imported here: only this needs torch and transformers, which take seconds.
    from backend.extraction.apart import apart
    from backend.extraction.spans import (
        check_lengths,
        encode_response,
        response_name,
        special_tokens,
    )
    from backend.extraction.token_projections import project_tokens
    from backend.extraction.tokens import token_texts
    from backend.models.load import load

    with open_run(settings, request.run_id) as run:
        vectors = _checked(settings, run, request)
        responses = _responses(run, request.responses)
        record, chats = run.record, any(response.messages for response in responses)
        report(Progress("reading the run's activations"))
        means, deviations, stored = _of_all(run, vectors, request.responses)
        count = run.text_counts[1]
    resolved = model_of_run(settings, record, report)
    report(Progress("loading the model"))
    loaded = load(resolved, dtype=record.dtype, need_chat_template=chats)
    _check_same(record, loaded.tokenizer_hash, loaded.chat_template_hash or "")
    report(Progress("tokenising"))

    def encode() -> list[tuple[Any, tuple[str, ...]]]:
        encoded = [encode_response(loaded.tokenizer, response) for response in responses]
        return [(one, token_texts(loaded.tokenizer, one.ids)) for one in encoded]

    waiting = partial(report, Progress("tokenising"))
    read = apart(encode, record.model, waiting, cpu_seconds=_CPU_SECONDS)
    encoded = [one for one, _ in read]
    check_lengths(encoded, [response_name(one) for one in responses], loaded.max_positions)
    _check_size(request, sum(len(one.ids) for one in encoded))
    begun = time.monotonic()

    def told(done: int) -> None:
        report(Progress("reading token by token", done, len(encoded)))

    projected = project_tokens(loaded, encoded, request.layers, vectors.units, told)
    special = special_tokens(loaded.tokenizer)
    begins = _begins([one.ids for one in encoded], [one.wanted for one in encoded])
    texts = tuple(
        TokenText(
            response_id=number,
            scenario=response.scenario,
            responder=response.responder,
            turn=response.turn,
            begins=first,
            tokens=spelled,
            own=np.array(one.wanted),
            special=np.array([token in special for token in one.ids]),
            pooled=np.array(one.pooled(record.pooling)),
            values=found.values,
            norms=found.norms,
            stored=stored[:, :, place],
        )
        for place, (number, response, first, (one, spelled), found) in enumerate(
            zip(request.responses, responses, begins, read, projected, strict=True)
        )
    )
    return TokenView(
        request=request,
        pooling=record.pooling,
        texts=texts,
        responses=count,
        means=means,
        deviations=deviations,
        reasons=vectors.reasons,
        device=loaded.runs_on,
        dtype=loaded.dtype,
        seconds=time.monotonic() - begun,
    )


def _check_same(record: RunRecord, tokenizer_hash: str, template_hash: str) -> None:
    if tokenizer_hash != record.tokenizer_hash:
        raise another_model(record, "another tokenizer")
    if template_hash != record.chat_template_hash:
        raise another_model(record, "another chat template")


def _checked(settings: Settings, run: Run, request: TokenRequest) -> Directions:
    """The vectors of a request that can be answered."""
    check_answers(run, request.layers)
    if not 1 <= len(request.keys) <= MOST_VECTORS:
        raise StoreError(
            f"{len(request.keys)} vectors were named.",
            expected=f"one to {MOST_VECTORS}.",
            remedy="name fewer, or one.",
        )
    _responses(run, request.responses)
    named = named_vectors(settings)
    found = directions(run, named, request.keys, request.prompt_set, request.layers)
    found.check_some()
    found.check_identity(request.run_id, request.asked_of)
    return found


def _responses(run: Run, numbers: Sequence[int]) -> list[Response]:
    """Some responses of a run, in the order of their numbers."""
    places = {place.response_id: place for place in run.response_places}
    stored = {response.response_id: response for response in run.responses(numbers)}
    missing = [str(number) for number in numbers if number not in stored]
    if missing or not numbers:
        raise StoreError(
            f"The run has no response {', '.join(missing) or 'of this choice'}.",
            expected=f"numbers from 0 to {len(places) - 1}." if places else "a run with responses.",
            remedy="choose a response of the run.",
        )
    return [
        Response(
            scenario=places[number].scenario,
            text=stored[number].text,
            turn=places[number].turn,
            responder=places[number].responder,
            messages=stored[number].messages,
        )
        for number in numbers
    ]


def _of_all(run: Run, vectors: Directions, numbers: Sequence[int]) -> tuple[Floats, Floats, Floats]:
    """Mean and deviation over all responses of the pooled projection, [vectors, layers], and that
    of some, [vectors, layers, texts]."""
    columns = []
    for place, layer in enumerate(vectors.layers):
        parts = [part @ vectors.units[:, place].T for part in run.response_chunks(layer)]
        columns.append(np.concatenate(parts).T)
    every = np.stack(columns, axis=1)
    if every.shape[2] > 1:
        deviations = every.std(axis=2, ddof=1)
    else:
        deviations = np.full(every.shape[:2], np.nan)
    return every.mean(axis=2), deviations, every[:, :, list(numbers)]


def _check_size(request: TokenRequest, tokens: int) -> None:
    numbers = tokens * len(request.layers) * (len(request.keys) + 1)
    if numbers > MOST_NUMBERS:
        fewer = MOST_NUMBERS // (tokens * (len(request.keys) + 1))
        raise StoreError(
            f"{tokens:,} tokens at {len(request.layers)} layers are {numbers:,} numbers.",
            expected=f"at most {MOST_NUMBERS:,}.",
            remedy=f"choose at most {fewer} layers." if fewer else "choose a single response.",
        )


def _begins(ids: Sequence[Sequence[int]], own: Sequence[Sequence[bool]]) -> list[int]:
    """Per text, place of its first token that the text before it does not have.

    A later turn repeats the chat so far. A model sees only what is before, so the tokens up to the
    end of the earlier response are the same there, and have the same projections.
    """
    found = [0]
    for place in range(1, len(ids)):
        end = max(at for at, one in enumerate(own[place - 1]) if one) + 1
        same = list(ids[place][:end]) == list(ids[place - 1][:end])
        found.append(end if same else 0)
    return found


def _text_values(text: TokenText) -> dict[str, Any]:
    return {
        "response_id": text.response_id,
        "scenario": text.scenario,
        "responder": text.responder,
        "turn": text.turn,
        "begins": text.begins,
        "tokens": list(text.tokens),
        "own": text.own.astype(int).tolist(),
        "special": text.special.astype(int).tolist(),
        "pooled": text.pooled.astype(int).tolist(),
        "values": _plain(text.values),
        "norms": _plain(text.norms),
        "projections": _plain(text.projections),
        "stored": _plain(text.stored),
    }


def _text_of(values: Mapping[str, Any]) -> TokenText:
    return TokenText(
        response_id=values["response_id"],
        scenario=values["scenario"],
        responder=values["responder"],
        turn=values["turn"],
        begins=values["begins"],
        tokens=tuple(values["tokens"]),
        own=np.array(values["own"], bool),
        special=np.array(values["special"], bool),
        pooled=np.array(values["pooled"], bool),
        values=np.array(values["values"], np.float64),
        norms=np.array(values["norms"], np.float64),
        stored=np.array(values["stored"], np.float64),
    )


def _plain(values: Floats) -> Any:
    """Nested lists of numbers with as many digits as float32 has; None for NaN."""
    if values.ndim > 1:
        return [_plain(part) for part in values]
    return [None if math.isnan(one) else float(f"{one:.{_DIGITS}g}") for one in values.tolist()]
