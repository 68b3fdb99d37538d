"""What is wrong with a study's files, as its import says it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.errors import StudyFaults
from backend.studies.importer import read_study

# File, line, what is wrong and what to do.
Said = tuple[str, int | None, str, str]


def faults_of(path: Path) -> list[Said]:
    """All faults of a study that cannot be imported."""
    with pytest.raises(StudyFaults) as caught:
        read_study(path, "small")
    return [(f.file, f.line, f.what, f.remedy) for f in caught.value.faults]


def only(path: Path) -> Said:
    """The one fault of a study."""
    found = faults_of(path)
    assert len(found) == 1, found
    return found[0]


def change(folder: Path, name: str, line: int, **values: object) -> None:
    """Change one record of a jsonl file; None removes a key."""
    path = folder / f"{name}.jsonl"
    rows = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    rows[line - 1] = {k: v for k, v in (rows[line - 1] | values).items() if v is not None}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
