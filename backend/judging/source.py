"""The study that is to be judged: one of the store, or a folder whose responses have no scores."""

from __future__ import annotations

from pathlib import Path

from backend.errors import NotAllowed
from backend.settings import Settings
from backend.store.study import find_study, list_studies, load_study
from backend.studies.importer import read_study
from backend.types import Study


def study_to_judge(settings: Settings, wanted: str) -> Study:
    """A study with its responses, scored or not.

    Args:
        settings: where the store is, and which folders a path may lead to.
        wanted: name or name@hash of an imported study, or else the path of a study's folder or zip.

    Raises:
        StudyNotFound: it is neither.
        NotAllowed: the path may not be named here.
        StudyFaults: everything that is wrong with the study in the folder.
        UnreadableFile: the study cannot be read.
    """
    kept = any(wanted in (ref.key, ref.name) for ref in list_studies(settings))
    path = Path(wanted)
    if kept or not path.exists():
        return load_study(settings, find_study(settings, wanted))
    if not settings.may_name(path):
        raise NotAllowed(
            f"The study {wanted!r} may not be named by its path here.",
            expected="an imported study, or a path below an allowed folder.",
            remedy="add its folder to STEERSCOPE_FOLDERS.",
        )
    return read_study(path, unscored=True)
