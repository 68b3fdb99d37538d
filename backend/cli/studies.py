"""Commands about studies."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from backend.cli.command import Command
from backend.cli.extract import extract_now
from backend.runs.requests import request_like
from backend.settings import Settings
from backend.store.catalog import run_summary, study_list
from backend.studies.dropped_prompts import drop_prompts
from backend.studies.faults import FaultList
from backend.studies.importer import read_loose_tables
from backend.studies.imports import check_study, import_study
from backend.studies.mapping.form import StudyMapping, mapping_json, read_mapping
from backend.studies.mapping.guess import guess_mapping, unused_columns
from backend.studies.pole_thresholds import pole_thresholds
from backend.views.imports.tables import trait_rows
from backend.views.imports.words import not_used, understood


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, help="folder, zip or file (docs/formats.md)")
    parser.add_argument("--name", help="name of the study (default: from the path)")
    parser.add_argument("--check", action="store_true", help="say what is understood, keep nothing")
    parser.add_argument(
        "--mapping", type=Path, metavar="FILE", help="what the columns of its tables are"
    )
    parser.add_argument(
        "--guess-mapping",
        action="store_true",
        help="print a mapping of its tables to look at and edit, and keep nothing",
    )
    scores = parser.add_argument_group(
        "judged answers (persona_vectors)", "which pairs of answers become prompts"
    )
    scores.add_argument(
        "--least-score",
        default="",
        metavar="S[,S...]",
        help="least trait score of the high side (default: 50); several make a prompt set each",
    )
    scores.add_argument(
        "--most-score",
        default="",
        metavar="S[,S...]",
        help="most trait score of the low side (default: less than 100 minus the first)",
    )
    scores.add_argument(
        "--least-coherence", default="", metavar="S", help="of both sides (default: 50)"
    )


def _import(settings: Settings, options: argparse.Namespace) -> int:
    if options.guess_mapping:
        tables = read_loose_tables(options.path)
        guess = guess_mapping(tables)
        print(mapping_json(guess), end="")
        if left := not_used(unused_columns(tables, guess)):
            print(f"note: {left} Add those that matter.", file=sys.stderr)
        return 0
    mapping = None if options.mapping is None else _mapping(options.mapping)
    typed = (options.least_score, options.most_score, options.least_coherence)
    chosen = pole_thresholds(*typed) if any(typed) else None
    if options.check:
        checked = check_study(options.path, options.name, mapping, chosen)
        study = checked.study
        print(
            f"{study.name}: {len(study.traits)} traits, {len(study.prompts)} prompts, "
            f"{len(study.responses)} responses, r over {study.target}; nothing is kept"
        )
        print(understood(study))
        for row in trait_rows(study):
            print("  " + ", ".join(f"{name} {value}" for name, value in row.items()))
        notes = checked.notes
    else:
        found = import_study(settings, options.path, options.name, mapping, chosen)
        print(found.ref.key)
        notes = found.notes
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


def _mapping(path: Path) -> StudyMapping | None:
    """The mapping in a file.

    Raises:
        StudyFaults: it cannot be read.
    """
    faults = FaultList()
    found = None
    try:
        found = read_mapping(path.name, path.read_bytes(), faults)
    except OSError as fault:
        why = fault.strerror or str(fault)
        faults.add(str(path), None, f"The mapping cannot be read: {why}.", "Name another file.")
    faults.raise_if_any()
    return found


def _list(settings: Settings, _: argparse.Namespace) -> int:
    found = study_list(settings)
    for study in found.studies:
        print(
            f"{study.key}  {len(study.traits)} traits, {study.prompts} prompts, "
            f"{study.responses} responses, r over {study.target}: {study.title}"
        )
    for name, why in found.broken.items():
        print(f"{name}: {why}", file=sys.stderr)
    return 0


def _drop_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", help="name or name@hash of an imported study")
    parser.add_argument(
        "--prompt",
        type=int,
        nargs="+",
        required=True,
        metavar="N",
        help="numbers of the prompts (their # on the Prompts page)",
    )
    parser.add_argument(
        "--like",
        metavar="RUN",
        help="extract the revision as this run was extracted; the run's activations are taken",
    )


def _drop(settings: Settings, options: argparse.Namespace) -> int:
    like = None
    if options.like is not None:
        like = run_summary(settings, options.like).record
    ref = drop_prompts(settings, options.study, options.prompt)
    print(ref.key)
    return 0 if like is None else extract_now(settings, request_like(like, ref.key))


COMMANDS = (
    Command("import-study", "Check and keep a study.", _import_arguments, _import),
    Command(
        "drop-prompts",
        "Make a study's next revision without some prompts, and extract it.",
        _drop_arguments,
        _drop,
    ),
    Command("studies", "List the imported studies.", lambda _: None, _list),
)
