"""The engines that run a model, each with what its contract tests need. A new one is a line in
``CONTRACT``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from backend.extraction.engine import LOCAL, RAY, VLLM
from tests.support.ray_nodes import kill, ray_nodes
from tests.support.vllm_process import hosts, require_vllm


@dataclass(frozen=True)
class Place:
    """Where an engine runs.

    Attributes:
        ray_address: as in the settings.
        kill: ends one of the processes that pool for an open engine; None where that is this one.
        left: how many such processes are alive.
        others: whether others take over what it was at; else the job ends, and goes on in another
            opening.
        any_batch: whether texts are read as they are, so that they can be asked for in any batch.
        wide: whether a model's heads must be wide.
    """

    ray_address: str = ""
    kill: Callable[[Any], None] | None = None
    left: Callable[[], int] = lambda: 0
    others: bool = True
    any_batch: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Contracted:
    """An engine under test.

    Attributes:
        name: as registered.
        place: started once for all its tests.
    """

    name: str
    place: Callable[[], AbstractContextManager[Place]]


@contextmanager
def this_process() -> Iterator[Place]:
    """Nothing is started."""
    yield Place()


@contextmanager
def two_nodes() -> Iterator[Place]:
    """Nodes of Ray, each with room for one worker."""
    with ray_nodes() as nodes:
        yield Place(nodes.address, lambda opened: kill(opened.workers.joined[0].pid), nodes.left)


@contextmanager
def own_environment() -> Iterator[Place]:
    """vLLM for CPUs, if it is there; each opening starts a process."""
    require_vllm()
    yield Place(
        kill=lambda opened: kill(opened.process.pid),
        left=hosts,
        others=False,
        any_batch=True,
        wide=True,
    )


CONTRACT = [
    Contracted(LOCAL, this_process),
    Contracted(RAY, two_nodes),
    Contracted(VLLM, own_environment),
]
# They run no model: what they hold was drawn or made elsewhere.
WITHOUT_MODEL = ("phantom", "imported")
