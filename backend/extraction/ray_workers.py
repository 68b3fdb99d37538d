"""Workers of a Ray cluster and the pieces of work they are at.

Ray's own retries wait for ever for what a lost node took with it, so none are used: a lost worker's
pieces go to those that are left, another worker is started where there is room, and both are
bounded.
"""

from __future__ import annotations

import pickle
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from backend.errors import ClusterError
from backend.extraction.engine import Report
from backend.extraction.ray_cluster import Cluster
from backend.extraction.ray_program import JoinedWorker, Program, WorkerFault
from backend.types import Progress

# How often a piece is tried whose worker dies while it does it.
MOST_TRIES = 3
# How many workers are started in place of each that was asked for.
_REPLACEMENTS = 3
_ASK_SECONDS = 1.0
_ROOT = Path(__file__).resolve().parents[2]

Piece = TypeVar("Piece", bound=Hashable)
Joined = TypeVar("Joined", bound=JoinedWorker)


@dataclass
class _Worker(Generic[Piece, Joined]):
    """An actor.

    Attributes:
        actor: its handle.
        joined: what it says of itself; None while it loads.
        flying: its pieces that are on their way, oldest first, by the references of their results.
    """

    actor: Any
    joined: Joined | None = None
    flying: dict[Any, Piece] = field(default_factory=dict)


@dataclass(frozen=True)
class Resources:
    """What is asked of a cluster.

    Attributes:
        count: how many workers.
        cpus: of each, at least 1; it uses as many threads.
        gpus: of each, 0 or 1.
    """

    count: int
    cpus: int
    gpus: int


def check_workers(workers: int, cpus: int) -> None:
    """Refuse a number of workers, or of CPUs, that no cluster has.

    Args:
        workers: how many; 0 for as many as there is room for.
        cpus: of each.

    Raises:
        ClusterError: they are negative, or have no CPU.
    """
    if workers < 0 or cpus < 1:
        raise ClusterError(
            f"{workers} workers of {cpus} CPUs each cannot be started.",
            expected="0 (as many as there is room for) or more workers, of 1 CPU or more each.",
            remedy="change --workers or --worker-cpus.",
        )


def resources(cluster: Cluster, workers: int, cpus: int, gpus: int) -> Resources:
    """What to start on a cluster. Ray itself would wait for ever for what is not there.

    Args:
        cluster: where the workers will be.
        workers: how many; 0 for as many as there is room for.
        cpus: of each.
        gpus: of each.

    Raises:
        ClusterError: there is no room for them, even if nothing else ran there.
    """
    slots = cluster.slots(cpus, gpus)
    if slots < max(1, workers):
        each = f"{cpus} {'CPU' if cpus == 1 else 'CPUs'}" + (" and 1 GPU" if gpus else "")
        raise ClusterError(
            f"There is room for {slots} of {max(1, workers)} workers with {each} each on Ray at "
            f"{cluster.address}.",
            expected=f"nodes with that much; it has {cluster.sizes}.",
            remedy="ask for fewer --workers or --worker-cpus, add nodes, use --engine local, or "
            "extract with --device cpu.",
        )
    return Resources(workers or slots, cpus, gpus)


@dataclass(frozen=True)
class Wording:
    """How pieces of work are spoken of.

    Attributes:
        piece: one of them, by what it is called among the others.
        remedy: what to do where a piece ends worker after worker.
    """

    piece: Callable[[Any], str]
    remedy: str


