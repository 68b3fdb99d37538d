"""The files of a study, out of a folder or a zip."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from backend.studies.faults import FaultList
from backend.studies.metadata import FILE
from backend.studies.tables import FORMATS

# A zip that unpacks to more is a bomb or a mistake.
MOST_BYTES = 2 * 2**30


def _names(table: str) -> list[str]:
    """What the file of a table may be called."""
    return [f"{table}{form.suffix}" for form in FORMATS]


def _wanted() -> list[str]:
    """The files of a study, by name."""
    return sorted([*_names("prompts"), *_names("responses"), FILE])


def read_source(path: Path, faults: FaultList) -> Mapping[str, bytes]:
    """Name -> content of the wanted files; other files are ignored.

    Args:
        path: a folder, or a zip whose files may lie in one top folder.
        faults: told of everything wrong.
    """
    if path.is_dir():
        return {name: (path / name).read_bytes() for name in _wanted() if (path / name).is_file()}
    if path.is_file() and zipfile.is_zipfile(path):
        return _read_zip(path, faults)
    what = "is neither a folder nor a zip." if path.exists() else "does not exist."
    faults.add(str(path), None, f"The path {what}", "Name a folder or zip with prompts.*.")
    return {}


def choose_table(
    table: str, files: Mapping[str, bytes], faults: FaultList, *, required: bool
) -> str | None:
    """The one file of a table.

    Args:
        table: prompts or responses.
        files: from :func:`read_source`.
        faults: told if there are several, or none though one is required.
        required: whether the table must be there.
    """
    found = [name for name in _names(table) if name in files]
    if len(found) > 1:
        faults.add(found[1], None, f"{' and '.join(found)} are both there.", "Keep one of them.")
    if not found and required:
        faults.add(
            f"{table}.jsonl",
            None,
            f"There is no {table} file.",
            f"Add {', '.join(_names(table))}.",
        )
    return found[0] if found else None


def _read_zip(path: Path, faults: FaultList) -> Mapping[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        bad = [entry.filename for entry in entries if _leaves(entry)]
        for name in bad:
            faults.add(
                path.name,
                None,
                f"The zip holds {name!r}, which leads out of it.",
                "Pack plain files with relative paths only.",
            )
        if bad:
            return {}
        names = _wanted()
        wanted = [entry for entry in entries if PurePosixPath(entry.filename).name in names]
        folders = {str(PurePosixPath(entry.filename).parent) for entry in wanted}
        if len(folders) > 1:
            faults.add(
                path.name,
                None,
                f"The zip has study files in {len(folders)} folders.",
                "Put them into one folder, or at the top.",
            )
            return {}
        total = sum(entry.file_size for entry in wanted)
        if total > MOST_BYTES:
            faults.add(
                path.name,
                None,
                f"The zip unpacks to {total / 2**30:.1f} GiB.",
                f"At most {MOST_BYTES / 2**30:.0f} GiB are read; import a folder instead.",
            )
            return {}
        return {PurePosixPath(entry.filename).name: archive.read(entry) for entry in wanted}


def _leaves(entry: zipfile.ZipInfo) -> bool:
    """Whether unpacking the entry could write outside the target, or it is a link."""
    name = entry.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    is_link = stat.S_ISLNK(entry.external_attr >> 16)
    return name.startswith("/") or ".." in parts or ":" in parts[0] or is_link
