"""Import a study into the store, from a path or from uploaded bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.errors import Fault, NotAllowed, SteerscopeError
from backend.settings import Settings
from backend.store.study import publish_study
from backend.studies.faults import FaultList, shown
from backend.studies.hashing import content_hash
from backend.studies.importer import read_loose_tables, read_study
from backend.studies.limits import MOST_BYTES, size
from backend.studies.mapping.form import StudyMapping
from backend.studies.parsed_files import Files
from backend.studies.pole_thresholds import PoleThresholds
from backend.types import Study, StudyRef


@dataclass(frozen=True)
class CheckedStudy:
    """A study that can be kept, and is not yet.

    Attributes:
        study: as it would be kept.
        notes: what its author should know: its format, what was left out and why.
    """

    study: Study
    notes: tuple[Fault, ...]


@dataclass(frozen=True)
class Imported:
    """A study that was kept.

    Attributes:
        ref: which study it is.
        notes: what its author should know, such as prompts that differ by white space only.
    """

    ref: StudyRef
    notes: tuple[Fault, ...]


def import_study(
    settings: Settings,
    path: Path,
    name: str | None = None,
    mapping: StudyMapping | None = None,
    chosen: PoleThresholds | None = None,
) -> Imported:
    """Check and keep a study that a user names by its path.

    Args:
        settings: where the store is, and which folders a path may lead to.
        path: folder, zip or file.
        name: name of the study; None takes it from the path.
        mapping: what the columns of its tables are; None where they are in a known format.
        chosen: by which scores another tool's judged answers become prompts; None as it has it.

    Raises:
        NotAllowed: the path may not be named here.
        StudyFaults: everything that is wrong with it; nothing is kept.
    """
    if not settings.may_name(path):
        raise NotAllowed(
            f"The study {shown(str(path))} may not be named by its path here.",
            expected="a path below an allowed folder, or an upload on the Runs page.",
            remedy="add its folder to STEERSCOPE_FOLDERS, or upload it.",
        )
    return keep_study(settings, path, name, mapping, chosen)


def keep_study(
    settings: Settings,
    path: Path,
    name: str | None = None,
    mapping: StudyMapping | None = None,
    chosen: PoleThresholds | None = None,
) -> Imported:
    """Check and keep a study; the same name and content give the file that is there already.

    Args:
        settings: where the store is.
        path: folder or zip, which no user has named: an upload, or the bundled sample.
        name: name of the study; None takes it from the path.
        mapping: what the columns of its tables are; None where they are in a known format.
        chosen: by which scores another tool's judged answers become prompts; None as it has it.

    Raises:
        StudyFaults: everything that is wrong with it; nothing is kept.
    """
    return keep_checked(settings, check_study(path, name, mapping, chosen))


def check_study(
    path: Path,
    name: str | None = None,
    mapping: StudyMapping | None = None,
    chosen: PoleThresholds | None = None,
) -> CheckedStudy:
    """Read and check a study, and keep nothing. Args and Raises: as for :func:`keep_study`."""
    faults = FaultList()
    return CheckedStudy(read_study(path, name, faults, mapping, chosen=chosen), faults.notes)


def keep_checked(settings: Settings, checked: CheckedStudy) -> Imported:
    """Keep a study that was checked. Args: where the store is, and the study."""
    study = checked.study
    return Imported(publish_study(settings, study, content_hash(study)), checked.notes)


def import_upload(settings: Settings, files: Sequence[tuple[str, bytes]], name: str) -> Imported:
    """Check and keep an uploaded study. Args and Raises: as for :func:`check_upload`."""
    return keep_checked(settings, check_upload(files, name))


def check_upload(
    files: Sequence[tuple[str, bytes]],
    name: str,
    mapping: StudyMapping | None = None,
    chosen: PoleThresholds | None = None,
) -> CheckedStudy:
    """Read and check an uploaded study, and keep nothing.

    Args:
        files: name and content of each: either one zip, or the study's files.
        name: name of the study; empty takes it from the zip.
        mapping: what the columns of its tables are; None where they are in a known format.
        chosen: by which scores another tool's judged answers become prompts; None as it has it.

    Raises:
        SteerscopeError: nothing was uploaded, or files that cannot be one study.
        UnknownTables: its tables are in no format that is known, and there is no mapping.
        StudyFaults: everything that is wrong with it.
    """
    with _uploaded(files) as source:
        # A zip's own name is one; that of the files' folder here says nothing.
        if not name and source.is_dir():
            raise SteerscopeError(
                "The study has no name.",
                expected="a name for files that are uploaded without a zip.",
                remedy="type one below the files and check again.",
            )
        return check_study(source, name or None, mapping, chosen)


def upload_tables(files: Sequence[tuple[str, bytes]]) -> Files:
    """The tables of an upload, to say what their columns are.

    Args:
        files: as for :func:`check_upload`.

    Raises:
        SteerscopeError: nothing was uploaded, or files that cannot be one study.
        StudyFaults: there are none that can be read, or they are too large together.
    """
    with _uploaded(files) as source:
        return read_loose_tables(source)


@contextmanager
def _uploaded(files: Sequence[tuple[str, bytes]]) -> Iterator[Path]:
    """A folder of the files, or the zip in it, until they are read."""
    zips = [file_name for file_name, _ in files if file_name.lower().endswith(".zip")]
    by_name = {Path(file_name).name: content for file_name, content in files}
    if not files:
        raise _unfit("No file was uploaded.")
    if len(zips) > 1:
        raise _unfit(f"{len(zips)} zips were uploaded, and each zip is one study.")
    if zips and len(files) > 1:
        raise _unfit(f"{shown(zips[0])} was uploaded together with other files.")
    if len(by_name) < len(files):
        names = [Path(file_name).name for file_name, _ in files]
        twice = next(file_name for file_name in names if names.count(file_name) > 1)
        raise _unfit(f"Two files of the name {shown(twice)} were uploaded.")
    total = sum(len(content) for _, content in files)
    if total > MOST_BYTES:
        raise _unfit(f"The files have {size(total)}; at most {size(MOST_BYTES)} are read.")
    with tempfile.TemporaryDirectory() as folder:
        for file_name, content in by_name.items():
            if not 0 < len(file_name.encode(errors="replace")) < 200 or not file_name.isprintable():
                raise _unfit(f"A file has the name {shown(file_name)}.")
            (Path(folder) / file_name).write_bytes(content)
        yield Path(folder) / Path(zips[0]).name if zips else Path(folder)


def _unfit(what: str) -> SteerscopeError:
    return SteerscopeError(
        what,
        expected="one zip, or prompts.* with optional responses.* and study.json, or tables.",
        remedy="choose the files and check again.",
    )
