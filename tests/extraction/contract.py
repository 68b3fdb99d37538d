"""The engines that run a model, each with what its contract tests need. A new one is a line in
``CONTRACT``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from backend.extraction.engine import LOCAL, OpenEngine


@dataclass(frozen=True)
class Place:
    """Where an engine runs.

    Attributes:
        kill: ends one of the processes that pool for an open engine; None where that is this one.
        left: how many such processes are alive.
    """

    kill: Callable[[OpenEngine], None] | None = None
    left: Callable[[], int] = lambda: 0


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


CONTRACT = [Contracted(LOCAL, this_process)]
# They run no model: what they hold was drawn or made elsewhere.
WITHOUT_MODEL = ("phantom", "imported")
