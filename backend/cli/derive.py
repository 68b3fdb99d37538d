"""The command that computes a run's derived tables anew, without its model."""

from __future__ import annotations

import argparse

from backend.cli.command import Command
from backend.cli.engine_options import engine_arguments, of_cluster, workers_of
from backend.cli.extract import ProgressBar
from backend.extraction.engine import LOCAL, RAY
from backend.runs.quick_checks import check_run
from backend.settings import Settings
from backend.types import ExtractionRequest


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="id of a run, as listed by: python -m backend runs")
    engine_arguments(parser, (LOCAL, RAY))


def _derive(settings: Settings, options: argparse.Namespace) -> int:
    workers, worker_cpus = workers_of(options)
    check_run(settings, options.run)
    request = ExtractionRequest(
        # What it was extracted from and by does not matter: nothing is extracted.
        study="",
        model="",
        layers=(),
        derives=options.run,
        engine=options.engine,
        workers=workers,
        worker_cpus=worker_cpus,
    )
    # Imported here: a run that is not there is said at once, and what derives takes seconds.
    from backend.runs.session import session_of

    bar = ProgressBar()
    try:
        session_of(of_cluster(settings, options), options.run, request, bar).run()
    finally:
        bar.close()
    print(options.run)
    return 0


COMMANDS = (
    Command(
        "derive",
        "Compute everything derived from a run's activations anew, without its model.",
        _arguments,
        _derive,
    ),
)
