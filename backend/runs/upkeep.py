"""Keep a store in order: whether every file is whole, and what could be deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import StoreError
from backend.runs.imported_vectors import imported_list
from backend.runs.saved_vectors import saved_list
from backend.settings import Settings
from backend.store.catalog import readable, run_list
from backend.store.connection import by_age
from backend.store.run import open_run
from backend.store.study import list_studies, open_study
from backend.studies.hashing import content_hash

DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class CheckedFile:
    """One file of the store.

    Attributes:
        path: where it is.
        why: what is wrong with it and what to do; None where it is whole.
    """

    path: Path
    why: str | None


@dataclass(frozen=True)
class Candidate:
    """A run that could be deleted.

    Attributes:
        run_id: its id.
        bytes: of its file.
        days: since its file was written.
        users: what was made from it and stays, though it could not be made again.
    """

    run_id: str
    bytes: int
    days: float
    users: tuple[str, ...]


def check_store(settings: Settings) -> Iterator[CheckedFile]:
    """Read every study, run and named vector from one end to the other.

    A study's texts and scores are compared with the hash in its name, too.

    Args:
        settings: where the store is.
    """
    keys = {ref.key: ref for ref in list_studies(settings)}

    def study(key: str) -> None:
        with open_study(settings, keys[key]) as file:
            file.check_whole()
            found = content_hash(file.study())
        if found != keys[key].content_hash:
            raise StoreError(
                f"{key}.duckdb holds other texts or scores than its name says (hash {found}).",
                expected="a study as it was imported.",
                remedy="import it again, and delete this file.",
            )

    def run(run_id: str) -> None:
        with open_run(settings, run_id) as file:
            file.check_whole()
            file.summary()

    yield from _checked(settings.studies, list(keys), study)
    names = [path.stem for path in by_age(settings.runs.glob("*.duckdb"))]
    yield from _checked(settings.runs, names, run)
    vectors = saved_list(settings)
    for path in by_age(settings.vectors.glob("*.duckdb")):
        yield CheckedFile(path, vectors.broken.get(path.name))
    _, broken = imported_list(settings)
    for path in by_age(settings.imported_vectors.glob("*.duckdb")):
        yield CheckedFile(path, broken.get(path.name))


def users_of(settings: Settings, run_id: str) -> tuple[str, ...]:
    """What was made from a run and says so: saved vectors, by name.

    Args:
        settings: where the store is.
        run_id: a run.
    """
    return tuple(saved.name for saved in saved_list(settings).vectors if saved.run_id == run_id)


def prunable(
    settings: Settings, now: float, *, older_days: float | None, over_bytes: int | None
) -> tuple[Candidate, ...]:
    """The runs that are too old or too much, oldest first; nothing is deleted.

    Args:
        settings: where the store is.
        now: seconds since 1970.
        older_days: runs whose file is older; None for no such rule.
        over_bytes: of all runs together; as many of the oldest go as are needed to come below it.
            None for no such rule.
    """
    known = {run.run_id for run in run_list(settings).runs}
    found = []
    for path in by_age(settings.runs.glob("*.duckdb")):
        if path.stem in known:
            status = path.stat()
            days = (now - status.st_mtime) / DAY_SECONDS
            found.append(Candidate(path.stem, status.st_size, days, users_of(settings, path.stem)))
    excess = 0 if over_bytes is None else sum(run.bytes for run in found) - over_bytes
    chosen = []
    for run in found:
        if excess > 0 or (older_days is not None and run.days > older_days):
            chosen.append(run)
            excess -= run.bytes
    return tuple(chosen)


def _checked(
    folder: Path, names: Sequence[str], read: Callable[[str], None]
) -> Iterator[CheckedFile]:
    for name in names:
        _, broken = readable(folder, [name], read)
        path = folder / f"{name}.duckdb"
        yield CheckedFile(path, broken.get(path.name))
