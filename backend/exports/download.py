"""Exports as bytes for a browser, made only when it asks."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path


def as_bytes(write: Callable[[Path], None], name: str) -> bytes:
    """What a writer of files writes, by way of a temporary file.

    Args:
        write: writes a file at the path it is given.
        name: name of that file; some formats go by its ending.
    """
    with tempfile.TemporaryDirectory(prefix="steerscope-") as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def size_text(size: int) -> str:
    """Bytes as people read them: 640 B, 12 kB, 4.8 MB."""
    if size < 1000:
        return f"{size} B"
    if size < 1_000_000:
        return f"{size / 1000:.0f} kB"
    if size < 1_000_000_000:
        return f"{size / 1e6:.1f} MB"
    return f"{size / 1e9:.1f} GB"
