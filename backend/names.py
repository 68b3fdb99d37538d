"""What may be called what: one grammar for the names inside a study, one for the names of files.

Names come from studies, files, addresses and command lines of anybody. They stand in charts'
labels, in HTML and in the names of files, so each is looked at here wherever it comes in.
"""

from __future__ import annotations

import re
from pathlib import Path

from backend.errors import StoreError

# Characters of a name: it must fit on the screen.
MOST_NAME = 120
# Names stand in charts' labels, in Markdown and in HTML, where these are marks.
_MARKS = '<>"%`\\'
# What a column may not hold: traits and prompt sets name files too. Scenarios are shown as text.
_REFUSED = {
    "trait": f"{_MARKS}/",
    "prompt_set": f"{_MARKS}/",
    "responder": _MARKS,
    "scenario": "",
    "group": "",
    "pair": "",
}
# Of a study, run, vector or job; studies are called name@hash.
_FILE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9@_-]|\.(?!\.)){0,199}")

# Of a note or a dose-response: when it was made, and what tells those of one second apart.
DATED_NAME = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")
# Of a vector that was saved or imported.
VECTOR_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?")


def name_problem(column: str, name: str) -> tuple[str, str] | None:
    """What is wrong with a name, with ``{}`` where it stands, and the remedy; None if nothing.

    Args:
        column: trait, prompt_set, responder, scenario, group or pair.
        name: without white space around it.
    """
    refused = _REFUSED[column]
    if len(name) > MOST_NAME:
        return (
            f"{column} {{}} has more than {MOST_NAME} characters.",
            "Give it a short name; a description has its place in study.json.",
        )
    if not name.isprintable():
        return f"{column} {{}} holds a control character.", "Write it on one line, as plain text."
    if any(sign in refused for sign in name):
        return f"{column} {{}} holds one of {' '.join(refused)} .", "Rename it without these signs."
    if "/" in refused and name.startswith("."):
        return f"{column} {{}} begins with a dot.", "Rename it: files are called after it."
    return None


def may_name_file(name: str) -> bool:
    """Whether a study, run, vector or job may be called so."""
    return _FILE.fullmatch(name) is not None


def file_in(folder: Path, kind: str, name: str, suffix: str = ".duckdb") -> Path:
    """Where a file of the store is, or would be; never outside its folder.

    Args:
        folder: one of the store's.
        kind: study, run, vector or job, for the message.
        name: as a user, an address or another file says it.
        suffix: what follows the name.

    Raises:
        StoreError: it cannot be a file's name.
    """
    if not may_name_file(name):
        raise StoreError(
            f"{name[:80]!r} cannot name a {kind}.",
            expected="up to 200 letters, digits, dashes, underscores and single dots, beginning "
            "with a letter or digit.",
            remedy="choose a name such as warmth-llama3-2.",
        )
    return folder / f"{name}{suffix}"
