"""Commands about vectors of other tools."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from backend.cli.command import Command
from backend.runs.requests import parse_layers
from backend.runs.vector_files import LAYER_NUMBERINGS
from backend.settings import Settings
from backend.store.run import open_run

# What these commands need takes a second to import, so it is imported when one of them runs.


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, help="safetensors, npz, .pt or GGUF control vector")
    parser.add_argument("--name", default="", help="of the vector (default: from the file)")
    parser.add_argument("--trait", default="", help="the trait it shows (default: from the file)")
    parser.add_argument(
        "--layer-numbering",
        default="",
        choices=("", *LAYER_NUMBERINGS),
        help="; ".join(f"{name}: {what}" for name, what in LAYER_NUMBERINGS.items()),
    )
    parser.add_argument(
        "--layers", help="such as 8-19: of the file's rows, in its own numbering (default: all)"
    )
    parser.add_argument("--check", action="store_true", help="say what is understood, keep nothing")


def _import(settings: Settings, options: argparse.Namespace) -> int:
    from backend.runs.imported_vectors import VectorChoice, keep_vectors, understand_vectors
    from backend.views.methods.imported import understood_lines

    choice = VectorChoice(
        name=options.name,
        trait=options.trait,
        numbering=options.layer_numbering,
        numbers=parse_layers(options.layers) if options.layers else (),
    )
    found = understand_vectors(settings, options.path, choice)
    lines, notes = understood_lines(found)
    for line in lines:
        print(line)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if options.check:
        print("nothing is kept")
    else:
        keep_vectors(settings, found)
    return 0


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", help="with r of each imported vector on this run, by layer")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _list(settings: Settings, options: argparse.Namespace) -> int:
    from backend.runs.imported_vectors import imported_list, named_vectors
    from backend.views.methods.imported import named_rows, on_run_rows

    _, broken = imported_list(settings)
    for name, why in broken.items():
        print(f"{name}: {why}", file=sys.stderr)
    vectors = named_vectors(settings)
    if options.run is None:
        rows = [row for vector in vectors for row in named_rows(vector)]
    else:
        with open_run(settings, options.run) as run:
            rows = [row for vector in vectors for row in on_run_rows(run, vector)]
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print(_line(row))
    return 0


def _line(row: Mapping[str, object]) -> str:
    """A vector, or its r at a layer of a run, in words."""
    if "r" not in row:
        return "  ".join(f"{value}" for value in row.values())
    where = f"{row['vector']}  {row['trait']}  layer {row['layer']}"
    if row["r"] is None:
        return f"{where}  r undefined: {row['undefined because']}"
    interval = (
        f"(no interval: {row['undefined because']})"
        if row["low"] is None
        else f"[{row['low']:+.4f}, {row['high']:+.4f}], p = {row['p']:.4g}"
    )
    return f"{where}  r {row['r']:+.4f} {interval}, n = {row['n']}"


COMMANDS = (
    Command(
        "import-vectors", "Check and keep vectors of another tool.", _import_arguments, _import
    ),
    Command("vectors", "List the vectors that were saved or imported.", _list_arguments, _list),
)
