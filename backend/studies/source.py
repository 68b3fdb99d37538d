"""The files of a study, out of a folder or a zip."""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from backend.studies.faults import FaultList, shown
from backend.studies.limits import MOST_BYTES, MOST_CONTENTS_BYTES, size
from backend.studies.metadata import FILE
from backend.studies.tables import FORMATS

_TABLES = ("prompts", "responses")
# Files of other tools that are read, and other files whose names are kept, to tell a user which of
# them was probably meant.
_MOST_OTHERS = 1_000
# Endings of files that hold others, or one other, packed. They are not unpacked inside a study.
_PACKED = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".tar", ".7z", ".rar")
# End of a zip: its mark, then numbers of which the size of the table of contents is one.
_END = struct.Struct("<4s4H2LH")
_END_MARK = b"PK\5\6"
# The same in a zip with large numbers (zip64), which lies before it and before a pointer to it.
_LARGE_END = struct.Struct("<4sQ2H2L4Q")
_LARGE_END_MARK = b"PK\6\6"
_LOCATOR = 20
_ENCRYPTED = 0x1
# What zipfile and its decompressors raise on a damaged file.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    IndexError,
    KeyError,
)
_DAMAGED_REMEDY = "Make it again, or import the folder instead."


@dataclass(frozen=True)
class StudySource:
    """What lies in a study's folder or zip.

    Attributes:
        files: name, in small letters -> content of the study's files.
        others: names of other files beside them.
    """

    files: Mapping[str, bytes]
    others: tuple[str, ...] = ()


def _names(table: str) -> list[str]:
    """What the file of a table may be called."""
    return [f"{table}{form.suffix}" for form in FORMATS]


def _wanted() -> set[str]:
    """The files of a study, by name."""
    return {FILE, *(name for table in _TABLES for name in _names(table))}


def read_source(path: Path, faults: FaultList) -> StudySource:
    """The files of a study; other files are ignored.

    Args:
        path: a folder, or a zip whose files may lie in one top folder.
        faults: told of everything wrong.
    """
    try:
        if path.is_dir():
            return _read_folder(path, faults)
        if path.is_file():
            if is_zip(path):
                return _read_zip(path, faults)
            if _is_packed(path.name):
                what = "The path is packed, and not as a zip."
                faults.add(str(path), None, what, "Unpack it, and name what it holds.")
                return StudySource({})
            what = "is neither a folder nor a zip, nor in a format of another tool that is known."
        else:
            what = "is neither a folder nor a zip." if path.exists() else "does not exist."
    except OSError as fault:
        what = f"cannot be read: {fault.strerror or fault}."
    remedy = "Name a folder or zip with prompts.*, or a file in a format of docs/formats.md."
    faults.add(str(path), None, f"The path {what}", remedy)
    return StudySource({})


def is_zip(path: Path) -> bool:
    """Whether a file is a zip, or is called one."""
    return path.suffix.lower() == ".zip" or zipfile.is_zipfile(path)


def read_tables(path: Path, suffixes: Sequence[str], faults: FaultList) -> dict[str, bytes]:
    """Every file of some endings: of a folder and those in it, of a zip, or one file itself.

    Args:
        path: a folder, a file or a zip.
        suffixes: wanted endings, in small letters.
        faults: told where the files are too large together.

    Returns:
        Path below the folder, with slashes -> content; empty after a fault.
    """
    if path.is_file() and not is_zip(path):
        parts = [(path.name, path.stat().st_size, path.read_bytes)]
        return _within(parts, suffixes, faults)
    if path.is_dir():
        below = [one for one in sorted(path.rglob("*")) if one.is_file()]
        listed = [
            (one.relative_to(path).as_posix(), one.stat().st_size, one.read_bytes) for one in below
        ]
        return _within(listed, suffixes, faults)
    return _read_packed(path, suffixes, faults) if path.is_file() else {}


def _read_packed(path: Path, suffixes: Sequence[str], faults: FaultList) -> dict[str, bytes]:
    """Every file of some endings in a zip, but those that are packed so as not to be read."""
    try:
        problem = _head_problem(path)
        if problem is not None:
            faults.add(path.name, None, *problem)
            return {}
        with zipfile.ZipFile(path) as archive:
            packed = [
                (_path_of(entry), entry.file_size, partial(archive.read, entry))
                for entry in archive.infolist()
                if not entry.is_dir()
                and not _of_the_system(_path_of(entry))
                and not _is_link(entry)
                and not _leaves(_path_of(entry))
                and not entry.flag_bits & _ENCRYPTED
            ]
            return _within(packed, suffixes, faults)
    except (*_DAMAGE, NotImplementedError) as fault:
        what = "The zip is damaged, or packed in a way that is not read: {}."
        faults.add(path.name, None, what, _DAMAGED_REMEDY, shown(str(fault)))
        return {}


