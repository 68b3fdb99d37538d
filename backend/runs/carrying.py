"""Derived rows that a run takes from another, copied by a thread of its own.

Most of a run that is tried again is copied from the one before. Copying is DuckDB's work and
deriving Python's, so both go on at once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from backend.errors import StoreError
from backend.settings import Settings
from backend.store.connection import MALFORMED
from backend.store.run import Run
from backend.store.source_run import Carried, open_source
from backend.store.work_file import LostSource, WorkFile

logger = logging.getLogger("steerscope.runs")


class Carrying:
    """Rows on their way into a work file that has no derived rows yet. While they are, others may
    read the work file and derive, and must not write.

    Args:
        settings: where the published run is.
        work: the work file.
        carried: what is taken.
    """

    def __init__(self, settings: Settings, work: WorkFile, carried: Carried) -> None:
        self._carried = carried
        self._stack = ExitStack()
        self._source: Run | None = None
        try:
            opened = open_source(settings, carried.part.run_id)
            self._source = self._stack.enter_context(opened)
        except (StoreError, *MALFORMED) as fault:
            logger.warning("nothing derived is taken from %s: %s", carried.part.run_id, fault)
            return
        pool = self._stack.enter_context(ThreadPoolExecutor(1))
        self._copied = pool.submit(work.carry(settings, carried))

    @property
    def source(self) -> Run | None:
        """The run that rows are taken from; None when they are there, or lost."""
        return self._source

    def fitted(self, traits: Sequence[str]) -> list[str]:
        """Those of some traits of which what is fitted to responses is taken. Args: the traits."""
        taken = () if self._source is None else self._carried.scored
        return [trait for trait in traits if trait in taken]

    def leaves(self, traits: Sequence[str]) -> list[str]:
        """Those of some traits of which not all rows are on their way. Args: the traits."""
        taken = () if self._source is None else self._carried.traits
        return [trait for trait in traits if trait not in taken]

    def wait(self) -> None:
        """Until the rows are there, or lost: then they are derived as others are. Repeatable.

        Raises:
            NoRoom: the disk is full.
        """
        if self._source is None:
            return
        self._source = None
        try:
            self._copied.result()
        except LostSource:
            pass  # told already
        finally:
            self._stack.close()
