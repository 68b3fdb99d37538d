"""The options that say which engine works, and where its cluster is."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable

from backend.errors import ExtractionError
from backend.extraction.engine import LOCAL, RAY, VLLM
from backend.runs.engines import has_workers, splits_models
from backend.settings import Settings

_WHERE = {
    LOCAL: "this process",
    RAY: "the workers of a Ray cluster",
    VLLM: "vLLM, in an environment of its own",
}


def engine_arguments(parser: argparse.ArgumentParser, engines: Iterable[str]) -> None:
    """Add the options to a command.

    Args:
        parser: of the command.
        engines: that can do what it does.
    """
    offered = tuple(engines)
    parser.add_argument(
        "--engine",
        default=LOCAL,
        choices=offered,
        help="; ".join(f"{name}: {_WHERE[name]}" for name in offered) + " (default: %(default)s)",
    )
    split = "; with vllm, its nodes hold the parts of a split model" if VLLM in offered else ""
    parser.add_argument(
        "--ray-address",
        help="host:port of a running cluster's head, or auto (default: STEERSCOPE_RAY_ADDRESS, "
        f"else Ray is started on this machine for the run){split}",
    )
    parser.add_argument(
        "--workers",
        type=int,
        help="workers on Ray; 0 for as many as its cluster has room for (default: 0)",
    )
    parser.add_argument("--worker-cpus", type=int, help="CPUs of each worker on Ray (default: 1)")


def workers_of(options: argparse.Namespace) -> tuple[int, int]:
    """How many workers, and CPUs of each, are asked for.

    Args:
        options: with those of :func:`engine_arguments`.

    Raises:
        ExtractionError: an option was given that means nothing with the engine.
    """
    given = {"--workers": options.workers, "--worker-cpus": options.worker_cpus}
    if not splits_models(options.engine):
        given["--ray-address"] = options.ray_address
    names = [name for name, value in given.items() if value is not None]
    if names and not has_workers(options.engine):
        raise ExtractionError(
            f"{' and '.join(names)} mean{'s' if len(names) == 1 else ''} nothing with the engine "
            f"{options.engine}, which has no workers on Ray.",
            expected="options of workers with --engine ray.",
            remedy="leave them out, or choose that engine.",
        )
    return options.workers or 0, 1 if options.worker_cpus is None else options.worker_cpus


def of_cluster(settings: Settings, options: argparse.Namespace) -> Settings:
    """The settings with the cluster that the options name, if they name one."""
    if not options.ray_address:
        return settings
    return dataclasses.replace(settings, ray_address=options.ray_address)
