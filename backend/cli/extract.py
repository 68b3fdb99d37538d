"""The command that extracts in the foreground."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Never

from tqdm import tqdm

from backend.cli.command import Command
from backend.cli.engine_options import engine_arguments, of_cluster, workers_of
from backend.poolings import GRAMMAR, parse_pooling
from backend.runs.engines import CHOICES
from backend.runs.quick_checks import check_request
from backend.runs.requests import new_run_id, parse_layers
from backend.settings import DEFAULT_LAYERS, DEFAULT_MODEL, Settings
from backend.store.study import find_study
from backend.types import ExtractionRequest, Progress


def pooled_arguments(parser: argparse.ArgumentParser) -> None:
    """What says which activations are meant and where they are computed.

    Args:
        parser: of a command that pools the texts of a study.
    """
    parser.add_argument("--study", required=True, help="name or name@hash of an imported study")
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        help="preset, Hub id[@revision], local folder or .gguf file (default: %(default)s)",
    )
    parser.add_argument(
        "--layers", default=DEFAULT_LAYERS, help="such as 8-19 or 0,4,8 (default: %(default)s)"
    )
    parser.add_argument(
        "--pooling",
        default="mean",
        help=f"{GRAMMAR}; docs/models.md says what each takes (default: %(default)s)",
    )
    parser.add_argument(
        "--batch-tokens", type=int, default=0, help="padded tokens per batch (default: by device)"
    )
    parser.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda (any GPU that holds the weights, or all together), cuda:1 or mps",
    )


def pooled_request(settings: Settings, options: argparse.Namespace) -> ExtractionRequest:
    """What :func:`pooled_arguments` and ``--dtype`` say.

    Args:
        settings: where the study is.
        options: of the command.

    Raises:
        SteerscopeError: there is no such study, or layers or pooling are none.
    """
    return ExtractionRequest(
        study=find_study(settings, options.study).key,
        model=options.model,
        layers=parse_layers(options.layers),
        pooling=parse_pooling(options.pooling),
        batch_tokens=options.batch_tokens,
        device=options.device,
        dtype=options.dtype,
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    pooled_arguments(parser)
    parser.add_argument(
        "--dtype", default="auto", choices=("auto", "float32", "bfloat16", "float16")
    )
    engine_arguments(parser, CHOICES)
    parser.add_argument(
        "--tensor-parallel",
        type=int,
        default=1,
        metavar="N",
        help="with vllm, devices that share each layer (default: %(default)s)",
    )
    parser.add_argument(
        "--pipeline-parallel",
        type=int,
        default=1,
        metavar="N",
        help="with vllm, groups of devices that have some of the layers each (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="extract every text, also those whose activations an earlier run holds",
    )
    parser.add_argument("--run-id", help="name of the run; an unfinished one is continued")


class ProgressBar:
    """Shows progress on stderr: texts done, texts/s, tokens/s and time left."""

    def __init__(self) -> None:
        self._bar: tqdm[Never] | None = None
        self._stage = ""

    def __call__(self, progress: Progress) -> None:
        """Show the newest progress."""
        if self._bar is None:
            if progress.stage != self._stage:
                print(progress.stage, file=sys.stderr)
            if progress.total:
                self._bar = tqdm(
                    total=progress.total, initial=progress.done, unit="text", file=sys.stderr
                )
        elif progress.stage != self._stage:
            self._bar.set_description(progress.stage)
        self._stage = progress.stage
        if self._bar is not None:
            self._bar.update(progress.done - self._bar.n)
            left = "?" if progress.seconds_left is None else f"{progress.seconds_left:.0f} s"
            self._bar.set_postfix_str(
                f"{progress.texts_per_second:.1f} texts/s, "
                f"{progress.tokens_per_second:.0f} tokens/s, {left} left"
            )

    def close(self) -> None:
        """Leave the finished bar on screen."""
        if self._bar is not None:
            self._bar.close()


def _extract(settings: Settings, options: argparse.Namespace) -> int:
    workers, worker_cpus = workers_of(options)
    request = dataclasses.replace(
        pooled_request(settings, options),
        fresh=options.fresh,
        engine=options.engine,
        workers=workers,
        worker_cpus=worker_cpus,
        tensor_parallel=options.tensor_parallel,
        pipeline_parallel=options.pipeline_parallel,
    )
    return extract_now(of_cluster(settings, options), request, options.run_id)


def extract_now(settings: Settings, request: ExtractionRequest, run_id: str | None = None) -> int:
    """Extract in the foreground and print the run's id.

    Args:
        settings: where the store is.
        request: what to extract.
        run_id: name of the run; None makes a new one.

    Returns:
        The exit status.
    """
    print(extracted(settings, request, run_id))
    return 0


def extracted(settings: Settings, request: ExtractionRequest, run_id: str | None = None) -> str:
    """Extract in the foreground.

    Args:
        settings: where the store is.
        request: what to extract.
        run_id: name of the run; None makes a new one.

    Returns:
        The run's id.
    """
    check_request(settings, request)
    # Imported here: what is wrong is said at once, and torch and transformers take seconds.
    from backend.runs.session import session_of

    run_id = run_id or new_run_id(request.study, request.model)
    bar = ProgressBar()
    try:
        session_of(settings, run_id, request, bar).run()
    finally:
        bar.close()
    return run_id


COMMANDS = (
    Command("extract", "Extract a study with a model, in the foreground.", _arguments, _extract),
)
