"""vLLM, in an environment of its own: token ids out, pooled activations back.

Texts are encoded and batched here, as by the local engine. The forward pass is vLLM's, so its
activations are those of the local engine up to rounding, and neither takes the other's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from backend.core.first_token import first_tokens
from backend.errors import (
    ModelError,
    NotEnoughMemory,
    SteerscopeError,
    UnsupportedArchitecture,
    VllmError,
)
from backend.extraction.batches import read_together
from backend.extraction.engine import (
    VLLM,
    Batch,
    ModelSource,
    OpenEngine,
    PooledBatch,
    Report,
    SourceRecord,
    split_device,
)
from backend.extraction.local_engine import LocalEngine
from backend.extraction.vllm_process import FoundVllm, VllmProcess, find_vllm
from backend.models.identity import dtype_name
from backend.models.layers import check_layers
from backend.settings import Settings
from backend.types import ExtractionRequest, Pooling, Progress, Prompt, PromptTokens, Study

if TYPE_CHECKING:
    from backend.extraction.planned import PlannedStudy
    from backend.extraction.pooling import Pooled
    from backend.extraction.spans import EncodedText
    from backend.models.load import ModelReader

# Tokens of a block of vLLM's cache of keys and values, at most; a text takes whole ones.
_BLOCK = 128
_LOADING = Progress("loading the model into vLLM")


class VllmEngine:
    """vLLM; see :class:`backend.extraction.engine.IdentifiedEngine`.

    Args:
        settings: where models are kept, which interpreter runs vLLM, and the Ray cluster whose
            nodes hold the parts of a model, if it is split.
        request: which model, layers, pooling, device, number type, and over how many devices the
            model is split.

    Raises:
        VllmError: the device or a number of parts is none that can be.
    """

    def __init__(self, settings: Settings, request: ExtractionRequest) -> None:
        if request.device not in ("auto", "cpu", "cuda"):
            raise VllmError(
                f"vLLM cannot be given the device {request.device!r}.",
                expected="auto, cpu or cuda; vLLM chooses which GPUs.",
                remedy="change --device.",
            )
        if request.tensor_parallel < 1 or request.pipeline_parallel < 1:
            raise VllmError(
                f"A model cannot be split into {request.tensor_parallel} x "
                f"{request.pipeline_parallel} parts.",
                expected="1 or more parts of each layer, and 1 or more groups of layers.",
                remedy="change --tensor-parallel or --pipeline-parallel.",
            )
        self._settings = settings
        self._request = request
        self._local: LocalEngine | None = None

    def source(self, report: Report) -> ModelSource | None:
        """The model before it is loaded, with vLLM's forward pass."""
        return self._here().source(report)

    def prompt_tokens(self, prompts: Sequence[Prompt]) -> tuple[PromptTokens, ...]:
        """The tokens of prompts, by the tokenizer alone."""
        return self._here().prompt_tokens(prompts)

    @contextmanager
    def opened(self, study: Study, report: Report) -> Iterator[OpenEngine]:
        """A process of vLLM with the model loaded; see
        :class:`backend.extraction.engine.Engine`.

        Raises:
            VllmError: vLLM is not there, or cannot load the model.
            UnsupportedArchitecture: it has no such architecture, or its residual stream cannot be
                read.
            NotEnoughMemory: the model and a batch do not fit.
        """
        # Said before the model is looked for.
        vllm = self._vllm()
        request = self._on(vllm)
        # Imported here: these need torch, which takes seconds.
        from backend.extraction.planned import model_record, plan_study
        from backend.models.load import load_reader

        resolved, _ = LocalEngine(self._settings, request).resolved(report)
        reader = load_reader(resolved, need_chat_template=study.has_chats)
        check_layers(reader.depth, request.layers)
        _check_memory(reader, request)
        planned = plan_study(reader, study, request, request.device, report)
        report(_LOADING)
        split = request.tensor_parallel * request.pipeline_parallel > 1
        address = self._settings.ray_address if split else ""
        with closing(VllmProcess(vllm, address)) as process:
            told = process.ask(
                _load(reader, request, planned, on_ray=bool(address)), partial(report, _LOADING)
            )
            if "architecture" not in told:
                raise _not_loaded(request, vllm, told, process)
            record = model_record(
                reader,
                request,
                planned,
                engine=VLLM,
                architecture=told["architecture"],
                device=split_device(
                    told["device"], request.tensor_parallel, request.pipeline_parallel
                ),
                dtype=request.dtype,
                versions=told["versions"],
            )
            yield OpenVllm(planned, record, process)

    def _vllm(self) -> FoundVllm:
        found = find_vllm(self._settings.vllm_python)
        if self._request.device not in ("auto", found.device):
            raise VllmError(
                f"vLLM {found.version} in {found.python} was built for {found.device}.",
                expected=f"a vLLM for {self._request.device}.",
                remedy=f"choose --device {found.device}, or install the other in an environment "
                "of its own.",
            )
        return found

    def _on(self, vllm: FoundVllm) -> ExtractionRequest:
        """The request with its device and number type."""
        dtype = dtype_name(self._request.dtype, vllm.device)
        return dataclasses.replace(self._request, device=vllm.device, dtype=dtype)

    def _here(self) -> LocalEngine:
        """The local engine with vLLM's device, which knows the model's files and tokenizer."""
        if self._local is None:
            self._local = LocalEngine(self._settings, self._on(self._vllm()))
        return self._local


