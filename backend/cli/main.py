"""Parse the command line and run one command."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from backend.cli import serve
from backend.cli.command import Command
from backend.errors import SteerscopeError
from backend.settings import load_settings


def commands_for(arguments: Sequence[str]) -> Sequence[Command]:
    """The commands to choose among. What the dashboard is started by does not wait for all that
    others import.

    Args:
        arguments: of the command line.
    """
    if arguments[:1] in [[command.name] for command in serve.COMMANDS]:
        return serve.COMMANDS
    from backend.cli.commands import COMMANDS

    return COMMANDS


def build_parser(commands: Sequence[Command]) -> argparse.ArgumentParser:
    """The parser of some commands."""
    parser = argparse.ArgumentParser(
        prog="python -m backend", description="Steerscope on the command line."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        command.configure(subparser)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run one command.

    Returns:
        Exit status: 0, 1 after a fault the user can mend (told on stderr), 130 after Ctrl-C.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    commands = commands_for(arguments)
    options = build_parser(commands).parse_args(arguments)
    command = next(c for c in commands if c.name == options.command)
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
