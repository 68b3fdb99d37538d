"""The values that travel between the layers of Steerscope, frozen so none can drift.

Words are those of docs/glossary.md: study, trait, pole, run, layer, vector, projection, drift.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from backend.turns import ends_of

Pole = Literal["high", "low"]
# A name that backend.turns knows: t1, t2, ... or tN.
Turn = str
# A name that backend.poolings knows.
Pooling = str
Target = Literal["drift", "level", "none"]

POLES: tuple[Pole, Pole] = ("high", "low")
# What a study says of itself whose texts and scores were simulated.
SIMULATED_PROVENANCE = "Simulated: no model read these texts and no judge scored them."


@dataclass(frozen=True)
class Message:
    """One turn of the chat before a response. ``role`` is system, user or assistant."""

    role: str
    content: str


def chat_values(messages: Sequence[Message]) -> list[dict[str, str]]:
    """A chat as templates and files have it: role and content of each message."""
    return [{"role": one.role, "content": one.content} for one in messages]


@dataclass(frozen=True)
class Prompt:
    """A template prompt that shows one pole of one trait.

    Attributes:
        trait: the trait it shows.
        pole: which end of the trait.
        text: what the model reads, or with ``messages`` the answer that ends their chat.
        prompt_set: which set it belongs to, so that sets can be compared.
        pair: what a high and a low prompt have in common, such as the question that both answer;
            None where prompts do not come in pairs.
        messages: the chat before the text; empty where it is read as plain text.
    """

    trait: str
    pole: Pole
    text: str
    prompt_set: str = "default"
    # The same text is the same prompt, whatever it is paired with.
    pair: str | None = field(default=None, compare=False)
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Response:
    """One response of one responder in one scenario, with the judge's scores.

    Attributes:
        scenario: the scenario's id; all turns of one conversation share it.
        text: the response.
        turn: which turn of the conversation; None in a study without turns.
        responder: the model or person who wrote it.
        messages: the chat before the response; empty if there was none.
        scores: score per trait, the mean where it was scored several times; a trait that was
            not judged is absent.
        repeats: trait -> every score, in the order given, where there are several.
        group: what makes responses dependent, such as the question that several scenarios
            sample; None for the scenario itself.
    """

    scenario: str
    text: str
    turn: Turn | None = None
    responder: str = "unknown"
    messages: tuple[Message, ...] = ()
    scores: dict[str, float] = field(default_factory=dict)
    repeats: dict[str, tuple[float, ...]] = field(default_factory=dict)
    group: str | None = None

    @property
    def dependence(self) -> str:
        """Responses of one group, by default of one scenario, are dependent."""
        return self.scenario if self.group is None else self.group


@dataclass(frozen=True)
class Study:
    """Text and labels, without any activation.

    Attributes:
        name: short name, part of the file name.
        title: one line for people.
        description: a paragraph for people.
        licence: SPDX id or a sentence.
        provenance: who wrote and who scored it; shown wherever its numbers are.
        score_range: lowest and highest allowed score.
        traits: trait -> description (may be empty), in the order of first appearance.
        prompts: at least two per trait and pole.
        responses: may be empty (geometry only).
    """

    name: str
    title: str
    description: str
    licence: str
    provenance: str
    score_range: tuple[float, float]
    traits: dict[str, str]
    prompts: tuple[Prompt, ...]
    responses: tuple[Response, ...]

    @property
    def has_chats(self) -> bool:
        """Whether any text is read in a conversation."""
        return any(p.messages for p in self.prompts) or any(r.messages for r in self.responses)

    @property
    def target(self) -> Target:
        """What r is taken over: ``drift`` if any conversation has two turns or more, else
        ``level`` of the single responses, else ``none`` when there are no responses."""
        if not self.responses:
            return "none"
        found = turns_of(self.responses).values()
        return "drift" if any(ends_of(turns) for turns in found) else "level"


def turns_of(responses: Iterable[Response]) -> dict[tuple[str, str], set[Turn]]:
    """The turns of every conversation, which is a scenario and a responder; those without turns
    are left out.

    Args:
        responses: of a study.
    """
    found: dict[tuple[str, str], set[Turn]] = {}
    for response in responses:
        if response.turn is not None:
            found.setdefault((response.scenario, response.responder), set()).add(response.turn)
    return found


@dataclass(frozen=True)
class StudyRef:
    """A published study: its name, content hash (first 12 hex digits) and file key."""

    name: str
    content_hash: str

    @property
    def key(self) -> str:
        """``name@hash``, the file's stem."""
        return f"{self.name}@{self.content_hash}"


@dataclass(frozen=True)
class ExtractionRequest:
    """Everything a run depends on besides the study's content and the model's weights.

    Attributes:
        study: key ``name@hash`` of a published study.
        model: preset, Hub id[@revision], local folder or .gguf file.
        layers: wanted layers, ascending; 0 is the embedding output.
        pooling: which tokens make an activation, by a name of :mod:`backend.poolings`.
        batch_tokens: padded tokens per batch; 0 chooses by device.
        device: ``auto``, ``cpu``, ``cuda`` (the first GPU that holds the weights, or all together),
            ``cuda:1`` or ``mps``.
        dtype: ``auto`` (float32 on CPU and MPS, bfloat16 on CUDA), or one of float32,
            bfloat16, float16.
        derives: id of a published run whose derived tables are to be computed anew, from its
            stored activations; empty for an extraction.
        fresh: extract every text, also those whose activations a published run holds.
        engine: ``local`` (this process), ``ray`` (a cluster, which the settings name) or ``vllm``
            (vLLM, in an environment of its own).
        workers: of the engine ray; 0 for as many as its cluster has room for.
        worker_cpus: CPUs that each of them asks for, and threads it uses on a CPU.
        tensor_parallel: of the engine vllm; how many devices share each layer.
        pipeline_parallel: likewise; how many groups of devices have some of the layers each.
    """

    study: str
    model: str
    layers: tuple[int, ...]
    pooling: Pooling = "mean"
    batch_tokens: int = 0
    device: str = "auto"
    dtype: str = "auto"
    derives: str = ""
    fresh: bool = False
    engine: str = "local"
    workers: int = 0
    worker_cpus: int = 1
    tensor_parallel: int = 1
    pipeline_parallel: int = 1


@dataclass(frozen=True)
class ReadToken:
    """One token that a model reads of a text.

    Attributes:
        text: what the token stands for, white space included.
        pooled: whether its activation is pooled.
    """

    text: str
    pooled: bool


@dataclass(frozen=True)
class PromptTokens:
    """What is kept of the tokens of a prompt, to compare the poles of its trait.

    Attributes:
        ids: its own tokens, without special ones.
        last: the last token that is pooled.
        last_text: what that token stands for.
    """

    ids: tuple[int, ...]
    last: int
    last_text: str


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        stage: what is being done, in words.
        done: texts finished.
        total: texts in all (0 while unknown).
        batches_done: batches committed.
        batches_total: batches in all (0 while unknown).
        texts_per_second: over the batches of this session (0 while unknown).
        tokens_per_second: likewise, real tokens, padding not counted.
        seconds_left: estimate from the tokens that remain; None while unknown.
    """

    stage: str
    done: int = 0
    total: int = 0
    batches_done: int = 0
    batches_total: int = 0
    texts_per_second: float = 0.0
    tokens_per_second: float = 0.0
    seconds_left: float | None = None
