"""Stores that several tests copy from; they are removed when the tests end."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from backend.settings import Settings


def kept_store() -> Settings:
    """An empty store in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="steerscope-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    kept = Settings(cache=folder)
    kept.make_folders()
    return kept
