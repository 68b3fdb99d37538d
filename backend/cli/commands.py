"""Every command, in the order of the help."""

from __future__ import annotations

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
