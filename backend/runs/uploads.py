"""Uploaded files, written where what reads files can read them."""

from __future__ import annotations

from pathlib import Path


def written(folder: Path, file_name: str, content: bytes) -> Path:
    """Write an upload into a folder that holds nothing else of its name.

    Args:
        folder: that exists.
        file_name: as the user's machine has it.
        content: its bytes.

    Returns:
        Where it is; its name is the end of the user's.
    """
    # Only the end of what the browser says: it names no folder here.
    path = folder / (Path(file_name.replace("\\", "/")).name[-100:] or "file")
    path.write_bytes(content)
    return path
