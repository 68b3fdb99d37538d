"""Workers of a Ray cluster and the batches they are at.

Ray's own retries wait for ever for what a lost node took with it, so none are used: a lost worker's
batches go to those that are left, another worker is started where there is room, and both are
bounded.
"""

from __future__ import annotations

import pickle
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backend.core.first_token import FirstTokens
from backend.errors import ClusterError
from backend.extraction.engine import Batch, Report
from backend.extraction.planned import PlannedStudy
from backend.extraction.pooling import Pooled
from backend.extraction.ray_cluster import Cluster
from backend.extraction.ray_worker import LoadedWorker, WorkerFault, WorkerSpec
from backend.types import Progress

# Batches of a worker that are on their way: one is pooled while the next is there already.
DEPTH = 2
# How often a batch is tried whose worker dies while it pools it.
MOST_TRIES = 3
# How many workers are started in place of each that was asked for.
_REPLACEMENTS = 3
_ASK_SECONDS = 1.0
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class _Worker:
    """An actor.

    Attributes:
        actor: its handle.
        loaded: what it says of itself; None while it loads.
        flying: its batches that are on their way, oldest first, by the references of their results.
    """

    actor: Any
    loaded: LoadedWorker | None = None
    flying: dict[Any, Batch] = field(default_factory=dict)


class Workers:
    """Workers of a cluster, started at once; ended by :meth:`close`.

    Args:
        cluster: where they run.
        spec: what each loads.
        count: how many.
        cpus: that each asks for.
        gpus: likewise.
        report: told what is waited for.
    """

    def __init__(
        self,
        cluster: Cluster,
        spec: WorkerSpec,
        *,
        count: int,
        cpus: int,
        gpus: int,
        report: Report,
    ) -> None:
        self._cluster = cluster
        self._ray = cluster.ray
        self._count, self._cpus, self._gpus = count, cpus, gpus
        self._report = report
        self._lost = _lost_kinds(self._ray.exceptions)
        self._class = self._ray.remote(
            num_cpus=cpus,
            num_gpus=gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )(_actor_class())
        self._spec = pickle.dumps(spec)
        self._starts = 0
        self._starting: dict[Any, _Worker] = {}
        self._live: list[_Worker] = []
        self._first: LoadedWorker | None = None
        self._waiting: deque[Batch] = deque()
        self._found: dict[tuple[int, ...], Pooled] = {}
        self._tries: Counter[tuple[int, ...]] = Counter()
        self._why = ""
        for _ in range(count):
            self._start()

    @property
    def loaded(self) -> tuple[LoadedWorker, ...]:
        """Those that have loaded the model and are not known to be lost."""
        return tuple(worker.loaded for worker in self._live if worker.loaded is not None)

    @property
    def ahead(self) -> int:
        """How many batches may be on their way or waiting to be taken."""
        return DEPTH * max(1, len(self._live))

    def first(self) -> LoadedWorker:
        """The first worker that has loaded the model; the others join when they have.

        Raises:
            SteerscopeError: the model cannot be loaded there.
            ClusterError: no worker is left, or workers differ in what they run.
        """
        while self._first is None:
            self._turn(None)
        return self._first

    def take(self, planned: PlannedStudy, window: Sequence[Batch]) -> Pooled:
        """The activations of the first of some batches; the others are sent out meanwhile.

        Args:
            planned: whose texts they are of.
            window: the batch that is wanted now, and those that will be next. Results of no other
                batch are kept.

        Raises:
            SteerscopeError: what the worker says.
            ClusterError: the batch ended worker after worker, or no worker is left.
        """
        kept = {batch.texts for batch in window}
        self._found = {key: value for key, value in self._found.items() if key in kept}
        flying = {batch.texts for worker in self._live for batch in worker.flying.values()}
        self._waiting = deque(
            batch
            for batch in window
            if batch.texts not in self._found and batch.texts not in flying
        )
        wanted = window[0].texts
        while wanted not in self._found:
            self._turn(planned, kept)
        return self._found.pop(wanted)

    def close(self) -> None:
        """End all workers; what they are at is lost."""
        for worker in [*self._live, *self._starting.values()]:
            self._end(worker)
        self._live, self._starting = [], {}

    def _start(self) -> None:
        self._starts += 1
        actor = self._class.remote(str(_ROOT), self._spec)
        self._starting[actor.load.remote()] = _Worker(actor)

    def _turn(self, planned: PlannedStudy | None, kept: set[tuple[int, ...]] | None = None) -> None:
        """Send out what waits, then wait for one event, or a second."""
        if planned is not None:
            self._send(planned)
        if not self._live and not self._starting:
            raise self._none_left()
        flying = {ref: worker for worker in self._live for ref in worker.flying}
        ready, _ = self._ray.wait(
            [*self._starting, *flying], num_returns=1, timeout=_ASK_SECONDS, fetch_local=True
        )
        for ref in ready:
            if ref in self._starting:
                self._joins(ref, self._starting.pop(ref))
            else:
                self._arrives(ref, flying[ref], kept or set())
        if not ready and not self._live:
            if not self._cluster.slots(self._cpus, self._gpus):
                raise self._none_left()
            self._report(Progress(f"waiting for the first of {self._count} workers on Ray"))

    def _send(self, planned: PlannedStudy) -> None:
        while self._waiting and self._live:
            worker = min(self._live, key=lambda one: len(one.flying))
            if len(worker.flying) >= DEPTH:
                return
            batch = self._waiting.popleft()
            worker.flying[worker.actor.pool.remote(planned.texts_of(batch))] = batch

    def _joins(self, ref: Any, worker: _Worker) -> None:
        """A worker has loaded the model, or failed to."""
        try:
            told = self._ray.get(ref)
        except self._lost as fault:
            self._loses(worker, fault)
            return
        if isinstance(told, str):
            raise ClusterError(
                f"A node of the Ray cluster cannot run this program: {told}",
                expected="this program in the same folder, and what requirements.txt lists, on "
                "every node.",
                remedy="put the program on shared storage, or install it under the same path.",
            )
        loaded: LoadedWorker = _unless_fault(told)
        self._first = self._first or loaded
        for name in ("weights_hash", "versions", "dtype", "architecture"):
            one, other = getattr(self._first, name), getattr(loaded, name)
            if one != other:
                raise ClusterError(
                    f"Nodes of the Ray cluster differ in {name.replace('_', ' of ')}: {one} on "
                    f"{self._first.node}, {other} on {loaded.node}.",
                    expected="the same model and libraries on every node.",
                    remedy="install the same versions and copy the same model to all of them.",
                )
        worker.loaded = loaded
        self._live.append(worker)

    def _arrives(self, ref: Any, worker: _Worker, kept: set[tuple[int, ...]]) -> None:
        """A batch is pooled, or its worker is lost."""
        try:
            told = self._ray.get(ref)
        except self._lost as fault:
            self._loses(worker, fault)
            return
        batch = worker.flying.pop(ref)
        pooled: Pooled = _unless_fault(told)
        if batch.texts in kept:
            self._found[batch.texts] = _copied(pooled)

    def _loses(self, worker: _Worker, fault: Exception) -> None:
        """Give a lost worker's batches to others, and start another where there is room.

        The oldest of its batches is the one it was at.
        """
        self._why = str(fault).strip().split("\n", 1)[0]
        self._end(worker)
        if worker in self._live:
            self._live.remove(worker)
        batches = list(worker.flying.values())
        for batch in batches[:1]:
            self._tries[batch.texts] += 1
            if self._tries[batch.texts] >= MOST_TRIES:
                raise ClusterError(
                    f"A batch of {len(batch.texts)} texts ended its worker {MOST_TRIES} times: "
                    f"{self._why}",
                    expected="workers that live through every batch.",
                    remedy="look at the nodes' memory, or give fewer --batch-tokens; the batches "
                    "before it are kept, and the run can be continued.",
                )
        self._waiting.extendleft(reversed(batches))
        alive = len(self._live) + len(self._starting)
        room = self._cluster.slots(self._cpus, self._gpus) > alive
        if room and self._starts < self._count * (1 + _REPLACEMENTS):
            self._start()

    def _end(self, worker: _Worker) -> None:
        self._ray.kill(worker.actor, no_restart=True)

    def _none_left(self) -> ClusterError:
        why = f": {self._why}" if self._why else ""
        return ClusterError(
            f"None of the {self._count} workers on Ray is left{why}.",
            expected=f"a node with {self._cpus} CPUs and {self._gpus} GPUs for each worker; the "
            f"cluster has {self._cluster.sizes}.",
            remedy="bring the nodes back and continue the run; what was pooled is kept.",
        )


