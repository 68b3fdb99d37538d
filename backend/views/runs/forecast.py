"""What an extraction will take, told before it is started and from what earlier ones took."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from backend.core.vectors.methods import METHODS
from backend.extraction.batches import read_together
from backend.extraction.engine import LOCAL, RAY, VLLM
from backend.extraction.local_engine import identity_of
from backend.models.identity import remembered_identity
from backend.models.memory import free_bytes
from backend.models.on_disk import HEADROOM, ModelSize, model_size
from backend.models.presets import PRESETS_BY_NAME
from backend.runs.derive import DERIVATION
from backend.runs.engines import SIMULATED_PREFIX
from backend.runs.reuse import Reuse, find_carried, find_reuse
from backend.settings import Settings
from backend.store.run_values import RunSummary
from backend.store.study import find_study, load_study
from backend.types import ExtractionRequest, Study

# Characters a token stands for: few in code or other scripts, many in plain English.
CHARACTERS = (3.0, 4.0, 5.0)
FLOAT_BYTES = 4
_EARLIER = "the earlier run, of which the rest is copied"
_DTYPE_BYTES = {"float32": (4, 4), "bfloat16": (2, 2), "float16": (2, 2)}


@dataclass(frozen=True)
class Range:
    """An amount between two bounds, and what it rests on.

    Attributes:
        low: lower bound; None where unknown.
        high: upper bound; None where unknown.
        basis: how it was found, or why it is unknown.
    """

    low: float | None
    high: float | None
    basis: str


@dataclass(frozen=True)
class ExtractionForecast:
    """What an extraction will take.

    Attributes:
        texts: prompts and responses; exact.
        reuse: which of them earlier runs hold; None where it cannot be told before the model has
            been read once on this machine.
        tokens: tokens of the texts that are left, chats before responses included.
        forward: seconds in forward passes, loading the model not included.
        derive: seconds for metrics, vectors and r after that.
        memory: bytes for weights and one batch.
        disk: bytes of the run's file.
        free_memory: bytes free on this machine; None where it cannot be told, or the model runs
            on another device or machine.
        free_disk: bytes free where runs are kept.
        faults: what will make the extraction fail, as far as it can be told.
    """

    texts: int
    reuse: Reuse | None
    tokens: Range
    forward: Range
    derive: Range
    memory: Range
    disk: Range
    free_memory: int | None
    free_disk: int
    faults: tuple[str, ...]


def forecast(
    settings: Settings, request: ExtractionRequest, runs: Sequence[RunSummary]
) -> ExtractionForecast:
    """What an extraction will take.

    Args:
        settings: where the store is.
        request: what would be extracted.
        runs: published runs to learn from; simulated and imported ones tell nothing.

    Raises:
        StudyNotFound, UnreadableFile: the study cannot be read.
        ModelNotFound: the reference names no model.
        ModelError: the model's files are damaged.
    """
    study = load_study(settings, find_study(settings, request.study))
    real = [run for run in runs if run.has_model]
    own = [run for run in real if run.record.model == request.model]
    size = model_size(request.model, settings)
    width, depth = _shape(request.model, own, size)
    texts = len(study.prompts) + len(study.responses)
    reuse = _reuse(settings, study, request)
    tokens = _tokens_left(_tokens(study, request, own), study, reuse)
    device, here = request.device, request.engine == LOCAL
    return ExtractionForecast(
        texts=texts,
        reuse=reuse,
        tokens=tokens,
        forward=_forward(request, own, tokens),
        derive=_derive(request, real, _left_to_derive(settings, study, request, reuse)),
        memory=_memory(request, size),
        disk=_disk(request, texts, width, real),
        free_memory=free_bytes("cpu") if here and device in ("auto", "cpu") else None,
        free_disk=shutil.disk_usage(settings.runs).free,
        faults=_faults(request, depth),
    )


def _reuse(settings: Settings, study: Study, request: ExtractionRequest) -> Reuse | None:
    if request.model.startswith(SIMULATED_PREFIX):
        return None
    elsewhere = request.engine == VLLM or (request.engine == RAY and settings.ray_address)
    if elsewhere and request.device == request.dtype == "auto":
        return None  # the number type follows the device there
    if request.fresh:
        return Reuse(len(study.prompts) + len(study.responses))
    model = remembered_identity(request.model, settings)
    if model is None:
        return None
    return find_reuse(settings, study, identity_of(request, model), request.layers)


def _tokens_left(tokens: Range, study: Study, reuse: Reuse | None) -> Range:
    """Tokens of what is left to extract, as its share of all characters."""
    if reuse is None or not reuse.taken or tokens.low is None or tokens.high is None:
        return tokens
    if not reuse.left:
        return Range(0, 0, "every text is taken from earlier runs")
    known = reuse.known(study)
    first = len(study.prompts)
    left = dataclasses.replace(
        study,
        prompts=tuple(p for n, p in enumerate(study.prompts) if n not in known),
        responses=tuple(r for n, r in enumerate(study.responses, first) if n not in known),
    )
    share = characters(left) / characters(study)
    basis = f"the {reuse.left} texts left have {share:.0%} of the characters; {tokens.basis}"
    return Range(round(tokens.low * share), round(tokens.high * share), basis)


def characters(study: Study) -> int:
    """Characters of everything the model reads, the chats before texts included; a turn that begins
    another's chat is read with that."""
    chats = [
        (
            *((message.role, message.content) for message in text.messages),
            # A text without a chat is read without a template: it begins no chat.
            ("assistant" if text.messages else "", text.text),
        )
        for texts in (study.prompts, study.responses)
        for text in texts
    ]
    return sum(len(content) for index in read_together(chats) for _role, content in chats[index])


