"""The machines of a Ray cluster: one worker for each GPU or CPU slot, batches out, pooled
activations back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import numpy as np

from backend.core.first_token import FirstTokens
from backend.errors import ClusterError
from backend.extraction.engine import (
    RAY,
    Batch,
    ModelSource,
    OpenEngine,
    PooledBatch,
    Report,
    SourceRecord,
)
from backend.extraction.local_engine import LocalEngine
from backend.extraction.ray_cluster import Cluster, connected
from backend.extraction.ray_program import Program
from backend.extraction.ray_workers import Wording, Workers, check_workers, resources
from backend.models.gpus import may_have_cuda
from backend.models.layers import check_layers
from backend.settings import Settings
from backend.types import ExtractionRequest, Progress, Prompt, PromptTokens, Study

if TYPE_CHECKING:
    from backend.extraction.planned import PlannedStudy
    from backend.extraction.pooling import Pooled
    from backend.extraction.ray_worker import LoadedWorker

# Batches of a worker that are on their way: one is pooled while the next is there already.
DEPTH = 2
_WORDING = Wording(
    lambda batch: f"A batch of {len(batch.texts)} texts",
    "look at the nodes' memory, or give fewer --batch-tokens; the batches before it are kept, and "
    "the run can be continued.",
)


class RayEngine:
    """A Ray cluster; see :class:`backend.extraction.engine.IdentifiedEngine`.

    Texts are encoded and batched here, as by the local engine, and the workers run its forward
    pass: on CPUs of one kind, and with as many threads each, float32 results are the same bit for
    bit.

    Args:
        settings: where models are kept, and which cluster is used; without one, Ray is started on
            this machine for as long as the engine is open.
        request: which model, layers, pooling, device, number type, and how many workers.

    Raises:
        ClusterError: the number of workers or of their CPUs, or the device, is none that can be.
    """

    def __init__(self, settings: Settings, request: ExtractionRequest) -> None:
        if request.device not in ("auto", "cpu", "cuda"):
            raise ClusterError(
                f"A worker on Ray cannot be given the device {request.device!r}.",
                expected="auto, cpu or cuda; Ray chooses which GPU.",
                remedy="change --device.",
            )
        check_workers(request.workers, request.worker_cpus)
        self._settings = settings
        self._request = request
        self._local: LocalEngine | None = None

    def source(self, report: Report) -> ModelSource | None:
        """The model before it is loaded, as the local engine says on the workers' device."""
        return self._here(report).source(report)

    def prompt_tokens(self, prompts: Sequence[Prompt]) -> tuple[PromptTokens, ...]:
        """The tokens of prompts, by the tokenizer alone, on this machine."""
        return self._here(lambda _: None).prompt_tokens(prompts)

    @contextmanager
    def opened(self, study: Study, report: Report) -> Iterator[OpenEngine]:
        """Workers with the model loaded; see :class:`backend.extraction.engine.Engine`.

        Raises:
            ClusterError: the cluster cannot be used, or lacks what is asked for.
        """
        with connected(self._settings.ray_address, report) as cluster:
            # Said before the model is looked for: Ray itself would wait for ever.
            request = self._on(cluster)
            gpus = int(request.device == "cuda")
            asked = resources(cluster, request.workers, request.worker_cpus, gpus)
            # Imported here: these need torch, which takes seconds.
            from backend.extraction.planned import model_record, plan_study
            from backend.extraction.ray_worker import LoadedWorker, WorkerSpec
            from backend.extraction.spans import check_ids
            from backend.models.load import load_reader

            local = LocalEngine(self._settings, request)
            resolved, found = local.resolved(report)
            reader = load_reader(resolved, need_chat_template=study.has_chats)
            check_layers(reader.depth, request.layers)
            spec = WorkerSpec(
                cache=self._settings.cache,
                reference=request.model,
                found=found,
                layers=request.layers,
                pooling=request.pooling,
                device=request.device,
                dtype=request.dtype,
                threads=request.worker_cpus,
            )
            with closing(
                Workers[Batch, LoadedWorker](
                    cluster,
                    Program("backend.extraction.ray_worker", "RayWorker", spec),
                    asked,
                    depth=DEPTH,
                    wording=_WORDING,
                    report=report,
                )
            ) as workers:
                # They load the model while the texts are encoded.
                planned = plan_study(reader, study, request, request.device, report)
                report(Progress(f"waiting for the first of {asked.count} workers on Ray"))
                first = workers.first()
                if first.weights_hash != resolved.weights_hash:
                    raise ClusterError(
                        f"The weights of {request.model} on {first.node} are not those on this "
                        "machine.",
                        expected="the same files of the model on every node.",
                        remedy="copy the model to the nodes anew, or put it on shared storage.",
                    )
                check_ids(planned.texts, planned.names, first.rows)
                record = model_record(
                    reader,
                    request,
                    planned,
                    engine=RAY,
                    architecture=first.architecture,
                    device=first.device,
                    dtype=first.dtype,
                    versions=first.versions | {"ray": cluster.ray.__version__},
                )
                yield OpenRay(planned, record, workers)

    def _here(self, report: Report) -> LocalEngine:
        """The local engine on the device of the workers."""
        if self._local is None:
            request = self._request
            # The number type follows the device, and that the cluster.
            if request.device == request.dtype == "auto":
                request = self._on_any(report)
            self._local = LocalEngine(self._settings, request)
        return self._local

    def _on_any(self, report: Report) -> ExtractionRequest:
        if not self._settings.ray_address:
            return dataclasses.replace(self._request, device=_device_here())
        with connected(self._settings.ray_address, report) as cluster:
            return self._on(cluster)

    def _on(self, cluster: Cluster) -> ExtractionRequest:
        """The request with the device of a cluster's workers."""
        if self._request.device != "auto":
            return self._request
        return dataclasses.replace(self._request, device="cuda" if cluster.has_gpus else "cpu")


class OpenRay:
    """Workers that are ready to pool; see :class:`backend.extraction.engine.OpenEngine`.

    Args:
        planned: the texts, in batches.
        record: where the activations come from.
        workers: that pool them.
    """

    def __init__(
        self,
        planned: PlannedStudy,
        record: SourceRecord,
        workers: Workers[Batch, LoadedWorker],
    ) -> None:
        self.batches, self.record = planned.batches, record
        self.workers = workers
        self._planned = planned
        self._places = {batch.texts: place for place, batch in enumerate(planned.batches)}

    def pool(self, batch: Batch) -> PooledBatch:
        """The activations of one batch, while the workers go on with those after it.

        Raises:
            NotEnoughMemory: a single text does not fit.
            ExtractionError: an activation is not finite.
            ClusterError: no worker is left, or the batch ends each that tries it.
        """
        place = self._places[batch.texts]
        window = self.batches[place : place + self.workers.ahead]
        pooled = _copied(self.workers.take(window, self._planned.texts_of))
        return self._planned.checked(batch, pooled, self.record)


def _copied(pooled: Pooled) -> Pooled:
    """The same outside of Ray's store, which is gone when the run is."""
    first = FirstTokens(np.array(pooled.first.norms), np.array(pooled.first.shares))
    return dataclasses.replace(pooled, activations=np.array(pooled.activations), first=first)


def _device_here() -> str:
    """What Ray on this machine alone would give its workers."""
    if not may_have_cuda():
        return "cpu"
    # Imported here: it needs torch.
    from backend.models.check import choose_device

    return "cuda" if choose_device("auto").startswith("cuda") else "cpu"
