"""Drafts: studies whose responses have no scores yet, a folder each in ``cache/drafts``."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from backend.errors import StoreError
from backend.settings import Settings
from backend.store.changes import changing
from backend.store.room import writing
from backend.studies.importer import checked_name, read_study
from backend.studies.study_folder import write_folder
from backend.writing.new_study import Draft

RUBRIC, NOTES = "rubric.md", "notes.md"


@dataclass(frozen=True)
class DraftEntry:
    """A draft in a list. Attributes: name, and when it was written, seconds since 1970."""

    name: str
    at: float


def check_free(settings: Settings, name: str) -> None:
    """Refuse a name that cannot name a draft, or names one already.

    Args:
        settings: where drafts are kept.
        name: of a study.

    Raises:
        SteerscopeError: it cannot name a study.
        StoreError: a draft has it.
    """
    if (settings.drafts / checked_name(name)).exists():
        raise StoreError(
            f"A draft is called {name!r} already.",
            expected="a new name: a draft is not written over.",
            remedy="choose another name, or remove that draft.",
        )


def keep_draft(settings: Settings, draft: Draft) -> Path:
    """Keep a draft; it appears whole or not at all.

    Args:
        settings: where drafts are kept.
        draft: named by its study.

    Returns:
        Its folder.

    Raises:
        StoreError: a draft has the name.
        ReadOnly, NotAllowed: nothing may be kept here, or not by who asks.
        NoRoom: the disk is full, or does not let it be written.
        ExportError: the study could not be read again from its files.
    """
    name = draft.study.name
    target = settings.drafts / checked_name(name)
    if target.exists() and read_draft(settings, name) == draft:
        return target  # by a worker that died before it could say so
    check_free(settings, name)
    changing(settings, "keep draft", name)
    with writing(target):
        settings.drafts.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".making-", dir=settings.drafts))
        try:
            _write(draft, made / name)
            (made / name).rename(target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return target


def list_drafts(settings: Settings) -> tuple[DraftEntry, ...]:
    """All drafts, newest first.

    Args:
        settings: where drafts are kept.
    """
    if not settings.drafts.is_dir():
        return ()
    found = [
        DraftEntry(path.name, path.stat().st_mtime)
        for path in settings.drafts.iterdir()
        if not path.name.startswith(".") and (path / "study.json").is_file()
    ]
    return tuple(sorted(found, key=lambda entry: (-entry.at, entry.name)))


def read_draft(settings: Settings, name: str) -> Draft:
    """A draft with its rubric.

    Args:
        settings: where drafts are kept.
        name: of its study.

    Raises:
        StoreError: there is none of that name.
        StudyFaults: what is wrong with its files.
    """
    folder = _folder(settings, name)
    rubric, notes = (
        path.read_text("utf-8") if path.is_file() else ""
        for path in (folder / RUBRIC, folder / NOTES)
    )
    listed = tuple(line.removeprefix("- ") for line in notes.splitlines() if line.strip())
    return Draft(read_study(folder, name, unscored=True), rubric, listed)


def remove_draft(settings: Settings, name: str) -> None:
    """Delete a draft.

    Args:
        settings: where drafts are kept.
        name: of its study.

    Raises:
        StoreError: there is none of that name.
        ReadOnly, NotAllowed: nothing may be deleted here, or not by who asks.
        NoRoom: the disk does not let it be removed.
    """
    folder = _folder(settings, name)
    changing(settings, "remove draft", name)
    with writing(folder):
        gone = Path(tempfile.mkdtemp(prefix=".gone-", dir=settings.drafts))
        # Out of the list at once, whatever ends the deleting.
        folder.rename(gone / name)
        shutil.rmtree(gone, ignore_errors=True)


def draft_zip(draft: Draft) -> bytes:
    """A draft as a zip, which an import reads.

    Args:
        draft: kept or not, such as a template.

    Raises:
        ExportError: the study could not be read again from its files.
    """
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as made, zipfile.ZipFile(content, "w") as packed:
        for path in _write(draft, Path(made) / draft.study.name):
            packed.write(path, path.name, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _write(draft: Draft, folder: Path) -> tuple[Path, ...]:
    more = {RUBRIC: draft.rubric}
    if draft.notes:
        more[NOTES] = "".join(f"- {note}\n" for note in draft.notes)
    return write_folder(draft.study, folder, more)


def _folder(settings: Settings, name: str) -> Path:
    folder = settings.drafts / checked_name(name)
    if not (folder / "study.json").is_file():
        raise StoreError(
            f"There is no draft {name!r}.",
            expected="a draft that has not been removed.",
            remedy="reload the page to see which there are.",
        )
    return folder
