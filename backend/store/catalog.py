"""Which studies and runs there are, and which files in the store cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from backend.errors import StoreError
from backend.settings import Settings
from backend.store.connection import MALFORMED, damage_of, unreadable
from backend.store.file_cache import FileCache, FileIdentity, identities
from backend.store.run import open_run, run_path
from backend.store.run_values import RunSummary
from backend.store.study import StudySummary, list_studies, study_summary
from backend.store.summary_index import load_summaries, save_summaries

T = TypeVar("T")
# Every page lists the store at every click: a file is opened again only when it has changed.
_SUMMARIES = FileCache(4096)


@dataclass(frozen=True)
class RunList:
    """Published runs.

    Attributes:
        runs: readable ones, oldest first.
        broken: file name -> why it cannot be read.
    """

    runs: tuple[RunSummary, ...]
    broken: dict[str, str]

    def of_study(self, wanted: str) -> tuple[RunSummary, ...]:
        """The runs of a study, oldest first; none where there are none.

        Args:
            wanted: ``name@hash``, or a name for its newest revision that has runs.
        """
        known = [run for run in self.runs if wanted in (run.study_key, run.record.study_name)]
        return tuple(run for run in known if run.study_key == known[-1].study_key)


@dataclass(frozen=True)
class StudyList:
    """Published studies.

    Attributes:
        studies: readable ones, by name, newest revision of a name last.
        broken: file name -> why it cannot be read.
    """

    studies: tuple[StudySummary, ...]
    broken: dict[str, str]


def run_summary(settings: Settings, run_id: str) -> RunSummary:
    """One run in one line.

    Raises:
        RunNotFound: there is no such run.
        UnreadableFile: its file is damaged or of another format.
    """

    return _SUMMARIES.get("run", [run_path(settings, run_id)], lambda: _read(settings, run_id))


def _read(settings: Settings, run_id: str) -> RunSummary:
    with open_run(settings, run_id) as run:
        run.check_whole()
        return run.summary()


def run_list(settings: Settings) -> RunList:
    """All published runs, oldest extraction first.

    A file that cannot be read is listed with its reason, not raised.
    """
    files = identities(settings.runs, ".duckdb") if settings.runs.is_dir() else {}
    kept: dict[FileIdentity, RunSummary] | None = None
    fresh = False

    def known(run_id: str) -> RunSummary:
        """From the index that an earlier server left, or from the run itself."""
        nonlocal kept, fresh
        if kept is None:
            kept = load_summaries(settings)
        if (found := kept.get(files[run_id])) is not None:
            return found
        fresh = True
        return _read(settings, run_id)

    def summary_of(run_id: str) -> tuple[FileIdentity, RunSummary]:
        identity = files[run_id]
        return identity, _SUMMARIES.get_as_of("run", [identity], lambda: known(run_id))

    found, broken = readable(settings.runs, tuple(files), summary_of)
    if fresh:
        save_summaries(settings, dict(found))
    runs = [run for _, run in found]
    # Not by the file's date, which a derivation moves.
    return RunList(tuple(sorted(runs, key=lambda r: (str(r.record.created_at), r.run_id))), broken)


def study_list(settings: Settings) -> StudyList:
    """All published studies; a file that cannot be read is listed with its reason."""

    def summary_of(key: str) -> StudySummary:
        ref = by_key[key]
        path = settings.studies / f"{key}.duckdb"
        return _SUMMARIES.get("study", [path], lambda: study_summary(settings, ref))

    by_key = {ref.key: ref for ref in list_studies(settings)}
    return StudyList(*readable(settings.studies, tuple(by_key), summary_of))


def readable(
    folder: Path, names: Sequence[str], read: Callable[[str], T]
) -> tuple[tuple[T, ...], dict[str, str]]:
    """What can be read of some files, and why the others cannot; not those that are gone.

    Args:
        folder: where the files are.
        names: their names without ``.duckdb``.
        read: reads one, by its name.

    Returns:
        What was read, in order, and file name -> why it cannot be read.
    """
    found: list[T] = []
    broken: dict[str, str] = {}
    for name in names:
        path = folder / f"{name}.duckdb"
        if (why := damage_of(FileIdentity.of(path))) is not None:
            told = unreadable(path, why)
            broken[path.name] = f"{told.what} {told.remedy}"
            continue
        try:
            found.append(read(name))
        except StoreError as fault:
            if path.exists():
                broken[path.name] = f"{fault.what} {fault.remedy}"
        except MALFORMED as fault:
            if path.exists():
                why = (str(fault).splitlines() or [type(fault).__name__])[0]
                told = unreadable(path, f"its tables hold something unexpected ({why})")
                broken[path.name] = f"{told.what} {told.remedy}"
    return tuple(found), broken


def run_names(runs: Sequence[RunSummary]) -> list[str]:
    """The runs' short labels, with the run's id where two runs share one."""
    labels = [run.label for run in runs]
    return [
        run.label if labels.count(run.label) == 1 else f"{run.label} ({run.run_id})" for run in runs
    ]