def _tokens(study: Study, request: ExtractionRequest, own: Sequence[RunSummary]) -> Range:
    # A run that took texts from another has not read them.
    counted = [
        run.tokens for run in own if run.study_key == request.study and not run.record.reused
    ]
    if counted:
        return Range(counted[-1], counted[-1], "counted by an earlier run of this study and model")
    few, typical, many = CHARACTERS
    count = characters(study)
    return Range(
        round(count / many),
        round(count / few),
        f"an estimate: {count:,} characters at {many:g} to {few:g} a token, about "
        f"{count / typical:,.0f}; the chat template's own tokens come on top",
    )


def _forward(request: ExtractionRequest, own: Sequence[RunSummary], tokens: Range) -> Range:
    """Time falls with tokens/s and grows with the last layer, where the forward pass stops."""
    alike = [
        run
        for run in own
        if run.forward_seconds > 0
        and run.tokens > 0
        and run.record.engine == request.engine
        and (request.device == "auto" or run.record.device.startswith(request.device))
        and request.dtype in ("auto", run.record.dtype)
    ]
    if tokens.high == 0:
        return Range(0, 0, "nothing is left to extract; the model is not loaded")
    if not alike or tokens.low is None or tokens.high is None:
        where = "" if request.device == "auto" else f" on {request.device}"
        where += "" if request.engine == LOCAL else f" by the engine {request.engine}"
        return Range(
            None,
            None,
            f"no earlier run of this model{where}: unknown until the first batches",
        )
    per_token = [
        run.forward_seconds / run.tokens * _last(request.layers) / _last(run.record.layers)
        for run in alike
    ]
    rates = [run.tokens / run.forward_seconds for run in alike]
    devices = ", ".join(sorted({run.record.device for run in alike}))
    speed = f"{min(rates):,.0f}"
    if len(alike) > 1:
        speed += f" to {max(rates):,.0f}"
    runs = "one earlier run" if len(alike) == 1 else f"{len(alike)} earlier runs"
    slower = _slower() if _on_cpu(request, alike) else 1.0
    return Range(
        tokens.low * min(per_token),
        tokens.high * max(per_token) * slower,
        f"{speed} tokens/s in {runs} of this model on {devices}, scaled to the last layer; "
        f"loading the model comes on top{_busy_words(slower)}",
    )


def _on_cpu(request: ExtractionRequest, alike: Sequence[RunSummary]) -> bool:
    if request.device != "auto":
        return request.device == "cpu"
    return any(run.record.device.startswith("cpu") for run in alike)


def _slower() -> float:
    """How many times longer work on all cores takes beside what runs now, at least 1.

    The load average counts the threads that want a core. Threads of one product wait for the last
    of them, so they lose more than their share of the cores; as this is for the upper bound of a
    forecast, the share counts twice.
    """
    others = os.getloadavg()[0]
    share = 1.0 + others / (os.cpu_count() or 1)
    return share * share if others >= 1.0 else 1.0


def _busy_words(slower: float) -> str:
    if slower == 1.0:
        return ""
    return (
        f". This machine is busy (load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores): up to "
        f"{slower:.0f} times slower"
    )


