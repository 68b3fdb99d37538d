"""What a kind of job that is no extraction consists of.

Its work is given plain JSON values and gives back such; what it makes while it runs, such as the
tokens of an answer, it tells piece by piece. A kind is a file in :mod:`backend.jobs.tasks_of` with
a ``KIND``, and a line in :data:`backend.jobs.kinds.KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from backend.settings import Settings
from backend.types import Progress

Values = Mapping[str, Any]


class Tell(Protocol):
    """What a job has to say while it runs.

    Attributes:
        task_id: its name: what it publishes is called after it, so that a job that is begun again
            finds it.
    """

    task_id: str

    def progress(self, progress: Progress) -> None:
        """How far it is; also :meth:`check`."""

    def piece(self, value: Any) -> None:
        """A part of what it makes, in the order of being made; also :meth:`check`.

        Args:
            value: plain JSON.
        """

    def check(self, *, now: bool = False) -> None:
        """Go on, or leave the job: call it often, as a cancel takes effect here.

        Args:
            now: ask, however lately that was done: what follows is seen by others.

        Raises:
            Left: the job has been cancelled, or this worker is to end.
        """


@dataclass(frozen=True)
class JobKind:
    """One kind of job.

    Attributes:
        name: in the queue.
        lane: of the queue; jobs of one lane are done one after another by each worker.
        check: refuses values that cannot be meant, before they are queued, with a sentence.
        bring: has in the worker's cache what the values name (:mod:`backend.jobs.bringing`).
        work: does it, in the worker; gives the result as plain JSON. It may be begun again from the
            start, when its worker died or the shared place was away.
    """

    name: str
    lane: str
    check: Callable[[Settings, Values], None]
    bring: Callable[[Settings, Values], None]
    work: Callable[[Settings, Values, Tell], Any]
