"""Threads of numerical libraries sleep while they wait for work."""

from __future__ import annotations

import os

# Threads that spin while they wait take a core from whoever they wait for. On a machine with other
# work extraction takes twice as long by it; and of the many small products of deriving, each would
# keep the other cores busy until the next.
_SLEEPING = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "4"}


def let_waiting_threads_sleep() -> None:
    """Ask for it, unless the environment says otherwise. To be called before numpy or torch is
    imported, which read this when they are loaded."""
    for name, value in _SLEEPING.items():
        os.environ.setdefault(name, value)
