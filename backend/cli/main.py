"""Parse the command line and run one command."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from backend.cli import (
    activations,
    derive,
    diagnose,
    dose,
    export,
    extract,
    judge,
    new_study,
    notes,
    phantom,
    precision,
    runs,
    serve,
    steer,
    studies,
    study_tests,
    tokens,
    turns,
    upkeep,
    vectors,
)
from backend.cli.command import Command
from backend.errors import SteerscopeError
from backend.settings import load_settings

COMMANDS: list[Command] = [
    *studies.COMMANDS,
    *new_study.COMMANDS,
    *judge.COMMANDS,
    *extract.COMMANDS,
    *precision.COMMANDS,
    *activations.COMMANDS,
    *derive.COMMANDS,
    *runs.COMMANDS,
    *notes.COMMANDS,
    *study_tests.COMMANDS,
    *diagnose.COMMANDS,
    *turns.COMMANDS,
    *dose.COMMANDS,
    *tokens.COMMANDS,
    *steer.COMMANDS,
    *export.COMMANDS,
    *vectors.COMMANDS,
    *phantom.COMMANDS,
    *serve.COMMANDS,
    *upkeep.COMMANDS,
]


def build_parser() -> argparse.ArgumentParser:
    """The parser of all registered commands."""
    parser = argparse.ArgumentParser(
        prog="python -m backend", description="Steerscope on the command line."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        command.configure(subparser)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run one command.

    Returns:
        Exit status: 0, 1 after a fault the user can mend (told on stderr), 130 after Ctrl-C.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    options = build_parser().parse_args(arguments)
    command = next(c for c in COMMANDS if c.name == options.command)
    try:
        return command.run(load_settings(), options)
    except SteerscopeError as fault:
        print(
            f"{fault.what}\n  expected: {fault.expected}\n  remedy:   {fault.remedy}",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) closed early; nothing is left to say to it.
        sys.stderr.close()
        return 0