def _left_to_derive(
    settings: Settings, study: Study, request: ExtractionRequest, reuse: Reuse | None
) -> float:
    """Share of the traits that are derived anew; the derived rows of the others are taken."""
    if reuse is None or not reuse.taken:
        return 1.0
    layers = tuple(sorted(request.layers))
    carried = find_carried(settings, reuse, study, layers, METHODS, DERIVATION)
    return 1.0 if carried is None else 1.0 - len(carried.traits) / len(study.traits)


def _derive(request: ExtractionRequest, real: Sequence[RunSummary], left: float) -> Range:
    name = request.study.split("@", 1)[0]
    alike = [
        run.derive_seconds / len(run.record.layers)
        for run in real
        if run.record.study_name == name and run.derive_seconds > 0 and not run.record.reused
    ]
    if not alike:
        return Range(None, None, "no earlier run of this study")
    count = len(request.layers)
    slower = _slower()
    basis = (
        f"{count} layers at what a layer took in earlier runs of this study{_busy_words(slower)}"
    )
    if left < 1:
        # Probes are kept where only prompts changed, so it may take less than the share of traits.
        return Range(
            0,
            left * count * max(alike) * slower,
            f"nothing that a trait is derived from has changed since {_EARLIER}"
            if left == 0
            else f"{left:.0%} of the traits changed since {_EARLIER}; {basis}",
        )
    return Range(
        count * min(alike),
        count * max(alike) * slower,
        f"{basis}; more prompts or wider activations take longer",
    )


def _memory(request: ExtractionRequest, size: ModelSize | None) -> Range:
    if size is None:
        return Range(None, None, "the model's files are not on this machine yet")
    by_device = (2, 2) if request.device.startswith("cuda") else (4, 4)
    if request.device == "auto":
        by_device = (2, 4)
    least, most = _DTYPE_BYTES.get(request.dtype, by_device)
    bytes_each = f"{least}" if least == most else f"{least} (CUDA) to {most} (CPU)"
    return Range(
        size.parameters * least,
        HEADROOM * size.parameters * most,
        f"{size.parameters:,} parameters of {bytes_each} bytes, and {HEADROOM - 1:.0%} for a batch",
    )


def _disk(
    request: ExtractionRequest, texts: int, width: int | None, real: Sequence[RunSummary]
) -> Range:
    if width is None:
        return Range(None, None, "the model's width is not known before its first run")
    activations = prod((texts, len(request.layers), width, FLOAT_BYTES))
    shape = f"activations alone {texts:,} texts × {len(request.layers)} layers × {width} × 4 bytes"
    name = request.study.split("@", 1)[0]
    own = [run for run in real if run.record.study_name == name]
    if own:
        # Inner products and projections do not grow with the width, vectors do.
        extra = [(_extra_bytes(run), width / run.record.width) for run in own]
        count = len(request.layers)
        return Range(
            activations + count * min(each * min(1.0, wider) for each, wider in extra),
            activations + count * max(each * max(1.0, wider) for each, wider in extra),
            f"{shape}; what is computed from them as in earlier runs of this study, and more with "
            "more prompts",
        )
    ratios = [run.bytes / _activation_bytes(run) for run in real]
    if not ratios:
        return Range(activations, None, f"{shape}; what is computed from them comes on top")
    return Range(
        activations,
        activations * max(max(ratios), 1.0),
        f"{shape}; with what is computed from them, runs of other studies were up to "
        f"{max(ratios):.1f} times that",
    )


def _extra_bytes(run: RunSummary) -> float:
    """Bytes a layer of a run's file beside its activations."""
    return max(0, run.bytes - _activation_bytes(run)) / len(run.record.layers)


def _activation_bytes(run: RunSummary) -> int:
    texts = run.prompts + run.responses
    return prod((texts, len(run.record.layers), run.record.width, FLOAT_BYTES))


def _shape(
    model: str, own: Sequence[RunSummary], size: ModelSize | None
) -> tuple[int | None, int | None]:
    """Width and depth: from an earlier run, the files, or the preset."""
    if own:
        return own[-1].record.width, own[-1].record.depth
    known = size or PRESETS_BY_NAME.get(model)
    return (known.width, known.depth) if known is not None else (None, None)


def _faults(request: ExtractionRequest, depth: int | None) -> tuple[str, ...]:
    if depth is None or max(request.layers) <= depth:
        return ()
    return (
        f"Layer {max(request.layers)} does not exist: the model has {depth} blocks, so its layers "
        f"are 0 to {depth}.",
    )


def _last(layers: Sequence[int]) -> int:
    return max(1, *layers)
