"""Threads of numerical libraries sleep while they wait, unless the environment says otherwise."""

from __future__ import annotations

import subprocess
import sys

CODE = "import os, backend.__main__; print(*map(os.environ.get, ['OMP_WAIT_POLICY', NAME]))"
NAME = "OPENBLAS_THREAD_TIMEOUT"


def started(**environment):
    """What the program runs under, started in an environment."""
    done = subprocess.run(
        [sys.executable, "-c", CODE.replace("NAME", repr(NAME))],
        env={"PATH": "/usr/bin:/bin"} | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


def test_the_program_asks_for_it():
    assert started() == ["PASSIVE", "4"]


def test_what_the_environment_says_stays():
    assert started(**{"OMP_WAIT_POLICY": "ACTIVE", NAME: "28"}) == ["ACTIVE", "28"]