class Workers(Generic[Piece, Joined]):
    """Workers of a cluster, started at once; ended by :meth:`close`.

    Args:
        cluster: where they run.
        program: what each runs.
        asked: how many, and of what size.
        depth: pieces of a worker that may be on their way at a time.
        wording: how pieces are spoken of.
        report: told what is waited for.
    """

    def __init__(
        self,
        cluster: Cluster,
        program: Program,
        asked: Resources,
        *,
        depth: int,
        wording: Wording,
        report: Report,
    ) -> None:
        self._cluster = cluster
        self._ray = cluster.ray
        self._asked = asked
        self._depth, self._wording = depth, wording
        self._report = report
        self._lost = _lost_kinds(self._ray.exceptions)
        self._class = self._ray.remote(
            num_cpus=asked.cpus,
            num_gpus=asked.gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )(_actor_class())
        self._program = (program.module, program.name)
        self._spec = self._ray.put(pickle.dumps(program.spec))
        self._starts = 0
        self._starting: dict[Any, _Worker[Piece, Joined]] = {}
        self._live: list[_Worker[Piece, Joined]] = []
        self._first: Joined | None = None
        self._window: tuple[Piece, ...] = ()
        self._waiting: deque[Piece] = deque()
        self._found: dict[Piece, Any] = {}
        self._tries: Counter[Piece] = Counter()
        self._why = ""
        for _ in range(asked.count):
            self._start()

    @property
    def joined(self) -> tuple[Joined, ...]:
        """Those that are ready and not known to be lost."""
        return tuple(worker.joined for worker in self._live if worker.joined is not None)

    @property
    def ahead(self) -> int:
        """How many pieces the workers that are ready can have on their way."""
        return self._depth * max(1, len(self._live))

    def first(self) -> Joined:
        """The first worker that is ready; the others join when they are.

        Raises:
            SteerscopeError: what a worker says.
            ClusterError: no worker is left, or workers differ in what they run.
        """
        while self._first is None:
            self._turn()
        return self._first

    def wait_for_all(self) -> None:
        """Wait until no worker is being started any more; work goes faster from then on.

        Raises:
            SteerscopeError, ClusterError: as of :meth:`first`.
        """
        while self._starting:
            self._turn()

    def take(
        self,
        window: Sequence[Piece],
        given: Callable[[Piece], Any],
        idle: Callable[[], None] = lambda: None,
    ) -> Any:
        """What a worker makes of the first of some pieces; the others are sent out meanwhile.

        Args:
            window: the piece that is wanted now, and those that will be next. Results of no other
                piece are kept.
            given: what a worker gets for a piece; asked for when the piece is sent, and again if
                its worker is lost.
            idle: called about each second of waiting; what it raises ends the waiting.

        Returns:
            What the program's ``work`` returned; arrays may lie in Ray's store, which is gone when
            the connection is.

        Raises:
            SteerscopeError: what the worker says.
            ClusterError: the piece ended worker after worker, or no worker is left.
        """
        self._window = tuple(window)
        self._found = {piece: value for piece, value in self._found.items() if piece in window}
        flying = {piece for worker in self._live for piece in worker.flying.values()}
        self._waiting = deque(
            piece for piece in window if piece not in self._found and piece not in flying
        )
        while window[0] not in self._found:
            self._send(given)
            self._turn(idle)
        return self._found.pop(window[0])

    def close(self) -> None:
        """End all workers; what they are at is lost."""
        for worker in [*self._live, *self._starting.values()]:
            self._end(worker)
        self._live, self._starting = [], {}

    def _start(self) -> None:
        self._starts += 1
        actor = self._class.remote(str(_ROOT), *self._program, self._spec)
        self._starting[actor.load.remote()] = _Worker(actor)

    def _turn(self, idle: Callable[[], None] = lambda: None) -> None:
        """Wait for one event, or a second."""
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
                self._arrives(ref, flying[ref])
        if not ready:
            idle()
        if not ready and not self._live:
            if not self._cluster.slots(self._asked.cpus, self._asked.gpus):
                raise self._none_left()
            self._report(Progress(f"waiting for the first of {self._asked.count} workers on Ray"))

    def _send(self, given: Callable[[Piece], Any]) -> None:
        while self._waiting and self._live:
            worker = min(self._live, key=lambda one: len(one.flying))
            if len(worker.flying) >= self._depth:
                return
            piece = self._waiting.popleft()
            worker.flying[worker.actor.work.remote(given(piece))] = piece

    def _joins(self, ref: Any, worker: _Worker[Piece, Joined]) -> None:
        """A worker is ready, or failed to be."""
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
        joined: Joined = _unless_fault(told)
        self._first = self._first or joined
        for name, one in self._first.alike.items():
            other = joined.alike[name]
            if one != other:
                raise ClusterError(
                    f"Nodes of the Ray cluster differ in {name}: {one} on {self._first.node}, "
                    f"{other} on {joined.node}.",
                    expected="the same program, model and libraries on every node.",
                    remedy="install the same versions and copy the same model to all of them.",
                )
        worker.joined = joined
        self._live.append(worker)

    def _arrives(self, ref: Any, worker: _Worker[Piece, Joined]) -> None:
        """A piece is done, or its worker is lost."""
        try:
            told = self._ray.get(ref)
        except self._lost as fault:
            self._loses(worker, fault)
            return
        piece = worker.flying.pop(ref)
        found = _unless_fault(told)
        if piece in self._window:
            self._found[piece] = found

    def _loses(self, worker: _Worker[Piece, Joined], fault: Exception) -> None:
        """Give a lost worker's pieces to others, and start another where there is room.

        The oldest of its pieces is the one it was at.
        """
        self._why = str(fault).strip().split("\n", 1)[0]
        self._end(worker)
        if worker in self._live:
            self._live.remove(worker)
        pieces = list(worker.flying.values())
        for piece in pieces[:1]:
            self._tries[piece] += 1
            if self._tries[piece] >= MOST_TRIES:
                raise ClusterError(
                    f"{self._wording.piece(piece)} ended its worker {MOST_TRIES} times: "
                    f"{self._why}",
                    expected="workers that live through every piece of work.",
                    remedy=self._wording.remedy,
                )
        self._waiting.extendleft(reversed(pieces))
        alive = len(self._live) + len(self._starting)
        room = self._cluster.slots(self._asked.cpus, self._asked.gpus) > alive
        if room and self._starts < self._asked.count * (1 + _REPLACEMENTS):
            self._start()

    def _end(self, worker: _Worker[Piece, Joined]) -> None:
        self._ray.kill(worker.actor, no_restart=True)

    def _none_left(self) -> ClusterError:
        why = f": {self._why}" if self._why else ""
        return ClusterError(
            f"None of the {self._asked.count} workers on Ray is left{why}.",
            expected=f"a node with {self._asked.cpus} CPUs and {self._asked.gpus} GPUs for each "
            f"worker; the cluster has {self._cluster.sizes}.",
            remedy="bring the nodes back and continue the run; what was done is kept.",
        )


def _actor_class() -> type:
    """The class of the actors. Ray sends one that is made inside a function by value, so that a
    node can be told where the program is before it imports any of it."""

    class SteerscopeWorker:
        def __init__(self, root: str, module: str, name: str, spec: bytes) -> None:
            self._root, self._module, self._name, self._spec = root, module, name, spec

        def load(self) -> Any:
            """What the program's ``load`` says, or why the program is not there."""
            import pickle
            import sys
            from importlib import import_module

            if self._root not in sys.path:
                sys.path.insert(0, self._root)
            try:
                module = import_module(self._module)
            except ImportError as fault:
                return str(fault)
            self._worker = getattr(module, self._name)(pickle.loads(self._spec))
            return self._worker.load()

        def work(self, given: Any) -> Any:
            """What the program's ``work`` says."""
            return self._worker.work(given)

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
