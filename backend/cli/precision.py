"""The command that measures what a number type costs in accuracy and wins in time."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence

from backend.cli.command import Command
from backend.cli.extract import pooled_arguments, pooled_request
from backend.cli.json_output import to_json
from backend.errors import ExtractionError
from backend.extraction.engine import Report
from backend.extraction.precision import LayerError, Pass, layer_errors, pooled
from backend.runs.engines import SIMULATED_PREFIX
from backend.runs.quick_checks import check_request
from backend.settings import Settings
from backend.store.study import find_study, load_study
from backend.types import Progress

_EXACT = "float32"


def _arguments(parser: argparse.ArgumentParser) -> None:
    pooled_arguments(parser)
    parser.add_argument(
        "--dtype",
        default="bfloat16",
        choices=("bfloat16", "float16"),
        help="compared with float32 (default: %(default)s)",
    )
    parser.add_argument(
        "--texts",
        type=int,
        default=48,
        metavar="N",
        help="at least so many, in whole batches of short and long ones (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _precision(settings: Settings, options: argparse.Namespace) -> int:
    if options.texts < 2:
        raise ExtractionError(
            f"--texts {options.texts} leaves nothing to compare.",
            expected="2 texts or more.",
            remedy="leave it out for 48.",
        )
    if options.model.startswith(SIMULATED_PREFIX):
        raise ExtractionError(
            f"{options.model!r} is simulated and has no number type.",
            expected="a model with weights.",
            remedy="name a preset, a Hub id, a folder or a .gguf file.",
        )
    request = pooled_request(settings, options)
    check_request(settings, request)
    # Imported here: what is wrong is said at once, and torch and transformers take seconds.
    from backend.extraction.local_engine import LocalEngine

    study = load_study(settings, find_study(settings, request.study))
    exact, other = (
        pooled(LocalEngine(settings, asked), study, options.texts, _told(asked.dtype))
        for asked in (dataclasses.replace(request, dtype=_EXACT), request)
    )
    errors = layer_errors(request.layers, exact.activations, other.activations)
    if options.json:
        print(json.dumps(_json(errors, exact, other, request.pooling), indent=2))
    else:
        _print(errors, exact, other)
    return 0


def _json(
    errors: Sequence[LayerError], exact: Pass, other: Pass, pooling: str
) -> dict[str, object]:
    return {
        "dtype": other.dtype,
        "device": other.device,
        "pooling": pooling,
        "texts": exact.activations.shape[1],
        "texts_of_study": exact.texts,
        "seconds": {exact.dtype: exact.seconds, other.dtype: other.seconds},
        "times_as_fast": exact.seconds / other.seconds,
        "layers": to_json(errors),
    }


def _print(errors: Sequence[LayerError], exact: Pass, other: Pass) -> None:
    print(f"{'layer':>5}{'median':>10}{'largest':>10}{'of spread':>11}")
    for error in errors:
        shown = (
            "undefined" if part is None else f"{part:.2%}"
            for part in (error.median, error.largest, error.of_spread)
        )
        median, largest, spread = shown
        print(f"{error.layer:5}{median:>10}{largest:>10}{spread:>11}")
    texts = f"{exact.activations.shape[1]} of {exact.texts}"
    print(
        f"{texts} texts, short and long ones, on {other.device}: float32 {exact.seconds:.1f} s, "
        f"{other.dtype} {other.seconds:.1f} s, {exact.seconds / other.seconds:.2f} times as fast.\n"
        "median, largest: length of the error of a text's activation, of the activation's length.\n"
        "of spread: root mean square of that length, of that of the texts' distance from their "
        "mean."
    )


def _told(dtype: str) -> Report:
    """What is being done, with each stage said once."""
    said: set[str] = set()

    def tell(progress: Progress) -> None:
        if progress.stage not in said:
            said.add(progress.stage)
            print(f"{dtype}: {progress.stage}", file=sys.stderr)

    return tell


COMMANDS = (
    Command(
        "precision",
        "How far activations in another number type are from float32, and how fast it is.",
        _arguments,
        _precision,
    ),
)
