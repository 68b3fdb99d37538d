"""Read a whole study and report all its faults at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from backend.errors import Fault, SteerscopeError, StudyFaults, UnknownTables
from backend.studies.faults import ALL_FILES, FaultList, near_name, shown
from backend.studies.foreign.form import UnderstoodStudy
from backend.studies.foreign.registry import no_scored_prompts, read_foreign
from backend.studies.mapping.apply import apply_mapping
from backend.studies.mapping.form import StudyMapping
from backend.studies.mapping.guess import PAIRS
from backend.studies.metadata import FILE as METADATA_FILE
from backend.studies.metadata import read_metadata
from backend.studies.parsed_files import SUFFIXES, Files, Parsed, parse_files
from backend.studies.pole_thresholds import PoleThresholds
from backend.studies.prompts import named_traits, read_prompts
from backend.studies.responses import note_part_of_range, read_responses
from backend.studies.source import (
    choose_table,
    has_table,
    is_zip,
    packed_tables,
    read_source,
    read_tables,
)
from backend.studies.tables import read_rows
from backend.types import Prompt, Response, Study

# Tables, and columns of each, that a message lists.
_MOST_TABLES, _MOST_COLUMNS = 5, 12
# Stricter than what may name a file, so that a name can be typed and is never two by case.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,63}")


def read_study(
    path: Path,
    name: str | None = None,
    faults: FaultList | None = None,
    mapping: StudyMapping | None = None,
    *,
    unscored: bool = False,
    chosen: PoleThresholds | None = None,
) -> Study:
    """Read and check a study.

    Args:
        path: folder or zip in the format of docs/studies.md, files of another tool
            (docs/formats.md), or any tables with a mapping.
        name: name of the study; None makes one from the path.
        faults: told of everything wrong and of what should be noted; None for a list of its own.
        mapping: what the columns of its tables are; None where they are in a known format.
        unscored: whether responses without any score are fine, as those of a study that is yet to
            be judged.
        chosen: by which scores another tool's judged answers become prompts; None as the tool
            has it.

    Raises:
        UnknownTables: its tables are in no format that is known, and there is no mapping.
        StudyFaults: everything that is wrong with it.
        SteerscopeError: the name cannot be used, or there is no prompt.
    """
    study_name = checked_name(_slug(path) if name is None else name)
    faults = FaultList() if faults is None else faults
    if mapping is not None:
        if chosen is not None:
            no_scored_prompts("a mapping", faults)
        return _mapped(path, study_name, mapping, faults)
    own = FaultList()
    source = read_source(path, own)
    a_file = path.is_file() and not is_zip(path)
    if not has_table("prompts", source) and (a_file or own.count == 0):
        files = _read_files(path, faults)
        found = read_foreign(files, faults, chosen)
        faults.raise_if_any()
        if found is not None:
            return _with_prompts(_study(study_name, found))
        tables = [file for file in files.values() if file.rows]
        broken = unreadable(files)
        # A packed table of prompts is the cause, whatever lies beside it.
        if tables and not packed_tables("prompts", source):
            choose_table("prompts", source, own, required=True)
            raise _unknown_tables(tables, broken, own)
        for file in broken:
            faults.extend(file.faults)
        if a_file:  # what it lacks as a folder would say less than why it cannot be read
            faults.raise_if_any()
    faults.extend(own)
    if chosen is not None:
        no_scored_prompts("a study of its own tables", faults)
    faults.raise_if_any()
    metadata = read_metadata(source.files.get(METADATA_FILE), faults)
    prompts: list[Prompt] = []
    responses: list[Response] = []
    present: set[str] | None = None
    prompts_file = choose_table("prompts", source, faults, required=True)
    if prompts_file is not None:
        before = faults.count
        rows = read_rows(prompts_file, source.files[prompts_file], faults)
        if rows is not None:
            complete = faults.count == before
            prompts = read_prompts(prompts_file, rows, faults, complete=complete)
            # A record that could not be read may name any trait.
            present = named_traits(rows) if complete else None
    for trait in metadata.traits:
        if present is not None and trait not in present:
            faults.add(
                METADATA_FILE,
                None,
                f"Trait {trait!r} is described and has no prompts.",
                "Add its prompts, or remove the description.",
            )
    responses_file = choose_table("responses", source, faults, required=False)
    if responses_file is not None:
        before = faults.count
        rows = read_rows(responses_file, source.files[responses_file], faults)
        if rows is not None:
            responses = read_responses(
                responses_file,
                rows,
                present,
                metadata.score_range,
                faults,
                unscored=unscored,
                complete=faults.count == before,
            )
            if not metadata.range_said:
                note_part_of_range(responses_file, responses, metadata.score_range, faults)
    faults.raise_if_any()
    present = {prompt.trait for prompt in prompts}
    order = [*metadata.traits, *sorted(present - metadata.traits.keys())]
    return _with_prompts(
        Study(
            name=study_name,
            title=metadata.title or study_name,
            description=metadata.description,
            licence=metadata.licence,
            provenance=metadata.provenance or "Its authors do not say who wrote and who scored it.",
            score_range=metadata.score_range,
            traits={trait: metadata.traits.get(trait, "") for trait in order},
            prompts=tuple(prompts),
            responses=tuple(responses),
        )
    )


def read_loose_tables(path: Path) -> Files:
    """The tables of a path, to say what their columns are.

    Args:
        path: folder, zip or file.

    Raises:
        StudyFaults: there are none that can be read, or they are too large together.
    """
    faults = FaultList()
    files = _read_files(path, faults)
    if not any(file.rows for file in files.values()):
        for file in files.values():
            faults.extend(file.faults)
        faults.add(
            path.name,
            None,
            "There is no table in it that can be read.",
            "Name csv, jsonl, parquet or JSON arrays of objects, alone, in a folder or in a zip.",
        )
    faults.raise_if_any()
    return files


def _read_files(path: Path, faults: FaultList) -> Files:
    """Every table and JSON file of a path, parsed."""
    return parse_files(read_tables(path, SUFFIXES, faults))


def _mapped(path: Path, name: str, mapping: StudyMapping, faults: FaultList) -> Study:
    if not path.exists():
        faults.add(str(path), None, "The path does not exist.", "Name a folder, zip or file.")
    found = apply_mapping(mapping, "mapping", _read_files(path, faults), faults)
    faults.raise_if_any()
    if found is None:
        raise AssertionError("a mapping gives a study or a fault")
    return _with_prompts(_study(name, found))


def unreadable(files: Files) -> list[Parsed]:
    """The files without one record that could be parsed, each of which has its faults.

    Args:
        files: from :func:`read_loose_tables` or :func:`backend.studies.parsed_files.parse_files`.
    """
    return [file for file in files.values() if not file.rows and file.faults.count]


def _unknown_tables(
    tables: Sequence[Parsed], broken: Sequence[Parsed], own: FaultList
) -> UnknownTables:
    """Which tables there are, and what is wrong with files and without a mapping."""
    said = []
    for file in tables[:_MOST_TABLES]:
        columns = ", ".join(file.columns[:_MOST_COLUMNS])
        said.append(f"{file.path} ({len(file.rows)} rows; {columns})")
    more = f" and {len(tables) - _MOST_TABLES} more" if len(tables) > _MOST_TABLES else ""
    hint = Fault(
        ALL_FILES,
        None,
        f"In no format that is known: {'; '.join(said)}{more}.",
        "Say what the columns are: import-study PATH --guess-mapping prints a mapping to edit, and "
        "the Runs page has a form.",
    )
    wrong = FaultList()
    for file in broken:
        wrong.extend(file.faults)
    wrong.extend(own)
    try:
        wrong.raise_if_any()
    except StudyFaults as found:
        return UnknownTables([*_nearly_pairs(tables), hint, *found.faults])
    return UnknownTables([*_nearly_pairs(tables), hint])


def _nearly_pairs(tables: Sequence[Parsed]) -> list[Fault]:
    """Tables with half of a contrast pair, and a column that is nearly its other half."""
    found = []
    for file in tables:
        for pair in PAIRS:
            for there, lacking in (pair, pair[::-1]):
                others = [column for column in file.columns if column != there]
                if there not in file.columns or lacking in others:
                    continue
                near = near_name(lacking, others)
                if near is not None:
                    what = f"It has {shown(there)}, and no {shown(lacking)} that makes pairs of it."
                    remedy = f"Rename {shown(near)} to {shown(lacking)} if that is meant."
                    found.append(Fault(file.path, None, what, remedy))
    return found


def _study(name: str, found: UnderstoodStudy) -> Study:
    """A study of what files in another format say."""
    return Study(
        name=name,
        title=name,
        description="",
        licence="",
        provenance=found.provenance,
        score_range=found.score_range,
        traits={p.trait: found.traits.get(p.trait, "") for p, _ in found.prompts},
        prompts=tuple(prompt for prompt, _ in found.prompts),
        responses=tuple(found.responses),
    )


def _with_prompts(study: Study) -> Study:
    """The study, if it has a prompt: whatever its reader has told, an empty one is never kept.

    Raises:
        SteerscopeError: it has none.
    """
    if not study.prompts:
        raise SteerscopeError(
            f"The study {study.name} has no prompts, and so no traits.",
            expected="prompts of both poles of at least one trait.",
            remedy="see docs/formats.md for what is read. Nothing was imported.",
        )
    return study


def _slug(path: Path) -> str:
    stem = path.resolve().name if path.is_dir() else path.resolve().stem
    return re.sub(r"[^a-z0-9._-]+|\.{2,}", "-", stem.lower()).strip("-._")[:64]


def checked_name(name: str) -> str:
    """The name, if it can name a study.

    Raises:
        SteerscopeError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise SteerscopeError(
            f"{name!r} cannot name a study.",
            expected="1 to 64 small letters, digits, single dots, dashes or underscores, "
            "beginning with a letter or digit.",
            remedy="choose another name (--name on the command line).",
        )
    return name
