"""What a task names is in this cache before it begins, where other caches may have made it a moment
ago. Nothing happens where there is no shared place."""

from __future__ import annotations

from collections.abc import Iterable

from backend.names import may_name_file
from backend.settings import Settings
from backend.steering.vectors import VectorSource
from backend.store.saved_vector import list_vectors, read_vector
from backend.store.shared import share


def bring(settings: Settings, kind: str, names: Iterable[str]) -> None:
    """Have the newest of some files here.

    Args:
        settings: of the cache.
        kind: of :data:`backend.store.shared.KINDS`.
        names: of the files; what can be no name is left to the task's own checks.

    Raises:
        SharedAway: the shared place cannot be asked.
        StoreError: what was fetched is not what was published.
        NoRoom: the disk is full.
    """
    for name in names:
        if may_name_file(name):
            share(settings, kind, name)


def bring_vector(settings: Settings, name: str) -> None:
    """Have a saved or imported vector here, and the run that a saved one is of.

    Args:
        settings: of the cache.
        name: of the vector; empty for none.

    Raises:
        SharedAway, StoreError, NoRoom: as :func:`bring`.
    """
    if settings.shared and may_name_file(name):
        share(settings, "vectors", name)
        share(settings, "imported-vectors", name)
        if name in list_vectors(settings):
            bring(settings, "runs", [read_vector(settings, name).run_id])


def bring_source(settings: Settings, source: VectorSource) -> None:
    """Have here what steers: the run, and a saved or imported vector.

    Args:
        settings: of the cache.
        source: which vector.

    Raises:
        SharedAway, StoreError, NoRoom: as :func:`bring`.
    """
    bring(settings, "runs", [source.run_id])
    bring_vector(settings, source.name)
