"""Whatever a file holds, an import ends with a study or with the project's own error.

A failure prints the seed of its case: ``write_case(format, seed, folder)`` makes it again.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from backend.errors import StudyFaults
from backend.studies.faults import FaultList
from backend.studies.hashing import content_hash
from backend.studies.importer import read_study
from tests.studies.fuzzing import METHODS, Files, mutated, mutated_bytes, small_files, zipped

# Format -> cases; together 21,000.
CASES = {"jsonl": 6000, "csv": 6000, "parquet": 2500, "json": 500, "zip": 6000}
TABLES = ("jsonl", "csv", "parquet", "json")
INSIDE = ("", "", "", "top/", "a\\b\\", "./", "x/../", "__MACOSX/")


@cache
def original(form: str) -> Files:
    """The files of a small study; of ``zip``, one in each format and way of packing."""
    if form != "zip":
        return small_files(form)
    return {
        f"{suffix} {method} {inside}": zipped(small_files(suffix), method, inside)
        for suffix in ("jsonl", "csv", "parquet")
        for method in METHODS
        for inside in set(INSIDE)
    }


def write_case(form: str, seed: int, folder: Path) -> Path:
    """Write the study of a case and return its path."""
    rng = random.Random(f"{form} {seed}")
    for file in folder.iterdir():
        file.unlink()
    if form == "zip":
        path = folder / "study.zip"
        if rng.random() < 0.2:
            suffix = rng.choice(TABLES)
            content = zipped(mutated(original(suffix), suffix, rng), METHODS[rng.randrange(2)])
        else:
            content = mutated_bytes(rng.choice(list(original(form).values())), rng)
        path.write_bytes(content)
        return path
    for name, content in mutated(original(form), form, rng).items():
        (folder / name).write_bytes(content)
    return folder


def outcome(form: str, seed: int, folder: Path) -> str:
    """What becomes of a case: ``kept`` or ``refused``; anything else is raised."""
    path = write_case(form, seed, folder)
    faults = FaultList()
    try:
        study = read_study(path, "fuzzed", faults)
        # What would be written: the hash covers all text, and the store takes what UTF-8 takes.
        assert len(content_hash(study)) == 12
        said = "".join(map(str, faults.notes))
        found = "kept"
    except StudyFaults as fault:
        said = str(fault)
        assert all(f.what and f.remedy and len(f.what) < 4000 for f in fault.faults)
        found = "refused"
    said.encode()
    assert len(said) < 500_000
    return found


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("form", CASES)
def test_a_mutated_study_is_read_or_refused_in_words(form):
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        for seed in range(CASES[form]):
            try:
                counts[outcome(form, seed, Path(name))] += 1
            except Exception as fault:
                raise AssertionError(f"format {form!r}, seed {seed}: {fault!r}") from fault
    # Some changes are harmless and some are not, or the mutations test nothing.
    assert counts["refused"] > CASES[form] / 10
    assert counts["kept"] > CASES[form] / 100 or form == "json"
