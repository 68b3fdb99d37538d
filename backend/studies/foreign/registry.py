"""The formats of other tools that an import reads, and the study that comes of one."""

from __future__ import annotations

from backend.studies.faults import ALL_FILES, FaultList
from backend.studies.foreign import (
    assistant_axis,
    axbench,
    pairs,
    persona_vectors,
    trait_interp,
)
from backend.studies.foreign.form import ForeignFormat, UnderstoodStudy, add_nothing_left, listed
from backend.studies.parsed_files import Files
from backend.studies.pole_thresholds import PoleThresholds
from backend.studies.prompts import check_prompts

# In this order: the first that knows the files reads them.
FOREIGN_FORMATS: list[ForeignFormat] = [
    persona_vectors.FORMAT,
    assistant_axis.FORMAT,
    axbench.FORMAT,
    pairs.FORMAT,
    trait_interp.FORMAT,
]


def read_foreign(
    files: Files, faults: FaultList, chosen: PoleThresholds | None = None
) -> UnderstoodStudy | None:
    """What another tool's files say; None where none of the formats knows them.

    Args:
        files: from :func:`backend.studies.parsed_files.parse_files`.
        faults: told of everything wrong, of the format and of what was left out.
        chosen: by which scores texts become prompts; None as the format has it. A fault in a
            format whose prompts have no scores.
    """
    for file in files.values():
        if file.too_large:
            faults.extend(file.faults)
    before = faults.count
    for form in FOREIGN_FORMATS:
        if chosen is None or form.read_chosen is None:
            found = form.read(files, faults)
        else:
            found = form.read_chosen(files, faults, chosen)
        if found is not None:
            # A record that cannot be parsed is in no row: the format cannot have seen it.
            for path in sorted(found.files):
                if not files[path].too_large:
                    faults.extend(files[path].faults)
            if chosen is not None and form.read_chosen is None:
                no_scored_prompts(form.title, faults)
            check_prompts(form.title, found.prompts, faults)
            if not found.prompts and faults.count == before:
                add_nothing_left(form.title, found.files, faults)
            _note_unread(files, found, faults)
            return found
        if faults.count:
            return None
    return None


def no_scored_prompts(what: str, faults: FaultList) -> None:
    """Say that thresholds do not apply. Args: title of the format, and what is told."""
    able = listed(form.title for form in FOREIGN_FORMATS if form.read_chosen is not None)
    faults.add(
        ALL_FILES,
        None,
        f"Thresholds of scores are given, and the prompts of this format have none: {what}.",
        f"Leave the thresholds out; they choose among the answers of {able}.",
    )


def _note_unread(files: Files, found: UnderstoodStudy, faults: FaultList) -> None:
    """Say which tables a format without responses has left alone: they may be the responses."""
    left = [path for path, file in files.items() if file.rows and path not in found.files]
    if left and not found.responses:
        faults.note(
            ALL_FILES,
            None,
            f"{listed(left)}: not in this format, and not read.",
            "If they belong to the study, say what the columns of all tables are.",
        )
