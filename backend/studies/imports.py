"""Import a study into the store, from a path or from uploaded bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from backend.errors import SteerscopeError
from backend.settings import Settings
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.studies.importer import read_study
from backend.types import StudyRef


def import_study(settings: Settings, path: Path, name: str | None = None) -> StudyRef:
    """Check and keep a study; the same name and content give the file that is there already.

    Args:
        settings: where the store is.
        path: folder or zip.
        name: name of the study; None takes it from the path.

    Raises:
        StudyFaults: everything that is wrong with it; nothing is kept.
    """
    study = read_study(path, name)
    return publish_study(settings, study, content_hash(study))


def import_upload(settings: Settings, files: Mapping[str, bytes], name: str) -> StudyRef:
    """Check and keep an uploaded study.

    Args:
        settings: where the store is.
        files: file name -> content: either one zip, or the study's files.
        name: name of the study.

    Raises:
        SteerscopeError: nothing was uploaded.
        StudyFaults: everything that is wrong with it; nothing is kept.
    """
    if not files:
        raise SteerscopeError(
            "No file was uploaded.",
            expected="one zip, or prompts.* with optional responses.* and study.json.",
            remedy="choose the files and import again.",
        )
    with tempfile.TemporaryDirectory() as folder:
        for file_name, content in files.items():
            (Path(folder) / Path(file_name).name).write_bytes(content)
        zips = [file_name for file_name in files if file_name.lower().endswith(".zip")]
        source = Path(folder) / Path(zips[0]).name if len(files) == 1 and zips else Path(folder)
        return import_study(settings, source, name)
