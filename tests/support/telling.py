"""What a task tells, kept for a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backend.types import Progress


class Telling:
    """As :class:`backend.jobs.kind.Tell`.

    Args:
        task_id: of the task.
        leave: called at every check with whether it is one that comes before something is
            published; what it raises ends the task.
    """

    def __init__(
        self,
        task_id: str = "count-20260131-120000-0a1b2c3d",
        leave: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self.task_id = task_id
        self.stages: list[str] = []
        self.pieces: list[Any] = []
        self._leave = leave

    def progress(self, progress: Progress) -> None:
        self.stages.append(progress.stage)
        self.check()

    def piece(self, value: Any) -> None:
        self.pieces.append(value)
        self.check()

    def check(self, *, now: bool = False) -> None:
        self._leave(now)
