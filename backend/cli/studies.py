"""Commands about studies."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from backend.cli.command import Command
from backend.settings import Settings
from backend.store.catalog import study_list
from backend.studies.imports import import_study


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, help="folder or zip with prompts.* and responses.*")
    parser.add_argument("--name", help="name of the study (default: from the path)")


def _import(settings: Settings, options: argparse.Namespace) -> int:
    found = import_study(settings, options.path, options.name)
    print(found.ref.key)
    for note in found.notes:
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


COMMANDS = (
    Command("import-study", "Check and keep a study.", _import_arguments, _import),
    Command("studies", "List the imported studies.", lambda _: None, _list),
)
