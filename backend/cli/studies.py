"""Commands about studies."""

from __future__ import annotations

import argparse
from pathlib import Path

from backend.cli.command import Command
from backend.settings import Settings
from backend.store.study import list_studies, load_study
from backend.studies.imports import import_study


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, help="folder or zip with prompts.* and responses.*")
    parser.add_argument("--name", help="name of the study (default: from the path)")


def _import(settings: Settings, options: argparse.Namespace) -> int:
    print(import_study(settings, options.path, options.name).key)
    return 0


def _list(settings: Settings, _: argparse.Namespace) -> int:
    for ref in list_studies(settings):
        study = load_study(settings, ref)
        print(
            f"{ref.key}  {len(study.traits)} traits, {len(study.prompts)} prompts, "
            f"{len(study.responses)} responses, r over {study.target}: {study.title}"
        )
    return 0


COMMANDS = (
    Command("import-study", "Check and keep a study.", _import_arguments, _import),
    Command("studies", "List the imported studies.", lambda _: None, _list),
)
