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
from backend.studies.importer import read_study
from backend.studies.imports import import_study


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, help="folder, zip or file (docs/formats.md)")
    parser.add_argument("--name", help="name of the study (default: from the path)")
    parser.add_argument("--check", action="store_true", help="say what is understood, keep nothing")


def _import(settings: Settings, options: argparse.Namespace) -> int:
    if options.check:
        faults = FaultList()
        study = read_study(options.path, options.name, faults)
        print(
            f"{study.name}: {len(study.traits)} traits, {len(study.prompts)} prompts, "
            f"{len(study.responses)} responses, r over {study.target}; nothing is kept"
        )
        notes = faults.notes
    else:
        found = import_study(settings, options.path, options.name)
        print(found.ref.key)
        notes = found.notes
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return 0


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