def _within(
    parts: Sequence[tuple[str, int, Callable[[], bytes]]],
    suffixes: Sequence[str],
    faults: FaultList,
) -> dict[str, bytes]:
    """The wanted of some files, each given by path, size and how it is read."""
    wanted = [one for one in parts if PurePosixPath(one[0].lower()).suffix in suffixes]
    if len(wanted) > _MOST_OTHERS:
        faults.note(
            wanted[_MOST_OTHERS][0],
            None,
            f"There are {len(wanted):,} files; the first {_MOST_OTHERS:,} by name are read.",
            "Name the folder of the study itself.",
        )
        wanted = wanted[:_MOST_OTHERS]
    total = 0
    for name, count, _ in wanted:
        total += count
        if total > MOST_BYTES:
            _add_too_large(name, count, faults)
            return {}
    lower = {name: PurePosixPath(name).suffix.lower() for name, _, _ in wanted}
    return {str(PurePosixPath(n).with_suffix(lower[n])): read() for n, _, read in wanted}


def has_table(table: str, source: StudySource) -> bool:
    """Whether a table's file is there. Args: prompts or responses, and the files."""
    return any(name in source.files for name in _names(table))


def choose_table(
    table: str, source: StudySource, faults: FaultList, *, required: bool
) -> str | None:
    """The one file of a table.

    Args:
        table: prompts or responses.
        source: from :func:`read_source`.
        faults: told if there are several, or none though one is required or one was meant.
        required: whether the table must be there.
    """
    found = [name for name in _names(table) if name in source.files]
    if len(found) > 1:
        faults.add(found[1], None, f"{' and '.join(found)} are both there.", "Keep one of them.")
    packed = packed_tables(table, source)
    meant = [name for name in source.others if PurePosixPath(name.lower()).stem == table]
    if required and not meant and not packed:
        packed = [name for name in source.others if _is_packed(name)]
    if not found and (required or meant or packed):
        seen, remedy = "", f"Add {', '.join(_names(table))}."
        if packed:
            seen, remedy = f" {shown(packed[0])} is there, packed, and is not read.", "Unpack it."
        elif meant:
            seen = f" {shown(meant[0])} is there, and is not read."
            remedy = f"Save it as {', '.join(_names(table))}."
        named = (*packed, *meant, f"{table}.jsonl")[0]
        faults.add(named, None, f"There is no {table} file.{seen}", remedy)
    return found[0] if found else None


def packed_tables(table: str, source: StudySource) -> list[str]:
    """Packed files that are called as a table. Args: prompts or responses, and the files."""
    return [n for n in source.others if _is_packed(n) and n.lower().startswith(f"{table}.")]


def _is_packed(name: str) -> bool:
    return PurePosixPath(name.lower()).suffix in _PACKED


def _read_folder(path: Path, faults: FaultList) -> StudySource:
    files: dict[str, bytes] = {}
    others: list[str] = []
    wanted = _wanted()
    left = MOST_BYTES
    for entry in sorted(path.iterdir()):
        name = entry.name.lower()
        if name not in wanted or not entry.is_file():
            if len(others) < _MOST_OTHERS:
                others.append(entry.name)
            continue
        if name in files:
            what = "Two files have this name, but for small and capital letters."
            faults.add(name, None, what, "Keep one of them.")
            continue
        with entry.open("rb") as handle:
            content = handle.read(left + 1)
        left -= len(content)
        if left < 0:
            _add_too_large(entry.name, entry.stat().st_size, faults)
            return StudySource({})
        files[name] = content
    return StudySource(files, tuple(others))


def _add_too_large(name: str, found: int, faults: FaultList) -> None:
    faults.add(
        name,
        None,
        f"The study is too large: with this file ({size(found)}) it has over {size(MOST_BYTES)}.",
        f"At most {size(MOST_BYTES)} are read, unpacked: split the study.",
    )


