"""What the workers of a Ray cluster are given to run, and what they say of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backend.errors import SteerscopeError


@dataclass(frozen=True)
class Program:
    """A class that each worker makes one of. Its ``load()`` is called once and returns a
    :class:`JoinedWorker`; its ``work(given)`` does one piece. Both return a :class:`WorkerFault`
    for what a user can mend.

    Attributes:
        module: where the class is; imported by the workers alone.
        name: of the class.
        spec: what it is made with; sent once to each worker.
    """

    module: str
    name: str
    spec: Any


@dataclass(frozen=True)
class JoinedWorker:
    """A worker that is ready.

    Attributes:
        node: name of its machine.
        pid: of its process there.
        versions: library -> version there.
    """

    node: str
    pid: int
    versions: dict[str, str]

    @property
    def alike(self) -> dict[str, object]:
        """What must be the same of all workers, by its name for people."""
        return {"versions": self.versions}


@dataclass(frozen=True)
class WorkerFault:
    """An error of a worker that a user can mend; such an error cannot be pickled itself.

    Attributes:
        kind: its class.
        what: what was found to be wrong.
        expected: what would have been right.
        remedy: what to do about it.
    """

    kind: type[SteerscopeError]
    what: str
    expected: str
    remedy: str

    @classmethod
    def of(cls, fault: SteerscopeError) -> WorkerFault:
        """What an error says."""
        return cls(type(fault), fault.what, fault.expected, fault.remedy)

    @property
    def error(self) -> SteerscopeError:
        """The error, to be raised where it is read."""
        return self.kind(self.what, expected=self.expected, remedy=self.remedy)
