"""Layers derived by the workers of a Ray cluster, each from its activations alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from backend.core.vectors.methods import Method
from backend.errors import ClusterError
from backend.extraction.engine import Report
from backend.extraction.ray_cluster import connected
from backend.extraction.ray_program import Program
from backend.extraction.ray_workers import Wording, Workers, check_workers, resources
from backend.runs.columns import TableChunks
from backend.runs.layer_task import Deriver, LayerTask, OpenDeriver, without_texts
from backend.settings import Settings
from backend.types import ExtractionRequest, Progress, Study

if TYPE_CHECKING:
    from backend.runs.ray_layer_worker import ReadyDeriver

_WORDING = Wording(
    lambda layer: f"Layer {layer}",
    "look at the nodes' memory, ask for fewer --workers, or use --engine local; the layers before "
    "it are kept, and the run can be continued.",
)


def layers_on_ray(settings: Settings, request: ExtractionRequest) -> OpenDeriver | None:
    """Who derives the layers of a request for Ray: the workers of a cluster.

    Where Ray would be started on this machine alone, and only because it has extracted there, this
    process derives: it has the same cores at once.

    Args:
        settings: which cluster is used.
        request: how many workers, of how many CPUs.

    Raises:
        ClusterError: the number of workers or of their CPUs is none that can be.
    """
    check_workers(request.workers, request.worker_cpus)
    if not settings.ray_address and not request.derives:
        return None

    @contextmanager
    def opened(
        study: Study, methods: Sequence[Method], device: str, report: Report
    ) -> Iterator[Deriver]:
        # Imported here: engines are listed before anything is derived.
        from backend.runs.ray_layer_worker import ReadyDeriver, Spec, code_here

        with connected(settings.ray_address, report) as cluster:
            gpus = int(device.startswith("cuda") and cluster.has_gpus)
            asked = resources(cluster, request.workers, request.worker_cpus, gpus)
            spec = Spec(
                study=without_texts(study),
                methods=tuple(method.name for method in methods),
                threads=request.worker_cpus,
            )
            with closing(
                Workers[int, ReadyDeriver](
                    cluster,
                    Program("backend.runs.ray_layer_worker", "RayLayerWorker", spec),
                    asked,
                    # One: what a layer is derived from is as large as all of its responses.
                    depth=1,
                    wording=_WORDING,
                    report=report,
                )
            ) as workers:
                report(Progress(f"waiting for the first of {asked.count} workers on Ray"))
                first = workers.first()
                if first.code != code_here(spec.methods):
                    raise ClusterError(
                        f"{first.node} derives by {first.code}, and this machine by "
                        f"{code_here(spec.methods)}.",
                        expected="the same version of this program on every node.",
                        remedy="install the same version there, or use --engine local.",
                    )
                yield LayersOnRay(workers, cluster.ray)

    return opened


class LayersOnRay:
    """Workers that derive layers side by side; see :class:`Deriver`. The tables are those that
    this process would make, bit for bit on CPUs of one kind and with as many threads.

    Args:
        workers: that are ready or being started.
        ray: the package.
    """

    def __init__(self, workers: Workers[int, ReadyDeriver], ray: Any) -> None:
        self.workers = workers
        self._ray = ray

    def tables(
        self,
        layers: Sequence[int],
        task: Callable[[int], LayerTask],
        waiting: Callable[[], None],
    ) -> TableChunks:
        """See :class:`Deriver`. At most one layer more than there are workers is read, at one of
        them, or waits to be taken."""

        from backend.runs.ray_layer_worker import StoredChunks

        def given(layer: int) -> LayerTask:
            read = task(layer)
            # A part at a time, so that this process never holds a whole layer.
            kept = StoredChunks(tuple(self._ray.put(part) for part in read.stored()))
            return dataclasses.replace(read, stored=kept)

        window = layers[: self.workers.ahead + 1]
        found: TableChunks = self.workers.take(window, given, waiting)
        return found
