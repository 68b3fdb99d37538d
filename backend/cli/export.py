"""Commands that take results away: tables, vectors and reports as files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from backend.cli.command import Command
from backend.errors import ExportError
from backend.runs.requests import parse_layers
from backend.settings import Settings
from backend.store.catalog import run_list, run_summary
from backend.store.run import list_run_ids, open_run
from backend.store.study import list_studies

if TYPE_CHECKING:
    from backend.exports.vectors import Vector, VectorSet

# What these commands need takes a second to import, so it is imported when one of them runs.


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="RUN", help="id of a run, or name@hash of a study")
    parser.add_argument(
        "--format", choices=("csv", "parquet"), default="parquet", help="(%(default)s)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for one file a table")
    parser.add_argument(
        "--table", action="append", help="only this table; may be repeated (default: all)"
    )
    parser.add_argument(
        "--no-activations", action="store_true", help="leave activations and their products out"
    )


def _export(settings: Settings, options: argparse.Namespace) -> int:
    from backend.exports.tables import TableSource, list_tables, offered, write_tables
    from backend.store.atomic import atomic_folder

    is_study = options.source in {
        name for ref in list_studies(settings) for name in (ref.key, ref.name)
    }
    source = TableSource("study" if is_study else "run", options.source)
    names = options.table
    if not names:
        tables, left = offered(
            list_tables(settings, source), options.format, activations=not options.no_activations
        )
        names = [table.name for table in tables]
        if left:
            print(f"Left out: {', '.join(table.name for table in left)}", file=sys.stderr)
    with atomic_folder(options.out) as folder:
        paths = write_tables(settings, source, names, options.format, folder)
    for path in paths:
        print(options.out / path.name)
    return 0


def _study_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", help="name or name@hash of an imported study")
    parser.add_argument("--out", type=Path, required=True, help="an empty folder, or a new one")


def _study(settings: Settings, options: argparse.Namespace) -> int:
    from backend.studies.study_folder import write_study_folder

    for path in write_study_folder(settings, options.study, options.out):
        print(path)
    return 0


def _vectors_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", help="id of a run; left out with --saved")
    parser.add_argument("--saved", metavar="NAME", help="a vector saved in the Filter lab")
    parser.add_argument(
        "--method",
        action="append",
        help="a vector method; may be repeated (default: mean_difference)",
    )
    parser.add_argument("--trait", action="append", help="may be repeated (default: all)")
    parser.add_argument("--prompt-set", default="default", help="which prompts (default: default)")
    parser.add_argument(
        "--layers",
        default="best",
        help="such as 8-19; best for each trait's layer with the highest r (default: best)",
    )
    parser.add_argument(
        "--format",
        choices=("safetensors", "gguf", "pt"),
        default="safetensors",
        help="(%(default)s)",
    )
    parser.add_argument(
        "--snippet",
        action="store_true",
        help="print what adds each vector: Python with plain transformers (safetensors), or a line "
        "for llama.cpp (gguf)",
    )
    parser.add_argument(
        "--snippet-for",
        choices=("transformers", "vllm"),
        default="transformers",
        help="with --snippet and safetensors (default: %(default)s)",
    )
    parser.add_argument(
        "--snippet-model",
        default="",
        metavar="MODEL",
        help="what transformers loads there: NAME, NAME@REVISION or a folder (default: the run's "
        "model; to be named where its activations were imported)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="the file; for gguf and pt with several traits or methods a name that ends in .zip",
    )


def _snippet(options: argparse.Namespace, found: VectorSet, vector: Vector) -> str:
    """What adds a vector elsewhere, for the tool that the options name."""
    from backend.exports.server_snippets import llama_cpp_command, vllm_snippet
    from backend.exports.snippet import snippet

    name = options.out.name
    if options.format == "gguf":
        return llama_cpp_command(found, vector, name)
    write = {"transformers": snippet, "vllm": vllm_snippet}[options.snippet_for]
    return write(found, vector, name, options.snippet_model)


def _vectors(settings: Settings, options: argparse.Namespace) -> int:
    from backend.core.vectors.methods import MEAN_DIFFERENCE
    from backend.exports.vector_files import write_vectors
    from backend.exports.vectors import BEST, Choice, read_saved, read_vectors
    from backend.store.atomic import atomic_file

    if (options.run is None) == (options.saved is None):
        raise ExportError(
            "It is not said which vectors to export.",
            expected="either the id of a run or --saved and a name.",
            remedy="give one of the two.",
        )
    if options.snippet and options.format == "pt":
        raise ExportError(
            f"A snippet cannot load a {options.format} file.",
            expected="--snippet with --format safetensors or gguf.",
            remedy="leave one of the two out.",
        )
    if options.snippet_model and not options.snippet:
        raise ExportError(
            "--snippet-model is given without --snippet.",
            expected="a snippet that loads this model.",
            remedy="add --snippet, or leave it out.",
        )
    if options.snippet_for != "transformers" and not (
        options.snippet and options.format == "safetensors"
    ):
        raise ExportError(
            f"--snippet-for {options.snippet_for} is given without a snippet that it is for.",
            expected="it with --snippet and --format safetensors.",
            remedy="add these, or leave it out.",
        )
    if options.saved is not None:
        found = read_saved(settings, options.saved)
    else:
        layers = BEST if options.layers == BEST else parse_layers(options.layers)
        choice = Choice(
            traits=tuple(options.trait or ()),
            methods=tuple(options.method or (MEAN_DIFFERENCE,)),
            prompt_set=options.prompt_set,
            layers=layers,
        )
        with open_run(settings, options.run) as run:
            found = read_vectors(run, choice)
    snippets = []
    if options.snippet:
        snippets = [_snippet(options, found, vector) for vector in found.vectors]
    with atomic_file(options.out) as path:
        write_vectors(found, options.format, path)
    for sentence in found.missing:
        print(sentence, file=sys.stderr)
    count = len(found.vectors)
    # With snippets, what is printed is a program.
    said = sys.stderr if snippets else sys.stdout
    print(f"{options.out}: {count} {'vector' if count == 1 else 'vectors'}", file=said)
    for text in snippets:
        print(text)
    return 0


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="STUDY_OR_RUN", help="all runs of a study, or one run")
    parser.add_argument("--out", type=Path, required=True, help="the HTML file")
    parser.add_argument("--trait", action="append", help="may be repeated (default: all)")
    parser.add_argument("--layer", type=int, help="at this layer (default: the best of each cell)")
    parser.add_argument("--prompt-set", default="default", help="which prompts (default: default)")
    parser.add_argument(
        "--section", action="append", help="only this section; may be repeated (default: all)"
    )


def _report(settings: Settings, options: argparse.Namespace) -> int:
    from backend.exports.report.page import chosen_sections, write_report
    from backend.runs.results import Results
    from backend.store.atomic import atomic_file
    from backend.views.shared.view import View, checked

    is_run = options.source in list_run_ids(settings)
    runs = (
        (run_summary(settings, options.source),)
        if is_run
        else run_list(settings).of_study(options.source)
    )
    if not runs:
        raise ExportError(
            f"No run of study {options.source!r} was found.",
            expected="a run, or a study that has been extracted.",
            remedy="list them with: python -m backend runs.",
        )
    view = checked(
        View(
            runs=runs,
            shown=runs,
            traits=tuple(options.trait or runs[-1].traits),
            prompt_set=options.prompt_set,
            layer=options.layer,
        )
    )
    chosen_sections(options.section or ())
    with atomic_file(options.out) as path:
        write_report(Results(settings), view, path, options.section or ())
    print(options.out)
    return 0


COMMANDS = (
    Command("export", "Write the tables of a run or study.", _export_arguments, _export),
    Command("export-study", "Write a study as a folder again.", _study_arguments, _study),
    Command("export-vectors", "Write vectors of a run for use.", _vectors_arguments, _vectors),
    Command("report", "Write one self-contained HTML report.", _report_arguments, _report),
)