class OpenVllm:
    """A model in vLLM that is ready to pool; see :class:`backend.extraction.engine.OpenEngine`.

    Args:
        planned: the texts, in batches.
        record: where the activations come from.
        process: that pools them.
    """

    def __init__(self, planned: PlannedStudy, record: SourceRecord, process: VllmProcess) -> None:
        self.batches, self.record = planned.batches, record
        self.process = process
        self._planned = planned

    def pool(self, batch: Batch) -> PooledBatch:
        """The activations of one batch.

        Raises:
            ExtractionError: an activation is not finite.
            VllmError: the process has ended or failed.
        """
        texts = self._planned.texts_of(batch)
        pooled = asked(self.process, texts, self.record)
        return self._planned.checked(batch, pooled, self.record)


def asked(process: VllmProcess, texts: Sequence[EncodedText], record: SourceRecord) -> Pooled:
    """Pooled activations of a batch.

    Args:
        process: that has loaded the model.
        texts: the batch; at least one text, each with a token that the pooling takes.
        record: layers, width and pooling.

    Raises:
        VllmError: the process has ended or failed, or has not read every token.
    """
    # Imported here: it needs torch.
    from backend.extraction.pooling import Pooled

    question = [
        {
            "ids": texts[read].ids,
            "texts": given,
            "pooled": [_bounds(texts[place].pooled(record.pooling)) for place in given],
        }
        for read, given in read_together([text.ids for text in texts]).items()
    ]
    told = process.ask({"do": "pool", "texts": question}, lambda: None)
    if tuple(told.get("layers", ())) != record.layers:
        why = told.get("text") or f"{told.get('unread')} texts were not read whole"
        raise VllmError(
            f"vLLM has not pooled a batch of {len(texts)} texts: {process.cause(why)}",
            expected="every token of every text, at every layer.",
            remedy="look at the job's log; the batches before are kept, and the run can be "
            "continued, with fewer --batch-tokens where memory was short.",
        )
    shape = (len(record.layers), len(texts), record.width + 2)
    host = np.frombuffer(process.content(), np.float32).reshape(shape)
    activations = np.ascontiguousarray(host[..., :-2])
    weights = np.array([_first_weight(text, record.pooling) for text in texts])
    first = first_tokens(activations, host[..., -2], host[..., -1], weights)
    return Pooled(activations, first)


def _first_weight(text: EncodedText, pooling: Pooling) -> float:
    """The first token's weight in a text's activation."""
    taken = text.pooled(pooling)
    return taken[0] / sum(taken)


def _bounds(taken: Sequence[bool]) -> list[int]:
    """Where the ranges of taken tokens begin and end, one behind the other."""
    found: list[int] = []
    place = 0
    for wanted, tokens in groupby(taken):
        count = len(list(tokens))
        if wanted:
            found += [place, place + count]
        place += count
    return found


def _load(
    reader: ModelReader, request: ExtractionRequest, planned: PlannedStudy, *, on_ray: bool
) -> dict[str, Any]:
    """What the process is asked to load, and how much it will be asked to read at once."""
    lengths = [
        [len(ids[read]) for read in read_together(ids)]
        for ids in ([text.ids for text in planned.texts_of(one)] for one in planned.batches)
    ]
    return {
        "do": "load",
        "folder": str(reader.resolved.folder),
        "dtype": request.dtype,
        "depth": reader.depth,
        "width": reader.width,
        "layers": request.layers,
        "longest": max(max(batch) for batch in lengths),
        "texts": max(len(batch) for batch in lengths),
        "tokens": max(sum(batch) for batch in lengths),
        "cached": max(sum(-(-length // _BLOCK) for length in batch) for batch in lengths) * _BLOCK,
        "tensor": request.tensor_parallel,
        "pipeline": request.pipeline_parallel,
        "ray": on_ray,
    }


def _check_memory(reader: ModelReader, request: ExtractionRequest) -> None:
    """Refuse a model that does not fit into this machine's memory. Of GPUs, vLLM says so."""
    import torch

    from backend.models.check import check_memory

    if request.device == "cpu":
        check_memory(reader.resolved.folder, getattr(torch, request.dtype), "cpu")


def _not_loaded(
    request: ExtractionRequest, vllm: FoundVllm, told: dict[str, Any], process: VllmProcess
) -> SteerscopeError:
    """Why the model cannot be used in vLLM."""
    if "unsupported" in told:
        return UnsupportedArchitecture(
            f"The residual stream of {request.model} cannot be read in vLLM {vllm.version}: "
            f"{told['unsupported']}.",
            expected="decoder blocks that hand the residual stream to each other, as in Llama or "
            "Qwen2.",
            remedy="use --engine local, or ray.",
        )
    why = process.cause(told["text"])
    lower = why.lower()
    what = f"vLLM {vllm.version} cannot load {request.model}: {why}"
    if "memory" in lower or "kv cache" in lower:
        return NotEnoughMemory(
            what,
            expected="room for the weights and for the keys and values of a batch.",
            remedy="free memory, give fewer --batch-tokens, or split the model by "
            "--tensor-parallel or --pipeline-parallel.",
        )
    if "architecture" in lower:
        return UnsupportedArchitecture(
            what,
            expected="an architecture of this version of vLLM.",
            remedy="use --engine local, or ray.",
        )
    return ModelError(
        what,
        expected="a model, number type and number of parts that vLLM takes.",
        remedy="change what it names, or use --engine local, or ray.",
    )
