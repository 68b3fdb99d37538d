"""A Ray cluster: reached, looked at, and left as it was.

Ray is optional and is imported here alone, when a cluster is asked for.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from backend.errors import ClusterError
from backend.extraction.engine import Report
from backend.types import Progress

# Address of a cluster that runs on this machine, wherever it says it is.
AUTO = "auto"
_ADDRESS = re.compile(r"\[?([\w.:-]+?)\]?:([0-9]{1,5})")
# Results wait there until they are taken, a few batches at most.
_STORE_BYTES = 512 * 2**20
_CONNECT_SECONDS = 5.0
# Ray gives its processes 30 seconds to start, and no way to give them more: on a busy machine they
# need the second or third start.
STARTS = 4
# How often it is said that a start is still waited for.
_TELL_SECONDS = 1.0
# Read by Ray when it starts: say nothing to its makers, and leave CUDA_VISIBLE_DEVICES alone where
# an actor asks for no GPU.
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
# Ray knows one cluster per process.
_ALONE = threading.Lock()


class Cluster:
    """A cluster that this process is connected to.

    Args:
        ray: the package.
        address: where it is, for people.
    """

    def __init__(self, ray: Any, address: str) -> None:
        self.ray = ray
        self.address = address

    @property
    def has_gpus(self) -> bool:
        """Whether any of its nodes has a GPU."""
        return any(resources.get("GPU", 0) >= 1 for resources in self._nodes())

    def slots(self, cpus: int, gpus: int) -> int:
        """How many workers its nodes have room for, whatever else runs on them.

        Args:
            cpus: that each worker asks for, at least 1.
            gpus: likewise; may be 0.
        """
        asked = {"CPU": cpus, "GPU": gpus}
        return sum(
            min(int(node.get(name, 0) // amount) for name, amount in asked.items() if amount)
            for node in self._nodes()
        )

    @property
    def sizes(self) -> str:
        """What its nodes have, for people: 2 nodes with 8 CPUs and 1 GPU, 8 CPUs and 0 GPUs."""
        nodes = self._nodes()
        each = ", ".join(f"{n.get('CPU', 0):g} CPUs and {n.get('GPU', 0):g} GPUs" for n in nodes)
        return f"{len(nodes)} {'node' if len(nodes) == 1 else 'nodes'} with {each}"

    def _nodes(self) -> Sequence[dict[str, float]]:
        return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]


@contextmanager
def connected(address: str, report: Report = lambda _: None) -> Iterator[Cluster]:
    """A cluster; what was started is ended on leaving, and a cluster that was there stays.

    Ray's processes end with the thread that started them, so a thread of its own holds the
    connection: a job's thread may end before its run does.

    Args:
        address: host:port of an existing cluster's head, ``auto`` for the one that this machine is
            a node of, or empty to start one on this machine alone.
        report: told what is waited for, about each second; what it raises ends the waiting.

    Raises:
        ClusterError: Ray is not installed, no cluster is there or answers, or this process is
            connected to one already.
    """
    ray = _imported()
    if not _ALONE.acquire(blocking=False):
        raise ClusterError(
            "This process is connected to a Ray cluster already.",
            expected="one extraction on Ray at a time in a process.",
            remedy="wait for the other extraction, or start another worker.",
        )
    with ExitStack() as stack:
        stack.callback(_ALONE.release)
        _check_answers(address)
        options: dict[str, Any] = {"address": address}
        if not address:
            folder = tempfile.TemporaryDirectory(
                prefix="steerscope-ray-", ignore_cleanup_errors=True
            )
            options = {
                # Not one that RAY_ADDRESS names: nothing was said of another cluster.
                "address": "local",
                "include_dashboard": False,
                "object_store_memory": _STORE_BYTES,
                "_temp_dir": stack.enter_context(folder),
            }
        last = 1 if address else STARTS
        for start in range(1, last + 1):
            # What a start that failed has left ends with the thread that is held.
            held = stack.enter_context(ExitStack())
            fault = _begin(ray, options, held, partial(report, _beginning(address, start)))
            if fault is None:
                break
            held.close()
            if start == last:
                raise _unreachable(address, fault) from fault
        yield Cluster(ray, address or "this machine")


def _beginning(address: str, start: int) -> Progress:
    """What is waited for. Args: of the cluster; which of the starts this is."""
    if address:
        return Progress("connecting to Ray")
    if start == 1:
        return Progress("starting Ray on this machine")
    return Progress(f"Ray did not start in time; starting it again ({start} of {STARTS})")


def _begin(
    ray: Any, options: dict[str, Any], held: ExitStack, waiting: Callable[[], None]
) -> BaseException | None:
    """Connect in a thread of its own, which ends with what is held. Returns why Ray gave up."""
    begun: Future[None] = Future()
    leaving = threading.Event()
    keeper = threading.Thread(
        target=_keep, args=(ray, options, begun, leaving), name="ray", daemon=True
    )
    keeper.start()
    held.callback(keeper.join)
    held.callback(leaving.set)
    waiting()
    while not wait([begun], _TELL_SECONDS).done:
        waiting()
    return begun.exception()


def _keep(ray: Any, options: dict[str, Any], begun: Future[None], leaving: threading.Event) -> None:
    """Connect, and disconnect when told to, in one thread."""
    try:
        ray.init(
            **options, log_to_driver=False, configure_logging=False, logging_level=logging.ERROR
        )
    except BaseException as fault:  # noqa: BLE001  It is raised where it is waited for.
        ray.shutdown()
        begun.set_exception(fault)
        return
    begun.set_result(None)
    leaving.wait()
    ray.shutdown()


def _imported() -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        ray = import_module("ray")
    except ImportError as fault:
        raise ClusterError(
            f"The engine ray needs the package ray: {fault}.",
            expected="what requirements-ray.txt lists, installed.",
            remedy="run .venv/bin/python -m pip install -r requirements-ray.txt, or use --engine "
            "local.",
        ) from fault
    # Its warnings of a start outside the main thread, and the like, are no user's business.
    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


def _check_answers(address: str) -> None:
    """Refuse an address where nobody listens: Ray would try for a minute, and end the process."""
    if address in ("", AUTO):
        return
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ClusterError(
            f"{address!r} is not the address of a Ray cluster.",
            expected=f"host:port of its head, such as 10.0.0.5:6379, or {AUTO}.",
            remedy="take the address that ray start --head printed.",
        )
    try:
        socket.create_connection((match[1], int(match[2])), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as fault:
        raise _unreachable(address, fault) from fault


def _unreachable(address: str, fault: BaseException) -> ClusterError:
    if not address:
        return ClusterError(
            f"Ray did not start on this machine in {STARTS} tries: {fault}",
            expected="room for Ray's processes (about 0.5 GB), a writable temporary folder, and a "
            "machine that is not so busy that Ray needs over 30 seconds to start.",
            remedy="free memory, wait until the machine is less busy, or use --engine local.",
        )
    return ClusterError(
        f"There is no Ray cluster to use at {address}: {fault}",
        expected="a running cluster of this version of Ray, of which this machine is a node.",
        remedy="start one (ray start --head, and ray start --address HOST:PORT on this machine), "
        "or leave the address out to use this machine alone.",
    )
