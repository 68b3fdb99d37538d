"""The command that makes a run of activations that were taken elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from backend.cli.command import Command
from backend.cli.extract import ProgressBar
from backend.poolings import GRAMMAR
from backend.runs.requests import parse_layers
from backend.runs.vector_files import LAYER_NUMBERINGS
from backend.settings import Settings


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, help="safetensors or npz, [texts, layers, d]")
    parser.add_argument("--study", required=True, help="name or name@hash of an imported study")
    parser.add_argument("--model", required=True, help="which model gave them, in a word")
    parser.add_argument("--pooling", required=True, help=f"how tokens were pooled: {GRAMMAR}")
    parser.add_argument(
        "--layer-numbering",
        required=True,
        choices=tuple(LAYER_NUMBERINGS),
        help="; ".join(f"{name}: {what}" for name, what in LAYER_NUMBERINGS.items()),
    )
    parser.add_argument(
        "--layers", help="such as 8-19, in the file's own numbering (default: all, from 0)"
    )
    parser.add_argument("--depth", type=int, help="decoder blocks; needed with --layers")
    parser.add_argument(
        "--texts",
        type=Path,
        help="csv, jsonl or parquet with a row a text: prompt, or scenario with turn and "
        "responder, or text; optionally tokens (default: tensors prompts and responses in "
        "the study's order)",
    )
    parser.add_argument("--run-id", help="name of the run")


def _import(settings: Settings, options: argparse.Namespace) -> int:
    # Imported here: this takes a second.
    from backend.runs.imported_activations import ActivationChoice, import_activations

    choice = ActivationChoice(
        model=options.model,
        pooling=options.pooling,
        numbering=options.layer_numbering,
        numbers=parse_layers(options.layers) if options.layers else (),
        depth=options.depth,
        texts=options.texts,
    )
    bar = ProgressBar()
    try:
        run_id = import_activations(
            settings, options.path, options.study, choice, bar, options.run_id
        )
    finally:
        bar.close()
    print(run_id)
    return 0


COMMANDS = (
    Command(
        "import-activations",
        "Make a run of activations that were taken elsewhere.",
        _arguments,
        _import,
    ),
)
