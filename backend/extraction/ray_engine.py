"""The machines of a Ray cluster: one worker for each GPU or CPU slot, batches out, pooled
activations back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

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
from backend.models.identity import may_have_cuda
from backend.models.layers import check_layers
from backend.settings import Settings
from backend.types import ExtractionRequest, Progress, Prompt, PromptTokens, Study

if TYPE_CHECKING:
    from backend.extraction.planned import PlannedStudy
    from backend.extraction.ray_workers import Workers


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
        if request.workers < 0 or request.worker_cpus < 1:
            raise ClusterError(
                f"{request.workers} workers of {request.worker_cpus} CPUs each cannot be started.",
                expected="0 (as many as there is room for) or more workers, of 1 CPU or more each.",
                remedy="change --workers or --worker-cpus.",
            )
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
        report(Progress("connecting to Ray"))
        with connected(self._settings.ray_address) as cluster:
            # Said before the model is looked for: Ray itself would wait for ever.
            request = self._on(cluster)
            gpus = int(request.device == "cuda")
            count = self._count(cluster, gpus)
            # Imported here: these need torch, which takes seconds.
            from backend.extraction.planned import model_record, plan_study
            from backend.extraction.ray_worker import WorkerSpec
            from backend.extraction.ray_workers import Workers
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
                Workers(
                    cluster,
                    spec,
                    count=count,
                    cpus=request.worker_cpus,
                    gpus=gpus,
                    report=report,
                )
            ) as workers:
                # They load the model while the texts are encoded.
                encoding = Progress("tokenising")
                report(encoding)
                waiting = partial(report, encoding)
                planned = plan_study(reader, study, request, request.device, waiting)
                report(Progress(f"waiting for the first of {count} workers on Ray"))
                first = workers.first()
                if first.weights_hash != resolved.weights_hash:
                    raise ClusterError(
                        f"The weights of {request.model} on {first.node} are not those on this "
                        "machine.",
                        expected="the same files of the model on every node.",
                        remedy="copy the model to the nodes anew, or put it on shared storage.",
                    )
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
        report(Progress("connecting to Ray"))
        with connected(self._settings.ray_address) as cluster:
            return self._on(cluster)

    def _on(self, cluster: Cluster) -> ExtractionRequest:
        """The request with the device of a cluster's workers."""
        if self._request.device != "auto":
            return self._request
        return dataclasses.replace(self._request, device="cuda" if cluster.has_gpus else "cpu")

    def _count(self, cluster: Cluster, gpus: int) -> int:
        """How many workers to start.

        Raises:
            ClusterError: there is no room for them, even if nothing else ran there.
        """
        cpus, wanted = self._request.worker_cpus, self._request.workers
        slots = cluster.slots(cpus, gpus)
        if slots < max(1, wanted):
            each = f"{cpus} {'CPU' if cpus == 1 else 'CPUs'}" + (" and 1 GPU" if gpus else "")
            raise ClusterError(
                f"There is room for {slots} of {max(1, wanted)} workers with {each} each on Ray at "
                f"{cluster.address}.",
                expected=f"nodes with that much; it has {cluster.sizes}.",
                remedy="ask for fewer --workers or --worker-cpus, choose --device cpu, or add "
                "nodes.",
            )
        return wanted or slots


class OpenRay:
    """Workers that are ready to pool; see :class:`backend.extraction.engine.OpenEngine`.

    Args:
        planned: the texts, in batches.
        record: where the activations come from.
        workers: that pool them.
    """

    def __init__(self, planned: PlannedStudy, record: SourceRecord, workers: Workers) -> None:
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
        return self._planned.checked(batch, self.workers.take(self._planned, window), self.record)


def _device_here() -> str:
    """What Ray on this machine alone would give its workers."""
    if not may_have_cuda():
        return "cpu"
    # Imported here: it needs torch.
    from backend.models.check import choose_device

    return "cuda" if choose_device("auto").startswith("cuda") else "cpu"