def _actor_class() -> type:
    """The class of the actors. Ray sends one that is made inside a function by value, so that a
    node can be told where the program is before it imports any of it."""

    class SteerscopeWorker:
        def __init__(self, root: str, spec: bytes) -> None:
            self._root, self._spec = root, spec

        def load(self) -> Any:
            """What :meth:`RayWorker.load` says, or why the program is not there."""
            import pickle
            import sys

            if self._root not in sys.path:
                sys.path.insert(0, self._root)
            try:
                from backend.extraction.ray_worker import RayWorker
            except ImportError as fault:
                return str(fault)
            self._worker = RayWorker(pickle.loads(self._spec))
            return self._worker.load()

        def pool(self, texts: Any) -> Any:
            """What :meth:`RayWorker.pool` says."""
            return self._worker.pool(texts)

    return SteerscopeWorker


def _lost_kinds(exceptions: Any) -> tuple[type[Exception], ...]:
    """What Ray raises where a worker, or what it found, is lost."""
    return (
        exceptions.RayActorError,
        exceptions.ObjectLostError,
        exceptions.NodeDiedError,
        exceptions.WorkerCrashedError,
        exceptions.OutOfMemoryError,
    )


def _unless_fault(told: Any) -> Any:
    if isinstance(told, WorkerFault):
        raise told.error
    return told


def _copied(pooled: Pooled) -> Pooled:
    """The same outside of Ray's store, which is gone when the run is."""
    first = FirstTokens(np.array(pooled.first.norms), np.array(pooled.first.shares))
    return Pooled(np.array(pooled.activations), first)
