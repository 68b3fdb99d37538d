"""Several nodes of Ray on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Ray needs tens of seconds to start where others use the machine.
PATIENCE_SECONDS = 120.0
_STORE_BYTES = 80 * 2**20
_TITLE = b"ray::SteerscopeWorker"
# A node that is gone is missed within seconds; one that is only slow is not.
_CONFIG = {
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 20_000,
    "health_check_failure_threshold": 5,
    "worker_register_timeout_seconds": 300,
}
# Ray gives a node 30 seconds to start, and no way to give it more.
_STARTS = 4


@dataclass
class Nodes:
    """A cluster of two nodes with one CPU each.

    Attributes:
        cluster: of ray.cluster_utils.
        other: the node that is not the head; None when it is killed.
    """

    cluster: Any
    other: Any

    @property
    def address(self) -> str:
        """Of its head."""
        return str(self.cluster.address)

    def has(self, pid: int) -> bool:
        """Whether a worker runs on the node that is not the head."""
        return parent(pid) == raylet(self.other)

    def kill_other(self) -> None:
        """Kill the node that is not the head, with all its processes."""
        self.cluster.remove_node(self.other, allow_graceful=False)
        self.other = None

    def workers(self) -> list[int]:
        """Processes of workers of this program that are alive on the nodes."""
        nodes = [self.cluster.head_node, *([self.other] if self.other else [])]
        raylets = {raylet(node) for node in nodes}
        return [pid for pid in processes() if title(pid) and parent(pid) in raylets]

    def left(self) -> int:
        """How many are alive when there was time for them to end."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.workers() and time.monotonic() < deadline:
            time.sleep(0.1)
        return len(self.workers())


@contextmanager
def ray_nodes() -> Iterator[Nodes]:
    """A head and another node, with one CPU each."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        _added(cluster, include_dashboard=False, _system_config=_CONFIG)
        yield Nodes(cluster, _added(cluster))
    finally:
        cluster.shutdown()


def _added(cluster: Any, **options: Any) -> Any:
    """A new node; tried again where the machine is too busy for Ray's time limit."""
    for left in reversed(range(_STARTS)):
        try:
            return cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES, **options)
        except Exception:
            if not left:
                raise
            if cluster.head_node is None:
                # Of a head that did not start, the cluster knows its processes only.
                cluster.shutdown()
    raise AssertionError("not reached")


def kill(pid: int) -> None:
    """End a process at once."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def raylet(node: Any) -> int:
    """Process id of a node's raylet, the parent of its workers."""
    return int(node.all_processes["raylet"][0].process.pid)


def processes() -> list[int]:
    """All process ids of this machine."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def parent(pid: int) -> int:
    """Its parent's process id; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return 0


def title(pid: int) -> bool:
    """Whether it is a worker of this program."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(_TITLE)
    except OSError:
        return False
