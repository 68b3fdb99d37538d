"""What loading a model imports, compiled beside the first start: ``python -m`` this module.

Python compiles a package when it is imported first, which takes longer than all imports do later.
While the dashboard starts, a process of its own is ahead of the worker with that.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import cache_from_source, find_spec
from pathlib import Path

from backend.lifeline import end_with_starter, start_held

# What transformers imports only when it needs it takes most of the time: it has torch's compiler.
MODULES = (
    "torch._dynamo",
    "transformers.generation",
    "transformers.models.auto.modeling_auto",
    "gguf",
)


def compile_beside() -> bool:
    """Start the process if torch has never been imported here; it ends with this one.

    Returns:
        Whether it was started.
    """
    if not _wanted():
        return False
    folder = Path(__file__).resolve().parents[2]
    start_held([sys.executable, "-m", "backend.models.first_imports"], folder, os.environ)
    return True


def _wanted() -> bool:
    found = find_spec("torch")
    if sys.dont_write_bytecode or found is None or found.origin is None:
        return False
    compiled = Path(cache_from_source(found.origin))
    return not compiled.exists() and os.access(compiled.parents[1], os.W_OK)


if __name__ == "__main__":
    end_with_starter()
    for name in MODULES:
        import_module(name)
