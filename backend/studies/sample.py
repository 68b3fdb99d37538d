"""The study bundled with Steerscope."""

from __future__ import annotations

from pathlib import Path

SAMPLE_NAME = "sample"


def sample_path() -> Path:
    """Folder of the bundled sample study."""
    return Path(__file__).resolve().parent.parent / "sample"
