"""The command that computes a run's derived tables anew, without its model."""

from __future__ import annotations

import argparse

from backend.cli.command import Command
from backend.cli.extract import ProgressBar
from backend.runs.quick_checks import check_run
from backend.settings import Settings
from backend.store.changes import changing


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="id of a run, as listed by: python -m backend runs")


def _derive(settings: Settings, options: argparse.Namespace) -> int:
    check_run(settings, options.run)
    changing(settings, "derive run", options.run)
    # Imported here: a run that is not there is said at once, and what derives takes seconds.
    from backend.runs.derivation_session import DerivationSession

    bar = ProgressBar()
    try:
        DerivationSession(settings, options.run, bar).run()
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
