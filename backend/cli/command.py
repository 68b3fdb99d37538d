"""What a command of the command line is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from backend.settings import Settings


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: as typed.
        help: what it does, in a line.
        configure: adds its arguments to a parser.
        run: does it; returns the exit status.
    """

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Settings, argparse.Namespace], int]
