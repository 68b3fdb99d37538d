"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.errors import ExportError


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """A draft beside the target, moved over it when the block ends well; else removed.

    Args:
        target: where the file goes; one that is there is replaced.

    Raises:
        ExportError: the place cannot be written to.
    """
    if target.is_dir():
        raise _cannot(target, "it is a folder")
    with atomic_folder(target.parent) as drafts:
        yield drafts / target.name


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A drafts folder inside the target; its files move up when the block ends well.

    Args:
        target: folder where the files go, made if needed; files of the same names are replaced.

    Raises:
        ExportError: the place cannot be written to.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        drafts = Path(tempfile.mkdtemp(prefix=".draft-", dir=target))
    except OSError as fault:
        raise _cannot(target, fault.strerror or "it cannot be written to") from fault
    try:
        yield drafts
        for draft in sorted(drafts.iterdir()):
            with draft.open("rb") as handle:
                os.fsync(handle.fileno())
            draft.replace(target / draft.name)
    except OSError as fault:
        raise _cannot(target, fault.strerror or "it cannot be written to") from fault
    finally:
        shutil.rmtree(drafts, ignore_errors=True)


def _cannot(target: Path, why: str) -> ExportError:
    return ExportError(
        f"Nothing can be written to {target}: {why}.",
        expected="a place that can be written to, with room for the files.",
        remedy="name another place.",
    )
