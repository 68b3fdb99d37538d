"""Read a whole study and report all its faults at once."""

from __future__ import annotations

import re
from pathlib import Path

from backend.errors import SteerscopeError
from backend.studies.faults import FaultList
from backend.studies.foreign.form import SUFFIXES
from backend.studies.foreign.registry import read_foreign
from backend.studies.metadata import FILE as METADATA_FILE
from backend.studies.metadata import read_metadata
from backend.studies.prompts import named_traits, read_prompts
from backend.studies.responses import read_responses
from backend.studies.source import choose_table, has_table, is_zip, read_source, read_tables
from backend.studies.tables import read_rows
from backend.types import Prompt, Response, Study

# Stricter than what may name a file, so that a name can be typed and is never two by case.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,63}")


def read_study(
    path: Path,
    name: str | None = None,
    faults: FaultList | None = None,
    *,
    unscored: bool = False,
) -> Study:
    """Read and check a study.

    Args:
        path: folder or zip in the format of docs/studies.md, or files of another tool
            (docs/formats.md).
        name: name of the study; None makes one from the path.
        faults: told of everything wrong and of what should be noted; None for a list of its own.
        unscored: whether responses without any score are fine, as those of a study that is yet to
            be judged.

    Raises:
        StudyFaults: everything that is wrong with it.
        SteerscopeError: the name cannot be used.
    """
    study_name = checked_name(_slug(path) if name is None else name)
    faults = FaultList() if faults is None else faults
    own = FaultList()
    source = read_source(path, own)
    a_file = path.is_file() and not is_zip(path)
    if not has_table("prompts", source) and (a_file or own.count == 0):
        study = _foreign(path, study_name, faults)
        if study is not None:
            return study
    faults.extend(own)
    faults.raise_if_any()
    metadata = read_metadata(source.files.get(METADATA_FILE), faults)
    prompts: list[Prompt] = []
    responses: list[Response] = []
    present: set[str] | None = None
    prompts_file = choose_table("prompts", source, faults, required=True)
    if prompts_file is not None:
        rows = read_rows(prompts_file, source.files[prompts_file], faults)
        if rows is not None:
            prompts = read_prompts(prompts_file, rows, faults)
            present = named_traits(rows)
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
        rows = read_rows(responses_file, source.files[responses_file], faults)
        if rows is not None:
            responses = read_responses(
                responses_file, rows, present, metadata.score_range, faults, unscored=unscored
            )
    faults.raise_if_any()
    present = {prompt.trait for prompt in prompts}
    order = [*metadata.traits, *sorted(present - metadata.traits.keys())]
    return Study(
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


def _foreign(path: Path, name: str, faults: FaultList) -> Study | None:
    """A study in the format of another tool; None where its files are in none that is known.

    Raises:
        StudyFaults: everything that is wrong with it.
    """
    found = read_foreign(read_tables(path, SUFFIXES, faults), faults)
    faults.raise_if_any()
    if found is None:
        return None
    return Study(
        name=name,
        title=name,
        description="",
        licence="",
        provenance=found.provenance,
        score_range=found.score_range,
        traits={prompt.trait: "" for prompt, _ in found.prompts},
        prompts=tuple(prompt for prompt, _ in found.prompts),
        responses=tuple(found.responses),
    )


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
