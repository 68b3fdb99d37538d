"""What is computed from published runs, kept by the identity of their files.

Every page, report section and command asks here: a view's ``compute`` gets open runs and plain
choices, and is called again only when a file, the view or a choice is another.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from typing import Any, Concatenate, ParamSpec, TypeVar

from backend.core.dose import SteeringResult
from backend.runs.doses import steering_of
from backend.runs.imported_vectors import NamedVector, named_paths, named_vectors
from backend.settings import Settings, StatusThresholds
from backend.store.file_cache import FileCache
from backend.store.run import Run, open_run, run_path

T = TypeVar("T")
Choices = ParamSpec("Choices")
# Small values and figures' numbers; arrays of a whole study are kept by whoever makes them.
MOST = 512


class Results:
    """The results of one store. Values are shared and read-only.

    Args:
        settings: where the store is, and the thresholds of a status.
        most: how many results are kept.
    """

    def __init__(self, settings: Settings, most: int = MOST) -> None:
        self.settings = settings
        self._cache = FileCache(most)

    @property
    def thresholds(self) -> StatusThresholds:
        """Where r turns from failed to close to working."""
        return self.settings.thresholds

    def steering(self, run_id: str) -> tuple[SteeringResult, ...]:
        """How cells of a run steer, where that was measured. Args: the run."""
        return steering_of(self.settings, run_id)

    def of_run(
        self,
        compute: Callable[Concatenate[Run, Choices], T],
        run_id: str,
        *choices: Choices.args,
        **named: Choices.kwargs,
    ) -> T:
        """What a view computes from one run.

        Args:
            compute: gets the open run, then the choices.
            run_id: a published run.
            choices: hashable values.
            named: likewise.

        Raises:
            RunNotFound, UnreadableFile: the run cannot be read.
        """

        def make() -> T:
            with open_run(self.settings, run_id) as run:
                return compute(run, *choices, **named)

        key = _key(compute, choices, named)
        return self._cache.get(key, [run_path(self.settings, run_id)], make)

    def of_runs(
        self,
        compute: Callable[Concatenate[Sequence[Run], Choices], T],
        run_ids: Sequence[str],
        *choices: Choices.args,
        **named: Choices.kwargs,
    ) -> T:
        """What a view computes from several runs; as :meth:`of_run`, but ``compute`` gets a
        sequence of open runs."""

        def make() -> T:
            with ExitStack() as stack:
                runs = [stack.enter_context(open_run(self.settings, run_id)) for run_id in run_ids]
                return compute(runs, *choices, **named)

        paths = [run_path(self.settings, run_id) for run_id in run_ids]
        return self._cache.get(_key(compute, choices, named), paths, make)

    def with_saved(
        self,
        compute: Callable[Concatenate[Sequence[Run], Sequence[NamedVector], Choices], T],
        run_ids: Sequence[str],
        *choices: Choices.args,
        **named: Choices.kwargs,
    ) -> T:
        """What a view computes from several runs and all vectors that users have saved or
        imported; as :meth:`of_runs`, but ``compute`` gets these vectors after the runs."""

        def make() -> T:
            vectors = named_vectors(self.settings)
            with ExitStack() as stack:
                runs = [stack.enter_context(open_run(self.settings, run_id)) for run_id in run_ids]
                return compute(runs, vectors, *choices, **named)

        paths = [*(run_path(self.settings, run_id) for run_id in run_ids)]
        key = _key(compute, choices, named)
        return self._cache.get(key, [*paths, *named_paths(self.settings)], make)


def _key(compute: Callable[..., Any], choices: tuple[Any, ...], named: dict[str, Any]) -> Hashable:
    return (compute.__module__, compute.__qualname__, choices, tuple(sorted(named.items())))