def _read_zip(path: Path, faults: FaultList) -> StudySource:
    try:
        problem = _head_problem(path)
        if problem is not None:
            faults.add(path.name, None, *problem)
            return StudySource({})
        with zipfile.ZipFile(path) as archive:
            return _read_archive(path.name, archive, faults)
    except NotImplementedError as fault:
        what = "The zip is packed in a way that is not read: {}."
        faults.add(
            path.name, None, what, "Pack it again as a plain zip (deflate).", shown(str(fault))
        )
    except _DAMAGE as fault:
        faults.add(path.name, None, "The zip is damaged: {}.", _DAMAGED_REMEDY, shown(str(fault)))
    return StudySource({})


def _head_problem(path: Path) -> tuple[str, str] | None:
    """What is wrong with a zip as a whole, and its remedy, before its contents are listed."""
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - _END.size - 2**16 - _LARGE_END.size - _LOCATOR))
        tail = handle.read()
    at = tail.rfind(_END_MARK)
    if at < 0 or at + _END.size > len(tail):
        return "The zip is damaged: its end is missing.", _DAMAGED_REMEDY
    contents = _END.unpack_from(tail, at)[5]
    large = at - _LOCATOR - _LARGE_END.size
    if large >= 0 and tail.startswith(_LARGE_END_MARK, large):
        contents = max(contents, _LARGE_END.unpack_from(tail, large)[8])
    if contents > MOST_CONTENTS_BYTES:
        return "The zip holds too many files.", "Pack the study's own files only."
    return None


def _read_archive(file: str, archive: zipfile.ZipFile, faults: FaultList) -> StudySource:
    entries = [
        (_path_of(entry), entry)
        for entry in archive.infolist()
        if not entry.is_dir() and not _of_the_system(_path_of(entry))
    ]
    if not entries:
        faults.add(file, None, "The zip holds no file.", "Pack the study's files into it.")
        return StudySource({})
    before = faults.count
    for name, entry in entries:
        if _is_link(entry):
            what = "The zip holds the link {}; links are not followed."
            faults.add(file, None, what, "Pack the file that it stands for.", shown(name))
        elif _leaves(name):
            what = "The zip holds {}, which leads out of it."
            faults.add(file, None, what, "Pack plain files with relative paths only.", shown(name))
    if faults.count > before:
        return StudySource({})
    names = _wanted()
    wanted = [(p, entry) for p, entry in entries if PurePosixPath(p).name.lower() in names]
    folders = sorted({str(PurePosixPath(p).parent) for p, _ in wanted})
    if len(folders) > 1:
        faults.add(
            file,
            None,
            f"The zip has study files in {len(folders)} folders: "
            f"{', '.join(map(shown, folders[:5]))}.",
            "Keep one copy of the study, in one folder or at the top.",
        )
        return StudySource({})
    if any(entry.flag_bits & _ENCRYPTED for _, entry in wanted):
        what = "The zip is protected by a password."
        faults.add(file, None, what, "Pack it without a password.")
        return StudySource({})
    total = sum(entry.file_size for _, entry in wanted)
    if total > MOST_BYTES:
        faults.add(
            file,
            None,
            f"The zip unpacks to {size(total)}.",
            f"At most {size(MOST_BYTES)} are read: split the study.",
        )
        return StudySource({})
    files: dict[str, bytes] = {}
    for p, entry in wanted:
        name = PurePosixPath(p).name.lower()
        if name in files:
            faults.add(file, None, f"The zip holds {name} twice.", "Keep one of them.")
            return StudySource({})
        with archive.open(entry) as handle:
            # What the table of contents says of a size may be wrong.
            content = handle.read(MOST_BYTES - sum(map(len, files.values())) + 1)
        if sum(map(len, files.values())) + len(content) > MOST_BYTES:
            _add_too_large(name, len(content), faults)
            return StudySource({})
        files[name] = content
    others = [PurePosixPath(p).name for p, _ in entries]
    return StudySource(files, tuple(n for n in others if n.lower() not in names)[:_MOST_OTHERS])


def _path_of(entry: zipfile.ZipInfo) -> str:
    """Path of an entry with slashes, also where the zip was packed with backslashes."""
    return entry.filename.replace("\\", "/")


def _of_the_system(path: str) -> bool:
    """Whether macOS put the entry beside the user's files."""
    parts = PurePosixPath(path).parts
    return bool(parts) and (parts[0] == "__MACOSX" or parts[-1].startswith("._"))


def _is_link(entry: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(entry.external_attr >> 16)


def _leaves(path: str) -> bool:
    """Whether unpacking an entry of this path could write outside the target."""
    parts = PurePosixPath(path).parts
    return path.startswith("/") or ".." in parts or any(":" in part for part in parts[:1])
